import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { openWorkerLink } from '../../../store/drivers/sqlite-link.ts'
import { newStoreSeed } from '../../../store/drivers/store-seed.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { createStore } from '../../../store/logs/create-store.ts'
import type { Batch, EngineLink } from '../../../store/logs/request.ts'
import { bytes, codeOf, first, rootLog, take, texts } from '../fixtures/drivers.ts'

function open(file: string): Promise<EngineLink> {
  return openWorkerLink({ file, seed: newStoreSeed(nodeEnvironment), processKey: nodeEnvironment.randomBytes(32) })
}

/** A batch that no caller makes, and that the thread does not survive. */
const fatal = { nowMs: 0, requests: null } as unknown as Batch

t.test('a thread that ends fails what was asked and all that is asked later, and frees the file', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const link = await open(file)
  const store = createStore(
    { ...link, run: (batch) => link.run(batch.requests.some(({ kind }) => kind === 'whoami') ? fatal : batch) },
    nodeEnvironment,
  )
  const log = await rootLog(store, '/a')
  await log.write(bytes('1'))
  const watch = log.watch(undefined, { signal: new AbortController().signal })
  await first(watch, 'progress')
  const watching = codeOf(take(log.watch(await log.head(), { signal: new AbortController().signal }), 1))
  const during = [codeOf(store.whoami(store.root)), codeOf(log.write(bytes('2')))]
  await Promise.resolve().then(() => during.push(codeOf(log.write(bytes('3')))))
  for (const code of during) t.equal(await code, 'ERR_DATA_IO')
  t.equal(await watching, 'ERR_DATA_IO', 'a watcher is told, though nothing comes any more')
  await t.rejects(log.head(), { code: 'ERR_DATA_IO', message: new RegExp(file), hint: /start grove again/ })
  t.equal(await codeOf(texts(log)), 'ERR_DATA_IO')
  await store[Symbol.asyncDispose]()
  t.equal(await codeOf(log.head()), 'ERR_CLOSED')
  await using again = await openSqliteStore(file)
  t.same(await texts(await again.open(again.root, '/a')), ['1'], 'what was acknowledged is there')
})

t.test('an open store is no reason for a process not to end, an unanswered question is', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const source = `
    import { openSqliteStore } from ${JSON.stringify(join(import.meta.dirname, '../../../store/drivers/sqlite.ts'))}
    const store = await openSqliteStore(${JSON.stringify(file)})
    store.create(store.root, '/a', { serialized: false }).then(() => console.log('made'))
  `
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 30_000,
  })
  t.match(child, { status: 0, stdout: 'made\n', stderr: '' })
  await using store = await openSqliteStore(file)
  t.same(await store.list(store.root, '/'), ['/a', '/grants'])
})

t.test('closing does what was asked before, and waits for it', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = await openSqliteStore(file)
  const log = await rootLog(store, '/a')
  const writes = ['1', '2', '3'].map((text) => log.write(bytes(text)))
  const closed = store[Symbol.asyncDispose]()
  const late = codeOf(log.write(bytes('late')))
  t.equal(store[Symbol.asyncDispose](), closed, 'once')
  await closed
  t.same(await Promise.all(writes.map(codeOf)), ['none', 'none', 'none'])
  t.equal(await late, 'ERR_CLOSED')
  await using again = await openSqliteStore(file)
  t.same(await texts(await again.open(again.root, '/a')), ['1', '2', '3'])
})
