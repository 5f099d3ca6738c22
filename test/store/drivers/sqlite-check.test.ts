import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t, { type Test } from 'tap'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { checkSqliteFile } from '../../../store/drivers/sqlite-check.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'

/** A file with logs, entries, a trim and grants, closed. */
async function storeFile(t: Test): Promise<string> {
  const file = join(t.testdir(), 'store.db')
  await using store = await openSqliteStore(file)
  const handle = await store.create(store.root, '/a', { serialized: false })
  await using log = await store.open(handle, '/a')
  const first = await log.write(Buffer.from('one'), { opId: 'operation-1' })
  const second = await log.write(Buffer.from('two'), { after: [first] })
  const cover = await log.write(Buffer.from('both'), { covers: { lo: first, hi: second } })
  await log.trim(first, cover, { by: cover })
  await Promise.all(Array.from({ length: 1_100 }, (_, count) => log.write(Buffer.alloc(10, `${count}`))))
  const untilMs = Date.now() + 1e9
  let parent = store.root
  for (const path of ['/a', '/a/b', '/a/b/c'])
    parent = await store.grant(parent, { path, untilMs, read: true, write: true, grant: true })
  return file
}

/** Runs statements on a file behind the back of its store. */
function meddle(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
}

const check = (file: string) => checkSqliteFile(nodeEnvironment, file)

t.test('a file that is whole has no fault, and is a store as before', async (t) => {
  const file = await storeFile(t)
  t.same(await check(file), [])
  await using store = await openSqliteStore(file)
  t.same(await store.list(store.root, '/'), ['/a', '/grants'])
})

const meddlings: readonly { readonly name: string; readonly sql: string; readonly expected: RegExp }[] = [
  {
    name: 'an entry with other bytes',
    sql: `UPDATE entries SET data = x'00' WHERE id % 7 = 1`,
    expected: /entry \d+ is not as it was written|holds no bytes/,
  },
  {
    name: 'a log under another name',
    sql: `UPDATE logs SET path = '/b' WHERE path = '/a'`,
    expected: /log \/b is not as it was written/,
  },
  {
    name: 'a log that is gone',
    sql: `DELETE FROM logs WHERE path = '/a'`,
    expected: /is of log number \d+, which is not there/,
  },
  {
    name: 'a grant with more rights',
    sql: 'UPDATE grants SET until_ms = until_ms + 1 WHERE number = 2',
    expected: /grant \S+ is not as it was written/,
  },
  {
    name: 'a grant whose parent is gone',
    sql: 'DELETE FROM grants WHERE number = 2',
    expected: /has no whole chain to the root/,
  },
  {
    name: 'a store of an earlier moment',
    sql: 'UPDATE store SET last_seq = 3',
    expected: /the store is not as it was written/,
  },
  { name: 'no key', sql: 'DELETE FROM keys', expected: /no key for handles/ },
  { name: 'a short key', sql: `UPDATE keys SET key = x'00'`, expected: /a key of 1 bytes/ },
  { name: 'two stores', sql: 'DELETE FROM store', expected: /tells of 0 stores/ },
  { name: 'no table of grants', sql: 'DROP TABLE grants', expected: /after 0 rows of .*no such table/ },
]

for (const { name, sql, expected } of meddlings)
  t.test(`${name} is found`, async (t) => {
    const file = await storeFile(t)
    meddle(file, sql)
    const faults = await check(file)
    t.ok(
      faults.some((fault) => expected.test(fault)),
      faults.slice(0, 3).join('; '),
    )
  })

t.test('a page that the disk has changed is found', async (t) => {
  const file = await storeFile(t)
  const bytes = readFileSync(file)
  for (let page = 2; page < bytes.length / 4_096; page += 3) bytes.fill(0xff, page * 4_096, page * 4_096 + 64)
  writeFileSync(file, bytes)
  const faults = await check(file)
  t.ok(faults.length > 0 && faults.length <= 1_000, `${faults[0]}`)
})

t.test('a file that is no store is not taken for one, and none is made', async (t) => {
  const folder = t.testdir({ empty: '', text: 'x'.repeat(5_000) })
  await t.rejects(check(join(folder, 'none')), { code: 'ERR_NOT_FOUND' })
  await t.rejects(check(join(folder, 'empty')), { code: 'ERR_NOT_FOUND' })
  await t.rejects(check(folder), { code: 'ERR_NOT_FOUND' })
  await t.rejects(check(join(folder, 'text')), { code: 'ERR_DATA_FORMAT' })
  t.equal(readFileSync(join(folder, 'empty'), 'utf8'), '')
})
