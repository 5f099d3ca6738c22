import { join } from 'node:path'
import t from 'tap'
import { AdminServer } from '../../control/admin.ts'
import { authorized } from '../../control/authorize.ts'
import { domainRoutes } from '../../control/domain-routes.ts'
import { siteGrantPath } from '../../core/grant-api.ts'
import type { Handle } from '../../store/store.ts'
import { ask } from './fixtures/ask.ts'
import { openDomainHost } from './fixtures/domain-host.ts'
import { shortFolder } from './fixtures/short-folder.ts'
import { silentLog } from './fixtures/silent-log.ts'

const host = await openDomainHost(t.testdir())
const { domains, store, registry, state, dns, publish } = host
const socket = join(shortFolder(t), 'control.sock')
const routes = authorized(domainRoutes({ domains, store }), store)
const admin = await AdminServer.listen({ socket, routes, log: silentLog })
t.teardown(async () => {
  await admin[Symbol.asyncDispose]()
  await host[Symbol.asyncDispose]()
})

const name = 'www.author.example'
const token = await store.grant(store.root, {
  path: siteGrantPath('blog'),
  untilMs: Date.UTC(2100, 0),
  read: true,
  write: true,
})
const call = (method: string, target: string, body?: unknown, handle: Handle | undefined = token) =>
  ask(socket, method, target, body, handle === undefined ? {} : { authorization: `Bearer ${handle}` })

t.test('an author’s token adds, proves, lists and removes domains of its site', async (t) => {
  const { status, body } = await call('POST', '/sites/blog/domains', { domain: name })
  t.same([status, body.state], [200, 'pending'])
  publish(body)
  t.match(await call('POST', `/sites/blog/domains/${name}/verify`), { status: 200, body: { state: 'proven' } })
  t.match((await call('GET', '/sites/blog/domains')).body, { domains: [{ domain: name, state: 'proven' }] })
  t.same(await call('DELETE', `/sites/blog/domains/${name}`).then((answer) => [answer.status, answer.body]), [200, {}])
  t.match(await call('DELETE', `/sites/blog/domains/${name}`), {
    status: 404,
    body: { error: { code: 'ERR_NOT_FOUND' } },
  })
  t.same((await call('GET', '/sites/blog/domains')).body, { domains: [] })
})

t.test('and of no other', async (t) => {
  for (const [method, target] of [
    ['POST', '/sites/shop/domains'],
    ['POST', `/sites/shop/domains/${name}/verify`],
    ['GET', '/sites/shop/domains'],
    ['DELETE', `/sites/shop/domains/${name}`],
  ] as const)
    t.match(await call(method, target, method === 'POST' ? { domain: name } : undefined), {
      status: 403,
      body: { error: { code: 'ERR_DENIED' } },
    })
  t.same(registry.domains.records('shop'), [])
})

t.test('a token that is revoked while the DNS is asked proves nothing', async (t) => {
  dns.clear()
  const brief = await store.grant(store.root, { path: siteGrantPath('blog'), untilMs: Date.UTC(2100, 0), write: true })
  publish((await call('POST', '/sites/blog/domains', { domain: name }, brief)).body)
  state.meanwhile = async () => void (await store.revoke(store.root, brief))
  t.match(await call('POST', `/sites/blog/domains/${name}/verify`, {}, brief), {
    status: 403,
    body: { error: { code: 'ERR_DENIED', details: { reason: 'revoked' } } },
  })
  t.equal(registry.siteAt(name), undefined)
})

t.test('what does not fit is told', async (t) => {
  for (const body of [{}, { domain: '' }, { domain: 7 }, { domain: 'x'.repeat(1_001) }, { domain: name, more: 1 }])
    t.match(await call('POST', '/sites/blog/domains', body), {
      status: 400,
      body: { error: { code: 'ERR_BAD_REQUEST' } },
    })
  t.match(await call('POST', `/sites/blog/domains/${name}/verify`, { takeOver: 'yes' }), { status: 400 })
  t.match(await call('GET', '/sites/No/domains'), { status: 400, body: { error: { code: 'ERR_SITE_NAME' } } })
})
