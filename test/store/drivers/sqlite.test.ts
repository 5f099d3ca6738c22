import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import t from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { bytes, codeOf, rootLog, texts } from '../fixtures/drivers.ts'

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

const strangers: readonly { name: string; make: (file: string) => void; code: string; message: RegExp }[] = [
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
    make: (file) => edit(file, `PRAGMA application_id = ${0x47726f76}; PRAGMA user_version = 2; CREATE TABLE t (x)`),
    code: 'ERR_DATA_FORMAT',
    message: /has format 2; this grove reads 1/,
  },
  { name: 'a folder', make: (file) => mkdirSync(file), code: 'ERR_DATA_IO', message: /cannot open/ },
]

for (const { name, make, code, message } of strangers) {
  t.test(`${name} is refused and not changed`, async (t) => {
    const file = join(t.testdir(), 'store.db')
    make(file)
    const before = statSync(file).isFile() ? readFileSync(file) : undefined
    await t.rejects(openSqliteStore(file), { code, message })
    if (before) t.ok(readFileSync(file).equals(before))
  })
}

for (const loss of ['DELETE FROM store', 'DROP TABLE entries', "UPDATE store SET id = 7, handle_key = x'00'"]) {
  t.test(`a store that has lost parts is refused: ${loss}`, async (t) => {
    const file = join(t.testdir(), 'store.db')
    await (await openSqliteStore(file))[Symbol.asyncDispose]()
    edit(file, loss)
    await t.rejects(openSqliteStore(file), { code: 'ERR_DATA_FORMAT' })
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
  const again = await openSqliteStore(file)
  t.teardown(() => again[Symbol.asyncDispose]())
  t.equal(await codeOf(again.open(child, '/a')), 'ERR_DATA_FORMAT')
})

t.test('after a commit of which nobody knows, nothing is answered until the file is opened again', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const store = await openSqliteStore(file)
  const log = await rootLog(store, '/a')
  await log.write(bytes('1'))
  const { run } = StatementSync.prototype
  t.teardown(() => {
    StatementSync.prototype.run = run
  })
  StatementSync.prototype.run = function (...values) {
    if (this.sourceSQL !== 'COMMIT') return Reflect.apply(run, this, values)
    throw Object.assign(new Error('disk I/O error'), { errcode: 10 | (4 << 8) }) // SQLITE_IOERR_FSYNC
  }
  t.equal(await codeOf(log.write(bytes('2'))), 'ERR_DATA_IO')
  StatementSync.prototype.run = run
  t.equal(await codeOf(log.write(bytes('3'))), 'ERR_DATA_IO', 'though the disk is well by now')
  t.equal(await codeOf(texts(log)), 'ERR_DATA_IO')
  await store[Symbol.asyncDispose]()
  const again = await openSqliteStore(file)
  t.teardown(() => again[Symbol.asyncDispose]())
  t.equal((await texts(await again.open(again.root, '/a')))[0], '1')
})

t.test('a full disk loses the write that it refuses and nothing else', { timeout: 60_000 }, (t) => {
  // The small disk is seen by the child alone and is gone with it.
  const script = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" "$3" "$1"'
  const fixture = join(import.meta.dirname, '../fixtures/fill-disk.ts')
  const child = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', t.testdir(), process.execPath, fixture])
  if (/unshare|mount/.test(`${child.error} ${child.stderr}`)) {
    t.comment('this machine does not let a process have a disk of its own')
    t.end()
    return
  }
  t.equal(String(child.stderr), '')
  const { acknowledged, code, found, foundAgain } = JSON.parse(String(child.stdout))
  t.equal(code, 'ERR_DATA_IO')
  t.ok(acknowledged > 10)
  t.equal(found, acknowledged, 'the open store goes on reading')
  t.equal(foundAgain, acknowledged, 'and so does the next one')
  t.end()
})

/** Runs statements on a file that no store has open. */
function edit(file: string, statements: string): void {
  const database = new DatabaseSync(file)
  database.exec(statements)
  database.close()
  chmodSync(file, 0o600)
}
