import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { readSiteLog } from '../../control/site-log.ts'
import { SiteSecrets } from '../../control/site-secrets.ts'
import { siteOwner } from '../../core/grant-api.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { type Keyring, openKeyring } from '../../store/segments/keyring.ts'
import { silentLog } from './fixtures/silent-log.ts'

const value = 'correct horse battery staple'
const most = { vars: 3, varBytes: 5_120 }
const path = '/sites/default/blog/secrets'

async function open(t: Test, keyring?: Keyring) {
  const store = await openMemoryStore()
  t.teardown(() => store[Symbol.asyncDispose]())
  const openWith = (keys: Keyring | undefined) => new SiteSecrets({ store, env, keyring: keys, log: silentLog })
  return { store, secrets: openWith(keyring), openWith }
}

async function rawLog(store: Awaited<ReturnType<typeof open>>['store']): Promise<string> {
  const [found = path] = (await store.list(store.root, '/sites')).filter((name) => name.endsWith('/blog/secrets'))
  const log = await store.open(store.root, found)
  let text = ''
  for await (const { data } of log.read()) text += Buffer.from(data).toString('latin1')
  await log.close()
  return text
}

t.test('secrets are set, read, listed without values and removed, each site by itself', async (t) => {
  const { secrets } = await open(t)
  t.same(await secrets.list('blog'), [])
  await secrets.set('blog', { name: 'KEY', value, hosts: ['api.example.com'] }, most)
  await secrets.set('blog', { name: 'A', value: 'another one', hosts: [] }, most)
  t.same(await secrets.read('blog'), [
    { name: 'A', value: 'another one', hosts: [] },
    { name: 'KEY', value, hosts: ['api.example.com'] },
  ])
  const listed = await secrets.list('blog')
  t.match(listed, [
    { name: 'A', hosts: [] },
    { name: 'KEY', hosts: ['api.example.com'], setAtMs: Number },
  ])
  t.notMatch(JSON.stringify(listed), value)
  t.same(await secrets.read('other'), [])
  await secrets.set('blog', { name: 'KEY', value: 'a new value', hosts: [] }, most)
  t.match(await secrets.read('blog'), [{}, { value: 'a new value', hosts: [] }])
  t.equal(await secrets.remove('blog', 'KEY'), true)
  t.equal(await secrets.remove('blog', 'KEY'), false)
  await secrets.clear('blog')
  await secrets.clear('nobody')
  t.same(await secrets.read('blog'), [])
})

t.test('the log of the site says who set and removed which, and nothing of values', async (t) => {
  const { store, secrets } = await open(t)
  await secrets.set('blog', { name: 'KEY', value, hosts: [] }, most)
  await secrets.set('blog', { name: 'KEY', value: 'another one', hosts: [] }, most)
  await secrets.remove('blog', 'KEY')
  await secrets.remove('blog', 'KEY')
  await t.rejects(secrets.set('blog', { name: '1', value, hosts: [] }, most), { code: 'ERR_BAD_REQUEST' })
  await secrets.set('blog', { name: 'B', value, hosts: [] }, most)
  await secrets.clear('blog')
  const { entries } = await readSiteLog(store, `/sites/${siteOwner}/blog`, 10)
  const told = entries.map(({ act, by, details }) => [act, by.label, details['name']])
  t.same(told, [
    ['secret-set', 'operator', 'B'],
    ['secret-remove', 'operator', 'KEY'],
    ['secret-set', 'operator', 'KEY'],
    ['secret-set', 'operator', 'KEY'],
  ])
  t.notMatch(JSON.stringify(entries), value)
})

t.test('with a key they are sealed, for their site and name', async (t) => {
  const keyring = openKeyring([randomBytes(32)])
  const { store, secrets, openWith } = await open(t, keyring)
  await secrets.set('blog', { name: 'KEY', value, hosts: [] }, most)
  t.notMatch(await rawLog(store), value)
  t.match(await secrets.read('blog'), [{ value }])
  await t.rejects(openWith(undefined).read('blog'), { code: 'ERR_KEY_MISSING' })
  await t.rejects(openWith(openKeyring([randomBytes(32)])).read('blog'), { code: 'ERR_KEY_MISSING' })
})

t.test('those that were set before there was a key are still read', async (t) => {
  const { secrets, openWith } = await open(t)
  await secrets.set('blog', { name: 'KEY', value, hosts: [] }, most)
  const keyed = openWith(openKeyring([randomBytes(32)]))
  t.match(await keyed.read('blog'), [{ value }])
})

t.test('what cannot be a secret is refused, and not repeated', async (t) => {
  const { secrets } = await open(t)
  for (const [name, bad] of [
    ['DATA', value],
    ['ASSETS', value],
    ['1KEY', value],
    ['', value],
    ['A B', value],
    ['__proto__\u0000', value],
    ['x'.repeat(129), value],
    ['KEY', 'short'],
    ['KEY', ''],
    ['KEY', `${value}\0`],
    ['KEY', `${value}\ud800`],
    ['KEY', 'x'.repeat(5_121)],
  ] as const) {
    const error = await secrets.set('blog', { name, value: bad, hosts: [] }, most).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    )
    t.match(error, { code: 'ERR_BAD_REQUEST' }, JSON.stringify(name.slice(0, 20)))
    if (bad.length > 5) t.notOk(error?.message.includes(bad))
  }
  t.same(await secrets.list('blog'), [])
})

t.test('a site has as many secrets as its tier allows', async (t) => {
  const { secrets } = await open(t)
  for (const name of ['A', 'B', 'C']) await secrets.set('blog', { name, value, hosts: [] }, most)
  await t.rejects(secrets.set('blog', { name: 'D', value, hosts: [] }, most), {
    code: 'ERR_TOO_MANY',
    message: 'this site has at most 3 secrets (vars)',
  })
  await secrets.set('blog', { name: 'C', value: 'another value', hosts: [] }, most)
  await secrets.set('blog', { name: 'D', value, hosts: [] }, { ...most, vars: 4 })
  t.equal((await secrets.list('blog')).length, 4)
})
