import { join } from 'node:path'
import t, { type Test } from 'tap'
import { limits } from '../../../core/limits.ts'
import { memoryRecords } from '../../../store/drivers/memory.ts'
import { sqliteRecords } from '../../../store/drivers/sqlite.ts'
import { openDatabase } from '../../../store/drivers/sqlite-open.ts'
import type { GrantRecord, Records } from '../../../store/logs/records.ts'

// What the rules above rely on without ever bringing it about: they check before they write.

const drivers = {
  memory: async () => memoryRecords(),
  sqlite: async (t: Test) => {
    const file = join(t.testdir(), 'store.db')
    return sqliteRecords(await openDatabase(file), file)
  },
}

const grant: GrantRecord = {
  id: 'g',
  parent: 'root',
  path: '/a',
  untilMs: 2_000_000_000_000,
  read: true,
  write: false,
  grant: true,
  label: 'a label',
  revokedSeq: undefined,
}

function state(records: Records): unknown {
  const log = records.log('/a')
  return {
    last: records.lastSeq(),
    paths: records.logPaths('/'),
    grants: ['g', 'h'].map((id) => records.grant(id)),
    head: log && records.head(log.id),
    entries: log && records.page(log.id, 0, 100).map(({ seq, data, opId }) => [seq, [...data], opId]),
    op: log && records.seqOfOp(log.id, 'operation-1'),
  }
}

for (const [driver, open] of Object.entries(drivers)) {
  t.test(`${driver}: a transaction that throws has changed nothing`, async (t) => {
    const records = await open(t)
    t.teardown(() => records.close())
    records.transact(() => {
      records.addLog('/a', true)
      records.addGrant(grant)
      const id = records.log('/a')?.id ?? 0
      records.addEntry(id, { seq: records.takeSeq(), data: new Uint8Array([1]), writer: 'g', opId: undefined })
    })
    t.same(records.grant('g'), grant)
    t.match(records.log('/a'), { path: '/a', serialized: true })
    const before = state(records)
    const failure = new Error('in the middle')
    t.throws(
      () =>
        records.transact(() => {
          const seq = records.takeSeq()
          const id = records.log('/a')?.id ?? 0
          records.addLog('/b', false)
          records.addGrant({ ...grant, id: 'h' })
          records.revokeGrant('g', seq)
          records.addEntry(id, { seq, data: new Uint8Array([2]), writer: 'g', opId: 'operation-1' })
          t.not(records.head(id), 1, 'though it sees its own changes')
          throw failure
        }),
      failure,
    )
    t.same(state(records), before)
  })

  t.test(`${driver}: a grant is revoked once, and one that is not there never`, async (t) => {
    const records = await open(t)
    t.teardown(() => records.close())
    records.transact(() => {
      records.addGrant(grant)
      records.revokeGrant('g', 5)
      records.revokeGrant('g', 6)
      records.revokeGrant('h', 7)
    })
    t.equal(records.grant('g')?.revokedSeq, 5)
    t.equal(records.grant('h'), undefined)
  })

  t.test(`${driver}: a page has at most its bytes and one entry more, and at most its entries`, async (t) => {
    const records = await open(t)
    t.teardown(() => records.close())
    const large = Math.ceil(limits.store.pageBytes / 3)
    records.transact(() => {
      records.addLog('/a', false)
      const id = records.log('/a')?.id ?? 0
      for (let index = 0; index < 10; index += 1)
        records.addEntry(id, { seq: records.takeSeq(), data: new Uint8Array(large), writer: 'g', opId: undefined })
      for (let index = 0; index < 300; index += 1)
        records.addEntry(id, { seq: records.takeSeq(), data: new Uint8Array(1), writer: 'g', opId: undefined })
    })
    const id = records.log('/a')?.id ?? 0
    t.same(
      records.page(id, 0, 1_000).map(({ seq }) => seq),
      [1, 2, 3],
    )
    t.same(
      records.page(id, 8, 9).map(({ seq }) => seq),
      [9],
    )
    t.equal(records.page(id, 10, 1_000).length, limits.store.pageEntries)
    t.same(records.page(id, 310, 1_000), [])
    t.same(records.page(id + 1, 0, 1_000), [], 'of a log that is not there')
  })
}
