import { renameSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { memoryRecords } from '../../../store/drivers/memory.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { createLocalStore } from '../../../store/logs/create-store.ts'
import type { Store } from '../../../store/store.ts'
import { bytes, codeOf, fileRecords, first, forever, rootLog, texts } from '../fixtures/drivers.ts'

interface TakenOver {
  readonly old: Store
  /** Has the store taken over by another one, which is answered. */
  takeOver(): Promise<Store>
}

/** How a store loses its place: another engine on the same records, or another file at its path. */
const ways: Readonly<Record<string, (t: Test) => Promise<TakenOver>>> = {
  async memory(t) {
    const records = memoryRecords()
    return { old: closing(t, createLocalStore(records)), takeOver: async () => closing(t, createLocalStore(records)) }
  },
  async 'sqlite, another engine on the file'(t) {
    const records = await fileRecords(join(t.testdir(), 'store.db'))
    t.teardown(() => records.close())
    const shared = { ...records, close() {} }
    return { old: closing(t, createLocalStore(shared)), takeOver: async () => closing(t, createLocalStore(shared)) }
  },
  async 'sqlite, a restored copy at its path'(t) {
    const file = join(t.testdir(), 'store.db')
    const old = closing(t, await openSqliteStore(file))
    return {
      old,
      async takeOver() {
        await old.copyTo(old.root, `${file}.copy`)
        renameSync(`${file}.copy`, file)
        return closing(t, await openSqliteStore(file))
      },
    }
  },
}

function closing(t: Test, store: Store): Store {
  t.teardown(() => store[Symbol.asyncDispose]())
  return store
}

for (const [way, prepare] of Object.entries(ways)) {
  t.test(`${way}: a store that was taken over writes nothing more, and can still be read`, async (t) => {
    const { old, takeOver } = await prepare(t)
    const log = await rootLog(old, '/a')
    const opId = 'operation-1'
    const before = await log.write(bytes('before'), { opId })
    const by = await log.write(bytes('cover'), { covers: { lo: before, hi: before } })
    const rights = { path: '/a', untilMs: forever, read: true, write: true }
    const handle = await old.grant(old.root, rights)
    const tx = await old.begin(log)
    tx.write(log, bytes('x'))
    const newer = await takeOver()
    const there = await newer.open(newer.root, '/a')
    const after = await there.write(bytes('after'))
    const writes: Readonly<Record<string, () => Promise<unknown>>> = {
      write: () => log.write(bytes('x')),
      repeat: () => log.write(bytes('before'), { opId }),
      commit: () => tx.commit(),
      trim: () => log.trim(before, by, { by }),
      create: () => old.create(old.root, '/b', { serialized: false }),
      grant: () => old.grant(old.root, rights),
      revoke: () => old.revoke(old.root, handle),
      charge: () => old.charge(handle, '/a', { bytes: 1 }),
      rotateKeys: () => old.rotateKeys(old.root),
      dropKeys: () => old.dropKeys(old.root),
    }
    for (const [name, write] of Object.entries(writes)) t.equal(await codeOf(write()), 'ERR_FENCED', name)
    t.same((await texts(log)).slice(0, 2), ['before', 'cover'], 'reads go on')
    t.equal(await old.lookup(old.root, '/a', opId), before)
    t.same(await texts(there), ['before', 'cover', 'after'], 'and nothing came to the other one')
    t.equal(await there.head(), after)
    t.equal(await codeOf(newer.check(handle, 'write', '/a')), 'none')
  })
}

t.test('writes that are in one batch with reads are fenced, and the reads are answered', async (t) => {
  const records = memoryRecords()
  const old = createLocalStore(records)
  const log = await rootLog(old, '/a')
  await log.write(bytes('before'))
  createLocalStore(records)
  const [write, head, list] = await Promise.all([codeOf(log.write(bytes('x'))), log.head(), old.list(old.root, '/')])
  t.equal(write, 'ERR_FENCED')
  t.ok(head)
  t.same(list, ['/a', '/grants'])
})

t.test('a file that is taken away is told with what to do', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = closing(t, await openSqliteStore(file))
  const log = await rootLog(store, '/a')
  const watch = log.watch(undefined, { signal: new AbortController().signal })
  await first(watch, 'progress')
  renameSync(file, `${file}.away`)
  await t.rejects(log.write(bytes('x')), {
    code: 'ERR_FENCED',
    message: /store.db is not the file/,
    hint: /start grove/,
  })
  renameSync(`${file}.away`, file)
  t.equal(await codeOf(log.write(bytes('x'))), 'none', 'nothing was lost by it')
})
