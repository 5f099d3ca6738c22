import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { EntryRecord, GrantRecord, Records } from '../../../store/logs/records.ts'
import { eachRecords } from '../fixtures/drivers.ts'

// What the rules above rely on without ever bringing it about: they check before they write.

const grant: GrantRecord = {
  id: 'g',
  parent: 'root',
  path: '/a',
  untilMs: 2_000_000_000_000,
  read: true,
  write: false,
  grant: true,
  label: 'a label',
  madeAtMs: 1_000,
  maxBytes: 5_000,
  maxWrites: undefined,
  usedBytes: 0,
  usedWrites: 0,
  revokedSeq: undefined,
}

function entryOf(seq: number, rest: Partial<EntryRecord> = {}): EntryRecord {
  return { seq, lo: seq, hi: seq, atMs: 7, data: new Uint8Array([1]), after: [], writer: 'g', opId: undefined, ...rest }
}

/** The id of the log `/a`, made with entries 1, 2 … */
function logWith(records: Records, entries: readonly Partial<EntryRecord>[]): number {
  return records.transact(() => {
    records.addLog('/a', true)
    const id = records.log('/a')?.id ?? 0
    for (const entry of entries) records.addEntry(id, entryOf(records.takeSeq(), entry))
    return id
  })
}

function state(records: Records): unknown {
  const log = records.log('/a')
  return {
    last: records.lastSeq(),
    epoch: records.epoch(),
    keys: records.keys(),
    paths: records.logPaths('/'),
    grants: records.grants('/', 100),
    children: records.children('root'),
    log,
    head: log && records.head(log.id),
    extent: log && records.extent(log.id),
    entries: log && records.page(log.id, 0, 100),
    ops: log && ['operation-1', 'operation-2'].map((opId) => records.seqOfOp(log.id, opId)),
  }
}

eachRecords(t, 'a transaction that throws has changed nothing', async (t, records) => {
  const id = logWith(records, [{ opId: 'operation-1' }, { data: new Uint8Array([2, 3]) }])
  records.transact(() => records.addGrant(grant))
  t.same(records.grant('g'), grant)
  t.match(records.log('/a'), { path: '/a', serialized: true, trimmedSeq: 0, coverSeq: 0 })
  const before = state(records)
  const failure = new Error('in the middle')
  t.throws(
    () =>
      records.transact(() => {
        records.takeEpoch()
        const seq = records.takeSeq()
        records.addLog('/b', false)
        records.addGrant({ ...grant, id: 'h' })
        records.useGrant('g', 10, 1)
        records.revokeGrant('g', seq)
        records.addKey({ kid: '2', key: new Uint8Array(32), madeAtMs: 0 })
        records.removeKey(records.keys()[0]?.kid ?? '')
        records.addEntry(id, entryOf(seq, { lo: 1, hi: 2, opId: 'operation-2' }))
        records.trim(id, 1, 3, seq)
        t.equal(records.head(id), seq, 'though it sees its own changes')
        t.match(records.log('/a'), { trimmedSeq: 2, coverSeq: seq })
        t.match(records.grant('g'), { usedBytes: 10, usedWrites: 1, revokedSeq: seq })
        t.equal(records.seqOfOp(id, 'operation-2'), seq)
        t.same(
          records.keys().map(({ kid }) => kid),
          ['2'],
        )
        throw failure
      }),
    failure,
  )
  t.same(state(records), before)
})

eachRecords(t, 'an entry comes back as it was written', async (t, records) => {
  const entries = [
    entryOf(1),
    entryOf(2, { lo: 1, hi: 1, after: [1], opId: 'operation-é 1', data: new Uint8Array(0), atMs: 1_790_000_000_000 }),
    entryOf(3, { after: [1, 2], writer: 'root', data: new Uint8Array(100_000).fill(9) }),
  ]
  const id = logWith(records, entries)
  t.same(records.page(id, 0, 100), entries)
  for (const entry of entries) t.same(records.entry(id, entry.seq), entry)
  t.equal(records.entry(id, 4), undefined)
  t.equal(records.entry(id + 1, 1), undefined)
  t.same(records.extent(id), { oldest: 1, entries: 3, bytes: 100_001 })
  t.same(records.extent(id + 1), { oldest: 0, entries: 0, bytes: 0 })
})

eachRecords(t, 'a grant is used, revoked once, and one that is not there never', async (t, records) => {
  records.transact(() => {
    records.addGrant(grant)
    records.useGrant('g', 5, 1)
    records.useGrant('g', 7, 2)
    records.useGrant('h', 1, 1)
    t.match(records.grants('/a', 10), [{ usedBytes: 12, usedWrites: 3 }])
    records.revokeGrant('g', 5)
    records.revokeGrant('g', 6)
    records.revokeGrant('h', 7)
  })
  t.same(records.grant('g'), { ...grant, usedBytes: 12, usedWrites: 3, revokedSeq: 5 })
  t.equal(records.grant('h'), undefined)
})

