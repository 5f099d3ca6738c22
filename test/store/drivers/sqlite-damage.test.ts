import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { createLocalStore } from '../../../store/logs/create-store.ts'
import type { Store } from '../../../store/store.ts'
import { bytes, codeOf, fileRecords, rootLog, texts } from '../fixtures/drivers.ts'

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
    const store = createLocalStore(await fileRecords(file))
    const log = await rootLog(store, '/a')
    for (const text of ['1', '2', '3']) await log.write(bytes(text))
    const reader = { path: '/a', untilMs: Date.UTC(2100, 0), read: true }
    await store.revoke(store.root, await store.grant(store.root, reader))
    await rootLog(store, '/b')
    await store[Symbol.asyncDispose]()
    edit(file, sql)
    await using again = createLocalStore(await fileRecords(file))
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
  const store = createLocalStore(await fileRecords(file))
  const log = await rootLog(store, '/a')
  const all = Array.from({ length: 400 }, (_, index) => String(index).padStart(500, 'x'))
  await Promise.all(all.map((text) => log.write(bytes(text))))
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
      await using again = page % 2 === 0 ? await openSqliteStore(copy) : createLocalStore(await fileRecords(copy))
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

/** Runs statements on a file that no store has open. */
function edit(file: string, statements: string): void {
  const database = new DatabaseSync(file)
  database.exec(statements)
  database.close()
  chmodSync(file, 0o600)
}
