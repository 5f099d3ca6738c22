import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { AdminServer } from '../../control/admin.ts'
import { authorized } from '../../control/authorize.ts'
import { grantRoutes } from '../../control/grant-routes.ts'
import { siteGrantPath } from '../../core/grant-api.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { narrow } from '../../store/grants/handle.ts'
import type { Handle } from '../../store/store.ts'
import { ask } from './fixtures/ask.ts'
import { shortFolder } from './fixtures/short-folder.ts'

const store = await openMemoryStore()
const socket = join(shortFolder(t), 'control.sock')
const state = { nowMs: Date.now() }
const routes = authorized(grantRoutes({ store, now: () => state.nowMs }), store)
const admin = await AdminServer.listen({ socket, routes, log: pino({ level: 'silent' }) })
t.teardown(async () => {
  await admin[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
})

const path = siteGrantPath('blog')
const untilMs = Date.UTC(2100, 0)
const wanted = { path, rights: ['read', 'write', 'grant'], untilMs, label: 'CI' }
const post = (target: string, body: unknown, token?: Handle) =>
  ask(socket, 'POST', target, body, token === undefined ? {} : { authorization: `Bearer ${token}` })
const make = async (options: object = {}, by?: Handle) => (await post('/grants', { ...wanted, ...options }, by)).body

t.test('a grant is made, shown by id and by token, listed and revoked', async (t) => {
  const { token, grant } = await make({ maxBytes: 100 })
  const view = {
    parent: 'root',
    path,
    rights: ['read', 'write', 'grant'],
    untilMs,
    label: 'CI',
    maxBytes: 100,
    usedBytes: 0,
    usedWrites: 0,
    state: 'alive',
  }
  t.match(grant, view)
  for (const target of [grant.id, token, narrow(token, { rights: [] })])
    t.same((await post('/grants/show', { target })).body, grant)
  const child = await make({ path: `${path}/versions`, rights: ['read'], label: 'below' }, token)
  t.match(child.grant, { parent: grant.id, rights: ['read'], maxBytes: 100 })
  const listed = await ask(socket, 'GET', `/grants?path=${path}`)
  t.same(listed.body, { grants: [child.grant, grant] })
  t.notMatch(JSON.stringify(listed.body), 'grove_', 'nobody is told a token again')
  t.same((await ask(socket, 'GET', '/grants?path=/elsewhere')).body, { grants: [] })
  t.same((await post('/grants/revoke', { target: grant.id })).body, { id: grant.id, revoked: 2 })
  t.same((await post('/grants/revoke', { target: token })).body, { id: grant.id, revoked: 0 })
  t.match((await post('/grants/show', { target: child.token })).body, { state: 'revoked' }, 'dead with its parent')
})

t.test('a token makes, sees and revokes what it may, and no more', async (t) => {
  const { token, grant } = await make()
  const reader = await make({ rights: ['read'] })
  const refused = async (target: string, body: unknown, by: Handle) => {
    const { status, body: answer } = await post(target, body, by)
    return status === 200 ? 'ok' : answer.error.details?.reason
  }
  t.equal(await refused('/grants', wanted, reader.token), 'rights')
  t.equal(await refused('/grants', { ...wanted, path: siteGrantPath('shop') }, token), 'path')
  t.equal(await refused('/grants', { ...wanted, untilMs: untilMs + 1 }, token), 'expired')
  t.equal(await refused('/grants', wanted, narrow(token, { rights: ['grant'] })), 'rights')
  t.equal(await refused('/grants/show', { target: grant.id }, reader.token), 'rights')
  t.equal(await refused('/grants/show', { target: reader.grant.id }, reader.token), 'ok', 'its own')
  t.equal(await refused('/grants/revoke', { target: grant.id }, reader.token), 'rights')
  t.equal(await refused('/grants/keys', {}, token), 'rights')
  const all = await ask(socket, 'GET', '/grants', undefined, { authorization: `Bearer ${token}` })
  t.match(all.body.error, { details: { reason: 'path' }, hint: /grove grant show/ })
  t.equal(await refused('/grants/revoke', { target: reader.grant.id }, reader.token), 'ok', 'its own')
  t.equal(await refused('/grants/show', { target: reader.grant.id }, reader.token), 'revoked')
})

t.test('what is no grant is refused', async (t) => {
  const wrong: [object, string, RegExp][] = [
    [{ untilMs: state.nowMs }, 'ERR_BAD_REQUEST', /cannot end in the past/],
    [{ path: 'blog' }, 'ERR_BAD_REQUEST', /is not a path/],
    [{ rights: ['own'] }, 'ERR_BAD_REQUEST', /rights/],
    [{ label: 'x'.repeat(201) }, 'ERR_BAD_REQUEST', /label/],
    [{ label: 'a\nb' }, 'ERR_BAD_REQUEST', /control characters/],
    [{ maxBytes: -1 }, 'ERR_BAD_REQUEST', /maxBytes/],
    [{ owner: 'me' }, 'ERR_BAD_REQUEST', /./],
  ]
  for (const [options, code, message] of wrong) t.match((await make(options)).error, { code, message })
  t.match((await post('/grants/show', { target: 'x'.repeat(22) })).body.error, { code: 'ERR_NOT_FOUND' })
  t.match((await post('/grants/revoke', { target: 'grove_x' })).body.error, { details: { reason: 'handle' } })
  t.match((await post('/grants/revoke', { target: 'x'.repeat(3_000) })).body.error, { code: 'ERR_BAD_REQUEST' })
  t.match((await post('/grants/revoke', { target: 'root' })).body.error, { details: { reason: 'rights' } })
})

t.test('the log of a site is told to who may read there, as much as was asked for', async (t) => {
  const { token } = await make({ path: siteGrantPath('told'), rights: ['read'], label: 'reader' })
  for (let count = 0; count < 3; count += 1) await make({ path: siteGrantPath('told') })
  const tell = (query: string, name = 'told') =>
    ask(socket, 'GET', `/sites/${name}/log${query}`, undefined, { authorization: `Bearer ${token}` })
  const { body } = await tell('')
  t.equal(body.entries.length, 4)
  t.match(body, { more: false })
  t.match(body.entries.at(-1), { act: 'grant', by: { id: 'root', label: 'operator' }, details: { label: 'reader' } })
  t.match((await tell('?limit=2')).body, { entries: [{ details: { label: 'CI' } }, {}], more: true })
  for (const limit of ['0', '-1', '1001', 'all', '1e3', ''])
    t.match((await tell(`?limit=${limit}`)).body.error, { code: 'ERR_BAD_REQUEST' }, limit)
  t.match((await tell('', 'blog')).body.error, { details: { reason: 'path' } })
  t.match((await tell('', 'NO')).body.error, { code: 'ERR_SITE_NAME' })
})

t.test('a grant ends by the clock', async (t) => {
  const { token } = await make({ untilMs: state.nowMs + 60_000 })
  state.nowMs += 60_000
  t.match((await post('/grants/show', { target: token })).body, { state: 'expired' })
  state.nowMs -= 60_000
})

t.test('keys are made new, and old ones dropped with their tokens', async (t) => {
  const { token } = await make()
  t.same((await post('/grants/keys', {})).body, { kid: '2', dropped: 0 })
  t.equal((await post('/grants/show', { target: token }, token)).status, 200)
  t.same((await post('/grants/keys', { dropOld: true })).body, { kid: '3', dropped: 2 })
  t.match((await post('/grants/show', { target: token }, token)).body.error, { details: { reason: 'handle' } })
  t.match(await make(), { token: /^grove_3\./ })
})
