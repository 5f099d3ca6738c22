import t from 'tap'
import type { Records } from '../../../store/logs/records.ts'
import { createDisk, type Disk } from './disk.ts'
import { openJournalRecords, pageEntries } from './journal-records.ts'
import { createRandom } from './random.ts'

const file = '/store.journal'

function newDisk(seed = 1): Disk {
  return createDisk(
    createRandom(seed),
    () => 5,
    () => {},
  )
}

function open(disk: Disk): Records {
  return openJournalRecords(disk, file, { randomBytes: (count) => createRandom(9).bytes(count), now: () => 5 })
}

function addEntry(records: Records, text: string, opId?: string): number {
  return records.transact(() => {
    if (!records.log('/a')) records.addLog('/a', false)
    const seq = records.takeSeq()
    const data = Buffer.from(text)
    records.addEntry(1, { seq, lo: seq, hi: seq, atMs: 5, data, after: [], writer: 'root', opId })
    return seq
  })
}

function texts(records: Records): string[] {
  const found: string[] = []
  for (let after = 0; ; ) {
    const page = records.page(1, after, records.lastSeq())
    found.push(...page.map(({ data }) => Buffer.from(data).toString()))
    if (page.length === 0) return found
    after = page.at(-1)?.seq ?? 0
  }
}

t.test('what was committed is there after every power failure, and nothing of what was not', async (t) => {
  for (let seed = 0; seed < 100; seed += 1) {
    const disk = newDisk(seed)
    const records = open(disk)
    for (const text of ['a', 'b', 'c']) addEntry(records, text)
    disk.faults.stepsToCrash = seed % 3
    t.throws(() => {
      for (;;) addEntry(records, 'd')
    })
    disk.recover('power')
    const found = texts(open(disk)).join('')
    t.match(found, /^abcd*$/, `seed ${seed}`)
  }
})

t.test('a state is the same when it is opened again', async (t) => {
  const disk = newDisk()
  const records = open(disk)
  addEntry(records, 'a', 'operation-1')
  for (const text of 'bcdefg') addEntry(records, text)
  records.transact(() => {
    records.takeEpoch()
    records.addLog('/b/c', true)
    records.addKey({ kid: '2', key: Buffer.alloc(32, 7), madeAtMs: 6 })
    records.removeKey('1')
    records.trim(1, 1, 3, 7)
    const rights = { read: true, write: true, grant: false }
    const numbers = { untilMs: 9, madeAtMs: 1, maxBytes: undefined, maxWrites: 2, usedBytes: 0, usedWrites: 0 }
    const names = { id: 'g', parent: 'root', path: '/b', label: 'x' }
    records.addGrant({ ...rights, ...numbers, ...names, revokedSeq: undefined })
    records.useGrant('g', 5, 1)
    records.revokeGrant('g', records.takeSeq())
    records.revokeGrant('g', records.takeSeq())
  })
  const seen = (from: Records) => ({
    id: from.storeId,
    epoch: from.epoch(),
    keys: from.keys().map(({ kid, key }) => [kid, Buffer.from(key).toString('hex')]),
    logs: from.logPaths('/'),
    under: from.logPaths('/b'),
    log: from.log('/a'),
    texts: texts(from),
    head: from.head(1),
    extent: from.extent(1),
    entry: [from.entry(1, 3)?.atMs, from.entry(1, 1)],
    operation: [from.seqOfOp(1, 'operation-1'), from.seqOfOp(1, 'operation-2')],
    grant: from.grant('g'),
    grants: [from.grants('/', 5).length, from.grants('/a', 5).length, from.children('root'), from.children('g')],
    lastSeq: from.lastSeq(),
  })
  const before = seen(records)
  t.match(before, {
    epoch: 1,
    log: { trimmedSeq: 2, coverSeq: 7 },
    texts: [...'cdefg'],
    operation: [1, undefined],
    extent: { oldest: 3, entries: 5, bytes: 5 },
    grant: { usedBytes: 5, usedWrites: 1, revokedSeq: 8 },
    grants: [1, 0, ['g'], []],
  })
  t.same(seen(open(disk)), before)
  t.equal(records.page(1, 0, 99).length, pageEntries)
})

t.test('a transaction that throws has changed nothing', async (t) => {
  const disk = newDisk()
  const records = open(disk)
  addEntry(records, 'a')
  t.throws(
    () =>
      records.transact(() => {
        records.takeSeq()
        records.addLog('/b', false)
        throw new Error('no')
      }),
    /no/,
  )
  t.same([records.lastSeq(), records.log('/b'), texts(records)], [1, undefined, ['a']])
  t.throws(() => records.takeSeq(), /outside of a transaction/)
})

t.test('a full disk refuses a commit and takes the next one when there is room', async (t) => {
  const disk = newDisk()
  const records = open(disk)
  addEntry(records, 'a')
  disk.faults.capacityBytes = disk.file(file).bytes + 20
  t.throws(() => addEntry(records, 'b'), { code: 'ERR_DATA_IO' })
  disk.faults.capacityBytes = Number.POSITIVE_INFINITY
  addEntry(records, 'c')
  disk.recover('power')
  t.same(texts(open(disk)), ['a', 'c'])
})

t.test('after a failed sync nothing more is taken until the file is opened again', async (t) => {
  for (let seed = 0; seed < 50; seed += 1) {
    const disk = newDisk(seed)
    const records = open(disk)
    addEntry(records, 'a')
    disk.faults.sync = 1
    t.throws(() => addEntry(records, 'b'), { code: 'ERR_DATA_IO' })
    disk.faults.sync = 0
    t.throws(() => addEntry(records, 'c'), /has stopped/)
    t.throws(() => records.read(() => 1), /has stopped/)
    disk.recover('kill')
    const next = open(disk)
    addEntry(next, 'd')
    const seen = texts(next)
    disk.recover('power')
    t.same(texts(open(disk)), seen, `seed ${seed}`)
  }
})

t.test('two processes see what the other one committed', async (t) => {
  const disk = newDisk()
  const [one, other] = [open(disk), open(disk)]
  addEntry(one, 'a')
  addEntry(other, 'b')
  t.same(
    one.read(() => texts(one)),
    ['a', 'b'],
  )
  t.equal(one.storeId, other.storeId)
})

t.test('a copy holds what was committed, and does not overwrite', async (t) => {
  const disk = newDisk()
  const records = open(disk)
  addEntry(records, 'a')
  records.copyTo('/copy')
  addEntry(records, 'b')
  t.throws(() => records.copyTo('/copy'), { code: 'ERR_DATA_IO' })
  disk.recover('power')
  disk.rename('/copy', file)
  t.same(texts(open(disk)), ['a'])
  records.close()
})
