import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Outstanding } from '../../control/outstanding.ts'
import { limits } from '../../core/limits.ts'
import { openSqliteStore } from '../../store/drivers/sqlite.ts'
import type { Store } from '../../store/store.ts'

async function open(t: Test) {
  const file = join(t.testdir(), 'store.db')
  let store: Store = await openSqliteStore(file)
  let outstanding = await Outstanding.open(store)
  const close = async () => {
    await outstanding[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  }
  t.teardown(close)
  return {
    get outstanding() {
      return outstanding
    },
    get store() {
      return store
    },
    async reopen() {
      await close()
      store = await openSqliteStore(file)
      outstanding = await Outstanding.open(store)
      return outstanding
    },
  }
}

t.test('a site is outstanding from before its change until it is ended', async (t) => {
  const opened = await open(t)
  const seen = await opened.outstanding.during('blog', async () => {
    opened.outstanding.end('blog', opened.outstanding.begun('blog'))
    return [...opened.outstanding.sites]
  })
  t.same(seen, ['blog'], 'while it changes nothing ends it')
  t.ok(opened.outstanding.sites.has('blog'))
  opened.outstanding.end('blog', opened.outstanding.begun('blog'))
  t.notOk(opened.outstanding.sites.has('blog'))
})

t.test('what was outstanding at a crash is so after it, and what was not may be', async (t) => {
  const opened = await open(t)
  const during: string[] = []
  await opened.outstanding.during('blog', async () => {
    const other = await Outstanding.open(opened.store)
    during.push(...other.sites)
  })
  t.same(during, ['blog'], 'it is durable before the change begins')
  await t.rejects(
    opened.outstanding.during('shop', () => Promise.reject(new Error('no'))),
    { message: 'no' },
  )
  opened.outstanding.end('blog', opened.outstanding.begun('blog'))
  t.same([...(await opened.reopen()).sites].sort(), ['blog', 'shop'])
})

t.test('changes of one site at a time write its name once, and count each', async (t) => {
  const opened = await open(t)
  const gate = Promise.withResolvers<void>()
  const { outstanding } = opened
  const first = outstanding.during('blog', () => gate.promise)
  const second = outstanding.during('blog', async () => {})
  await second
  outstanding.end('blog', outstanding.begun('blog'))
  t.ok(outstanding.sites.has('blog'), 'the first is under way')
  gate.resolve()
  await first
  t.equal((await opened.store.stat(opened.store.root, '/outstanding')).entries, 1)
})

t.test('the log is merged, and no name that counts gets lost by it', async (t) => {
  const opened = await open(t)
  const { outstanding } = opened
  await outstanding.setPlugins(['cdn'])
  const kept = new Set<string>()
  for (let index = 0; index < limits.control.outstandingEntries + 200; index += 1) {
    const name = `site-${index}`
    await outstanding.during(name, async () => {})
    if (index % 100 === 0) kept.add(name)
    else outstanding.end(name, outstanding.begun(name))
    // One that was ended is written anew where the merge took it out.
    if (index % 50 === 0) await outstanding.during('again', async () => {})
    if (index % 50 === 25) outstanding.end('again', outstanding.begun('again'))
  }
  await outstanding.during('again', async () => {})
  const { entries } = await opened.store.stat(opened.store.root, '/outstanding')
  t.ok(entries < 500, `${entries} entries`)
  const { sites, plugins } = await opened.reopen()
  for (const name of [...kept, 'again']) t.ok(sites.has(name), name)
  t.ok(sites.size < 400, `${sites.size} sites`)
  t.same([...plugins], ['cdn'])
})

t.test('an end that was found before another change began is not believed', async (t) => {
  const { outstanding } = await open(t)
  await outstanding.during('blog', async () => {})
  const before = outstanding.begun('blog')
  await outstanding.during('blog', async () => {})
  outstanding.end('blog', before)
  t.ok(outstanding.sites.has('blog'))
  outstanding.end('blog', outstanding.begun('blog'))
  t.notOk(outstanding.sites.has('blog'))
})

t.test('plugins that were told of all are kept', async (t) => {
  const opened = await open(t)
  t.same([...opened.outstanding.plugins], [])
  await opened.outstanding.setPlugins(['cdn', 'mail'])
  await opened.outstanding.setPlugins(['mail', 'cdn'])
  t.equal((await opened.store.stat(opened.store.root, '/outstanding')).entries, 1)
  await opened.outstanding.setPlugins(['mail'])
  t.same([...(await opened.reopen()).plugins], ['mail'])
})

t.test('an entry of another kind is refused', async (t) => {
  const opened = await open(t)
  const log = await opened.store.open(opened.store.root, '/outstanding')
  await log.write(Buffer.from('{"names":[]}'))
  await t.rejects(Outstanding.open(opened.store), { code: 'ERR_DATA_FORMAT' })
})