eachRecords(t, 'grants are found by path, newest first, and by parent', async (t, records) => {
  records.transact(() => {
    for (const [id, path, parent] of [
      ['c', '/b', 'root'],
      ['a', '/', 'root'],
      ['b', '/b/c', 'c'],
      ['d', '/bc', 'c'],
      ['e', '/b0', 'a'],
    ] as const)
      records.addGrant({ ...grant, id, path, parent })
  })
  const ids = (prefix: string, most = 10) => records.grants(prefix, most).map(({ id }) => id)
  t.same(ids('/'), ['e', 'd', 'b', 'a', 'c'])
  t.same(ids('/', 2), ['e', 'd'])
  t.same(ids('/b'), ['b', 'c'])
  t.same(ids('/x'), [])
  t.same(records.children('c'), ['b', 'd'])
  t.same(records.children('c', 1), ['b'])
  t.same(records.children('b'), [])
})

eachRecords(t, 'a page has at most its bytes and one entry more, and at most its entries', async (t, records) => {
  const large = new Uint8Array(Math.ceil(limits.store.pageBytes / 3))
  const id = logWith(
    records,
    Array.from({ length: 310 }, (_, index) => (index < 10 ? { data: large } : {})),
  )
  const seqs = (after: number, upto: number) => records.page(id, after, upto).map(({ seq }) => seq)
  t.same(seqs(0, 1_000), [1, 2, 3])
  t.same(seqs(8, 9), [9])
  t.same(seqs(9, 8), [])
  t.equal(records.page(id, 10, 1_000).length, limits.store.pageEntries)
  t.same(seqs(310, 1_000), [])
  t.same(seqs(309, Number.MAX_SAFE_INTEGER), [310])
  t.same(records.page(id + 1, 0, 1_000), [], 'of a log that is not there')
})

eachRecords(t, 'logs do not touch: what is in one is in no other', async (t, records) => {
  const paths = ['/a', '/b', '/a/b', '/ab', '/a-b']
  records.transact(() => {
    for (const path of paths) records.addLog(path, false)
    for (let round = 0; round < 5; round += 1)
      for (const path of paths) records.addEntry(records.log(path)?.id ?? 0, entryOf(records.takeSeq()))
  })
  for (const [index, path] of paths.entries()) {
    const id = records.log(path)?.id ?? 0
    const seqs = [1, 2, 3, 4, 5].map((round) => (round - 1) * paths.length + index + 1)
    t.same(
      records.page(id, 0, 1_000).map(({ seq }) => seq),
      seqs,
    )
    t.equal(records.head(id), seqs.at(-1))
    t.same(records.extent(id), { oldest: seqs[0], entries: 5, bytes: 5 })
  }
  t.same(records.logPaths('/a'), ['/a', '/a/b'])
  t.same(records.logPaths('/'), ['/a', '/a-b', '/a/b', '/ab', '/b'])
  t.equal(records.log('/no'), undefined)
})

eachRecords(
  t,
  'a trim forgets so many entries and notes the newest of them and what stands for them',
  async (t, records) => {
    const day = limits.store.opKeptMs
    const id = logWith(records, [
      { atMs: 1, opId: 'operation-old' },
      { atMs: 2 * day, opId: 'operation-new' },
      { atMs: 2 * day },
      { atMs: 2 * day + 1, opId: 'operation-kept' },
      { atMs: 2 * day + 1, lo: 1, hi: 3, opId: 'operation-cover' },
    ])
    records.transact(() => records.trim(id, 1, 4, 5))
    t.same(
      records.page(id, 0, 10).map(({ seq }) => seq),
      [4, 5],
    )
    t.match(records.log('/a'), { trimmedSeq: 3, coverSeq: 5 })
    t.equal(records.seqOfOp(id, 'operation-old'), undefined, 'it was too long ago')
    t.equal(records.seqOfOp(id, 'operation-new'), 2)
    t.equal(records.seqOfOp(id, 'operation-kept'), 4)
    records.transact(() => records.trim(id, 1, 4, 4))
    t.match(records.log('/a'), { trimmedSeq: 3, coverSeq: 5 }, 'with nothing to forget nothing is noted')
  },
)

eachRecords(t, 'epochs and moments are counted', async (t, records) => {
  t.equal(records.epoch(), 0)
  t.equal(
    records.transact(() => records.takeEpoch()),
    1,
  )
  t.equal(
    records.transact(() => records.takeEpoch()),
    2,
  )
  t.equal(records.epoch(), 2)
  t.same(
    records.transact(() => [records.takeSeq(), records.takeSeq()]),
    [1, 2],
  )
  t.equal(records.lastSeq(), 2)
})
