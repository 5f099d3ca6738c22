import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { openDatabase } from '../../../store/drivers/sqlite-open.ts'
import { newStoreSeed } from '../../../store/drivers/store-seed.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { justAfter } from '../../../store/logs/timestamp.ts'
import type { Store } from '../../../store/store.ts'
import { bytes, codeOf, dump, rootLog, texts } from '../fixtures/drivers.ts'

t.test(
  'at each open an acknowledgement means that it is on the disk, in whatever mode the file was left',
  async (t) => {
    const file = join(t.testdir(), 'store.db')
    const modes = { journal_mode: 'wal', synchronous: 2, wal_autocheckpoint: 0, locking_mode: 'exclusive' }
    for (const opening of ['new', 'again', 'left in another mode']) {
      if (opening === 'left in another mode') {
        const other = new DatabaseSync(file)
        other.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF')
        other.close()
      }
      const database = await openDatabase(file, nodeEnvironment.files, newStoreSeed(nodeEnvironment))
      for (const [name, expected] of Object.entries(modes))
        t.equal(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0], expected, `${opening}: ${name}`)
      database.close()
    }
  },
)

t.test('a file that another process has is refused by name, with what to do, until that process ends', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const holder = spawn(process.execPath, [join(import.meta.dirname, '../fixtures/append-forever.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  const error = await openSqliteStore(file).then(
    () => undefined,
    (thrown: GroveError) => thrown,
  )
  t.match(error, { code: 'ERR_DATA_LOCKED', message: `${file} is in use by another process`, hint: /stop the other/ })
  t.ok(holder.exitCode === null, 'which is not disturbed')
  holder.kill('SIGKILL')
  await once(holder, 'close')
  t.equal(await codeOf(openSqliteStore(file).then((store) => store[Symbol.asyncDispose]())), 'none')
})

t.test('a file is opened once in a process, and again after it was closed', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = await openSqliteStore(file)
  t.equal(await codeOf(openSqliteStore(file)), 'ERR_DATA_LOCKED')
  t.equal(await codeOf(openSqliteStore(file)), 'ERR_DATA_LOCKED', 'and a refusal does not give the lock away')
  await store[Symbol.asyncDispose]()
  t.notOk(existsSync(`${file}-wal`), 'closing brings all into one file')
  t.equal(await codeOf(openSqliteStore(file).then((store) => store[Symbol.asyncDispose]())), 'none')
})

t.test('the file is nobody else’s to read, and so are the folders that are made for it', async (t) => {
  const file = join(t.testdir(), 'new', 'folders', 'store.db')
  const store = await openSqliteStore(file)
  t.teardown(() => store[Symbol.asyncDispose]())
  await rootLog(store, '/a')
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(statSync(`${file}-wal`).mode & 0o777, 0o600)
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700)
})

t.test('a store may have millions of logs: ids of their entries that are no numbers hinder nothing', async (t) => {
  const file = join(t.testdir(), 'store.db')
  {
    await using store = await openSqliteStore(file)
    await rootLog(store, '/a')
  }
  // As if so many had been made before it.
  const database = new DatabaseSync(file)
  database.exec(`UPDATE logs SET id = ${2 ** 22} WHERE path = '/a'`)
  database.close()
  await using store = await openSqliteStore(file)
  await using log = await store.open(store.root, '/a')
  const first = await log.write(bytes('one'), { opId: 'operation-1' })
  t.equal(await log.write(bytes('one'), { opId: 'operation-1' }), first)
  await store.create(store.root, '/b', { serialized: false })
  await store.grant(store.root, { path: '/a', untilMs: Date.now() + 1_000_000, write: true })
  const second = await log.write(bytes('two'))
  const transaction = await store.begin(log)
  transaction.write(log, bytes('both'), { covers: { lo: first, hi: second } })
  transaction.trim(log, first, justAfter(second))
  await transaction.commit()
  t.same(await texts(log), ['both'])
  t.match(await log.stat(), { entries: 1 })
})

