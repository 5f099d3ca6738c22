import t from 'tap'
import { encodeRecord, newRecord, recordKey } from '../../certs/managed-record.ts'
import { walk } from '../../certs/managed-walk.ts'
import { limits } from '../../core/limits.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { silentLog } from '../control/fixtures/silent-log.ts'
import { plainVault, type Records } from './fixtures/plain-vault.ts'

const nowMs = 1_800_000_000_000
const names = Array.from({ length: 100 }, (_, index) => `site-${index}.example.com`)

/** A vault with a record for each name, which counts what is read of it between two rests. */
function countedVault() {
  const records: Records = new Map(
    names.map((name) => [recordKey(name), { number: 7, text: encodeRecord({ ...newRecord(name), revoked }) }]),
  )
  const plain = plainVault(records)
  /** Reads after each rest. */
  const reads: [string, number | undefined][][] = [[]]
  const vault: typeof plain = {
    ...plain,
    read(key, listed) {
      reads.at(-1)?.push([key, listed])
      return plain.read(key)
    },
  }
  const environment = {
    ...nodeEnvironment,
    now: () => nowMs,
    async sleep(_ms: number, signal?: AbortSignal) {
      signal?.throwIfAborted()
      reads.push([])
    },
  }
  return { vault, environment, reads, records }
}
/** So that the record is not over. */
const revoked = { id: 'x', atMs: nowMs }
const { signal } = new AbortController()

t.test('records are read once and a few at a time, and those of names that are looked after are not', async (t) => {
  const { vault, environment, reads } = countedVault()
  const adopted: string[] = []
  const kept = new Map(names.slice(0, 20).map((name) => [name, {}]))
  const adopt = (name: string) => adopted.push(name) > 0
  t.equal(await walk({ vault, environment, log: silentLog, kept, adopt, signal }), 0)
  t.same(adopted.sort(), names.slice(20).sort())
  t.equal(reads.flat().length, 80)
  t.ok(reads.every((some) => some.length <= limits.managed.walkRecords))
  t.ok(
    reads.flat().every(([, listed]) => listed === 7),
    'nothing is looked for twice',
  )
})

t.test('a record that is damaged or cannot be read is left alone, and the next one is read', async (t) => {
  const { vault, environment, records } = countedVault()
  records.set(recordKey('site-3.example.com'), { number: 1, text: 'damaged' })
  const read: typeof vault.read = (key) => {
    if (key === recordKey('site-5.example.com')) return Promise.reject(new Error('the disk is away'))
    return vault.read(key)
  }
  const adopted: string[] = []
  const adopt = (name: string) => adopted.push(name) > 0
  const options = { vault: { ...vault, read }, environment, log: silentLog, kept: new Map(), adopt, signal }
  t.equal(await walk(options), 0)
  t.equal(adopted.length, 98)
  t.equal(records.size, 100)
})

t.test('it ends with its signal', async (t) => {
  const { vault, environment, reads } = countedVault()
  const ended = new AbortController()
  const adopt = (name: string) => {
    if (name === 'site-10.example.com') ended.abort(new Error('enough'))
    return true
  }
  const options = { vault, environment, log: silentLog, kept: new Map(), adopt, signal: ended.signal }
  await t.rejects(walk(options), { message: 'enough' })
  t.equal(reads.flat().length, 11)
})
