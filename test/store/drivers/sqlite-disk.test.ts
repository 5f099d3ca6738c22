import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { StatementSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { createLocalStore } from '../../../store/logs/create-store.ts'
import type { Store } from '../../../store/store.ts'
import { bytes, codeOf, fileRecords, first, rootLog, texts } from '../fixtures/drivers.ts'

/** Lets a statement fail like SQLite does. The engine is in this thread, where it can be reached. */
function failing(t: Test, text: string, errcode: number): { heal(): void } {
  const { run, get } = StatementSync.prototype
  const heal = () => Object.assign(StatementSync.prototype, { run, get })
  t.teardown(heal)
  const fail = (method: typeof run | typeof get) =>
    function (this: StatementSync, ...values: []) {
      if (!this.sourceSQL.startsWith(text)) return Reflect.apply(method, this, values)
      throw Object.assign(new Error('disk I/O error'), { errcode })
    }
  Object.assign(StatementSync.prototype, { run: fail(run), get: fail(get) })
  return { heal }
}

const fsyncFailed = 10 | (4 << 8)
const full = 13

t.test('after a commit of which nobody knows, nothing is answered until the file is opened again', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = createLocalStore(await fileRecords(file))
  const log = await rootLog(store, '/a')
  await log.write(bytes('1'))
  const watch = log.watch(undefined, { signal: new AbortController().signal })
  await first(watch, 'progress')
  const { heal } = failing(t, 'COMMIT', fsyncFailed)
  t.equal(await codeOf(log.write(bytes('2'))), 'ERR_DATA_IO')
  heal()
  t.equal(await codeOf(log.write(bytes('3'))), 'ERR_DATA_IO', 'though the disk is well by now')
  t.equal(await codeOf(texts(log)), 'ERR_DATA_IO')
  t.equal(await codeOf(store.copyTo(store.root, `${file}.copy`)), 'ERR_DATA_IO')
  await store[Symbol.asyncDispose]()
  const again = closing(t, await openSqliteStore(file))
  t.equal((await texts(await again.open(again.root, '/a')))[0], '1')
})

t.test('a disk that is full for a while refuses writes, answers reads, and takes writes again', async (t) => {
  const store = closing(t, createLocalStore(await fileRecords(join(t.testdir(), 'store.db'))))
  const log = await rootLog(store, '/a')
  const ts = await log.write(bytes('1'))
  const { heal } = failing(t, 'COMMIT', full)
  const [write, other, read] = await Promise.all([
    codeOf(log.write(bytes('2'))),
    codeOf(store.grant(store.root, { path: '/a', untilMs: Date.UTC(2100, 0) })),
    texts(log),
  ])
  t.same([write, other, read], ['ERR_DATA_IO', 'ERR_DATA_IO', ['1']])
  await t.rejects(log.write(bytes('2')), { message: /cannot write to .*store\.db/, hint: /free some space/ })
  heal()
  const next = await log.write(bytes('3'))
  t.ok(next > ts)
  t.same(await texts(log), ['1', '3'])
  t.same(await store.grants(store.root, '/'), [])
})

t.test('an entry for which there is no room does not fail the others of its batch', async (t) => {
  const records = await fileRecords(join(t.testdir(), 'store.db'))
  const store = closing(
    t,
    createLocalStore({
      ...records,
      addEntry(logId, entry) {
        if (entry.data.length > 100) throw Object.assign(new Error('database or disk is full'), { errcode: full })
        records.addEntry(logId, entry)
      },
    }),
  )
  const log = await rootLog(store, '/a')
  const codes = await Promise.all([
    codeOf(log.write(bytes('1'))),
    codeOf(log.write(new Uint8Array(200))),
    codeOf(log.write(bytes('2'))),
  ])
  t.same(codes, ['none', 'ERR_DATA_IO', 'none'])
  t.same(await texts(log), ['1', '2'])
})

t.test('the WAL is brought into the database as it grows, and a failure of that is not passed over', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = createLocalStore(await fileRecords(file))
  const log = await rootLog(store, '/a')
  const data = new Uint8Array(100_000)
  for (let index = 0; index < 100; index += 1) await log.write(data)
  t.ok(statSync(`${file}-wal`).size < 8_000_000, 'it does not hold all')
  t.ok(statSync(file).size > 4_000_000)
  const { heal } = failing(t, 'PRAGMA wal_checkpoint', full)
  for (let index = 0; index < 60; index += 1) await log.write(data)
  t.pass('while there is no room for it, it waits')
  heal()
  failing(t, 'PRAGMA wal_checkpoint', fsyncFailed)
  let code = 'none'
  for (let index = 0; index < 60 && code === 'none'; index += 1) code = await codeOf(log.write(data))
  t.equal(code, 'ERR_DATA_IO')
  t.equal(await codeOf(log.head()), 'ERR_DATA_IO', 'what the disk may have lost is not built upon')
  await store[Symbol.asyncDispose]()
})

/** Runs a command with a small disk at a folder. The disk is seen by the child alone and is gone with it. */
function onSmallDisk(t: Test, mount: string, ...command: readonly string[]): string | undefined {
  const script = `${mount} && shift && exec "$@"`
  const child = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', ...command], { encoding: 'utf8' })
  if (/unshare|mount/.test(`${child.error} ${child.stderr}`)) {
    t.comment('this machine does not let a process have a disk of its own')
    return undefined
  }
  t.equal(child.stderr, '')
  return child.stdout
}

t.test('a full disk loses the write that it refuses and nothing else', { timeout: 60_000 }, async (t) => {
  const fixture = join(import.meta.dirname, '../fixtures/fill-disk.ts')
  const folder = t.testdir()
  const mount = 'mount -t tmpfs -o size=6m tmpfs "$1"'
  const answer = onSmallDisk(t, mount, folder, process.execPath, fixture, folder)
  if (answer === undefined) return
  const { acknowledged, code, found, again, foundAgain } = JSON.parse(answer)
  t.equal(code, 'ERR_DATA_IO')
  t.ok(acknowledged > 10)
  t.equal(found, acknowledged, 'the open store goes on reading')
  t.equal(again, 'none', 'and writing, when there is room')
  t.equal(foundAgain, acknowledged + 1, 'and so does the next one')
})

t.test('a store on a read-only disk is refused with what to do', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'store.db')
  const store = await openSqliteStore(file)
  await rootLog(store, '/a')
  await store[Symbol.asyncDispose]()
  const fixture = join(import.meta.dirname, '../fixtures/open-store.ts')
  const mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"'
  const answer = onSmallDisk(t, mount, folder, process.execPath, fixture, file)
  if (answer === undefined) return
  t.match(JSON.parse(answer), { code: 'ERR_DATA_IO', message: /store\.db/, hint: /read-only/ })
  t.equal(await codeOf(openSqliteStore(file).then((again) => again[Symbol.asyncDispose]())), 'none', 'nothing is hurt')
})

function closing(t: Test, store: Store): Store {
  t.teardown(() => store[Symbol.asyncDispose]())
  return store
}