const strangers: readonly {
  name: string
  make: (file: string) => void
  code: string
  message: RegExp
  hint?: RegExp
}[] = [
  {
    name: 'a text',
    make: (file) => writeFileSync(file, 'this is not a database at all, it is a text of some length'),
    code: 'ERR_DATA_FORMAT',
    message: /not a store of grove, or it is damaged/,
  },
  {
    name: 'the database of another program',
    make: (file) => edit(file, 'CREATE TABLE t (x)'),
    code: 'ERR_DATA_FORMAT',
    message: /not a store of grove$/,
  },
  {
    name: 'an empty database of another program',
    make: (file) => edit(file, 'PRAGMA application_id = 7; PRAGMA user_version = 1'),
    code: 'ERR_DATA_FORMAT',
    message: /not a store of grove$/,
  },
  {
    name: 'a store of a later version',
    make: (file) => edit(file, `PRAGMA application_id = ${0x47726f76}; PRAGMA user_version = 3; CREATE TABLE t (x)`),
    code: 'ERR_DATA_FORMAT',
    message: /has format 3; this grove reads 2/,
    hint: /a newer one/,
  },
  {
    name: 'a store of an earlier version',
    make: (file) => edit(file, `PRAGMA application_id = ${0x47726f76}; PRAGMA user_version = 1; CREATE TABLE t (x)`),
    code: 'ERR_DATA_FORMAT',
    message: /has format 1; this grove reads 2/,
    hint: /begin with a new data folder/,
  },
  { name: 'a folder', make: (file) => mkdirSync(file), code: 'ERR_DATA_IO', message: /cannot open/ },
]

for (const { name, make, code, message, hint } of strangers) {
  t.test(`${name} is refused and not changed`, async (t) => {
    const file = join(t.testdir(), 'store.db')
    make(file)
    const before = statSync(file).isFile() ? readFileSync(file) : undefined
    await t.rejects(openSqliteStore(file), { code, message, ...(hint && { hint }) })
    if (before) t.ok(readFileSync(file).equals(before))
  })
}

for (const loss of [
  'DELETE FROM store',
  'DELETE FROM keys',
  'DROP TABLE entries',
  'ALTER TABLE logs RENAME COLUMN sum TO total',
  'UPDATE store SET last_seq = last_seq + 1',
  "UPDATE store SET id = 'another'",
  "UPDATE keys SET key = x'00'",
  'UPDATE logs SET serialized = 1',
]) {
  t.test(`a store that has lost parts is refused: ${loss}`, async (t) => {
    const file = join(t.testdir(), 'store.db')
    await (await openSqliteStore(file))[Symbol.asyncDispose]()
    edit(file, loss)
    await t.rejects(openSqliteStore(file), { code: 'ERR_DATA_FORMAT', message: new RegExp(file) })
    await t.rejects(openSqliteStore(file), { code: 'ERR_DATA_FORMAT' }, 'and not held')
  })
}

t.test('a grant whose ancestors are lost is worth nothing', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = await openSqliteStore(file)
  const rights = { path: '/a', untilMs: Date.UTC(2100, 0), read: true, grant: true }
  const child = await store.grant(await store.grant(store.root, rights), rights)
  await store[Symbol.asyncDispose]()
  edit(file, "DELETE FROM grants WHERE parent = 'root'")
  const again = closing(t, await openSqliteStore(file))
  t.equal(await codeOf(again.open(child, '/a')), 'ERR_DATA_FORMAT')
})

t.test('a copy is whole, at one moment, and a store of its own', async (t) => {
  const folder = t.testdir()
  const store = closing(t, await openSqliteStore(join(folder, 'store.db')))
  const log = await rootLog(store, '/a')
  await log.write(bytes('1'), { opId: 'operation-1' })
  const handle = await store.grant(store.root, { path: '/a', untilMs: Date.UTC(2100, 0), read: true, label: 'ada' })
  const copy = join(folder, 'copy.db')
  const writes = Array.from({ length: 20 }, (_, index) => log.write(bytes(String(index + 2))))
  await Promise.all([store.copyTo(store.root, copy), ...writes])
  t.equal(statSync(copy).mode & 0o777, 0o600)
  t.same(readdirSync(folder).sort(), ['copy.db', 'store.db', 'store.db-wal'], 'with nothing else left')
  await log.write(bytes('later'))
  const copied = closing(t, await openSqliteStore(copy))
  t.equal(copied.id, store.id)
  const there = await copied.open(handle, '/a')
  const found = await texts(there)
  t.same(found, (await texts(log)).slice(0, found.length), 'it holds what was there then')
  t.equal(await codeOf(store.copyTo(store.root, copy)), 'ERR_EXISTS')
  t.equal(await codeOf(store.copyTo(handle, join(folder, 'x.db'))), 'ERR_DENIED rights')
  t.equal(await codeOf(store.copyTo(store.root, join(folder, 'no', 'folder.db'))), 'ERR_DATA_IO')
  t.same(await texts(log), (await texts(log)).slice(), 'and the store goes on')
  const before = await dump(store)
  t.equal(await codeOf(store.copyTo(store.root, '')), 'ERR_DATA_IO', 'nor does it take a copy without a name')
  t.same(await dump(store), before)
})

function closing(t: Test, store: Store): Store {
  t.teardown(() => store[Symbol.asyncDispose]())
  return store
}

/** Runs statements on a file that no store has open. */
function edit(file: string, statements: string): void {
  const database = new DatabaseSync(file)
  database.exec(statements)
  database.close()
  chmodSync(file, 0o600)
}
