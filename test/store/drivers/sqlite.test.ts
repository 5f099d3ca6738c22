import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { createLocalStore } from '../../../store/logs/create-store.ts'
import type { Store } from '../../../store/store.ts'
import { bytes, codeOf, dump, fileRecords, first, rootLog, texts } from '../fixtures/drivers.ts'

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

/** What a disk may do to a value, and what then cannot be had any more. */
const damages: readonly { sql: string; call: (store: Store) => Promise<unknown> }[] = [
  { sql: "UPDATE entries SET data = x'00' WHERE data = x'32'", call: readAll },
  { sql: "UPDATE entries SET writer = 'another' WHERE data = x'32'", call: readAll },
  { sql: "UPDATE entries SET at_ms = at_ms + 1 WHERE data = x'32'", call: readAll },
  { sql: "UPDATE entries SET lo = 1 WHERE data = x'32'", call: readAll },
  { sql: "UPDATE entries SET hi = hi + 9007199254740993 WHERE data = x'32'", call: readAll },
  { sql: "UPDATE entries SET op_id = 'operation-x' WHERE data = x'32'", call: readAll },
  { sql: "UPDATE entries SET after = '1 2' WHERE data = x'32'", call: readAll },
  { sql: "UPDATE entries SET id = id + 1 WHERE data = x'33'", call: readAll },
  { sql: "UPDATE logs SET serialized = 1 WHERE path = '/a'", call: (store) => store.open(store.root, '/a') },
  { sql: "UPDATE logs SET trimmed_seq = 1 WHERE path = '/a'", call: (store) => store.open(store.root, '/a') },
  { sql: 'UPDATE grants SET may_write = 1', call: (store) => store.grants(store.root, '/') },
  { sql: 'UPDATE grants SET until_ms = until_ms + 1', call: (store) => store.grants(store.root, '/') },
  { sql: "UPDATE grants SET path = '/'", call: (store) => store.grants(store.root, '/') },
  { sql: 'UPDATE grants SET revoked_seq = NULL', call: (store) => store.grants(store.root, '/') },
]

async function readAll(store: Store): Promise<unknown> {
  return texts(await store.open(store.root, '/a'))
}

for (const { sql, call } of damages) {
  t.test(`a value that was changed is told with the file’s name, and the rest goes on: ${sql}`, async (t) => {
    const file = join(t.testdir(), 'store.db')
    const store = await openSqliteStore(file)
    const log = await rootLog(store, '/a')
    for (const text of ['1', '2', '3']) await log.write(bytes(text))
    const reader = { path: '/a', untilMs: Date.UTC(2100, 0), read: true }
    await store.revoke(store.root, await store.grant(store.root, reader))
    await rootLog(store, '/b')
    await store[Symbol.asyncDispose]()
    edit(file, sql)
    const again = closing(t, await openSqliteStore(file))
    const good = await again.open(again.root, '/b')
    // Asked together, so that they are in one batch.
    const [error, ts] = await Promise.all([
      call(again).then(
        () => undefined,
        (thrown: GroveError) => thrown,
      ),
      good.write(bytes('x')),
    ])
    t.match(error, { code: 'ERR_DATA_FORMAT', message: new RegExp(file), hint: /from a backup/ })
    t.equal(await good.head(), ts)
  })
}

t.test('a damaged page is told, also in the middle of use, and never read as something else', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = await openSqliteStore(file)
  const log = await rootLog(store, '/a')
  const all = Array.from({ length: 400 }, (_, index) => String(index).padStart(500, 'x'))
  for (const text of all) await log.write(bytes(text))
  await store[Symbol.asyncDispose]()
  const whole = readFileSync(file)
  const pages = whole.length / 4_096
  let told = 0
  for (let page = 1; page < pages; page += 5) {
    const damaged = Buffer.from(whole)
    damaged.fill(0xa5, page * 4_096, page * 4_096 + 2_048)
    const copy = `${file}.${page}`
    writeFileSync(copy, damaged)
    const code = await codeOf(async () => {
      await using again = await openSqliteStore(copy)
      const read = await texts(await again.open(again.root, '/a'))
      if (read.some((text, index) => text !== all[index])) t.fail(`page ${page} was read as something else`)
      if (read.length !== all.length) t.fail(`page ${page} took entries away in silence`)
    })
    if (code === 'none') continue // Nobody asked for what lay there.
    t.match(code, /^ERR_DATA_(FORMAT|IO)$/)
    told += 1
  }
  t.ok(told > pages / 10)
})

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

function closing(t: Test, store: Store): Store {
  t.teardown(() => store[Symbol.asyncDispose]())
  return store
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

/** Runs statements on a file that no store has open. */
function edit(file: string, statements: string): void {
  const database = new DatabaseSync(file)
  database.exec(statements)
  database.close()
  chmodSync(file, 0o600)
}
