import { createHash } from 'node:crypto'
import t from 'tap'
import { memoryRecords } from '../../../store/drivers/memory.ts'
import { openEngine } from '../../../store/logs/engine.ts'
import type { Records } from '../../../store/logs/records.ts'
import type { Answer, Request } from '../../../store/logs/request.ts'
import type { Handle } from '../../../store/store.ts'
import { eachRecords } from '../fixtures/drivers.ts'

const processKey = new Uint8Array(32).fill(7)

/** Records that are the same in each run. */
function fixedRecords(): Records {
  let count = 0
  const randomBytes = (length: number) => {
    count += 1
    return createHash('sha512').update(String(count)).digest().subarray(0, length)
  }
  return memoryRecords({ now: () => 1_000, randomBytes })
}

function append(handle: Handle, text: string, rest: object = {}): Request {
  const data = new TextEncoder().encode(text)
  return { kind: 'append', parts: [{ path: '/a', handle, data, ...rest }], opId: undefined, after: [] }
}

const create = (handle: Handle, path = '/a'): Request => ({ kind: 'create', handle, path, serialized: false })
const codes = (answers: readonly Answer[]) => answers.map((answer) => ('error' in answer ? answer.error.code : 'none'))

eachRecords(t, 'a request that is refused leaves nothing and disturbs no other of its batch', async (t, records) => {
  const engine = openEngine(records, { processKey })
  const { root } = engine.hello
  const { answers, changes, lastSeq } = engine.run({
    nowMs: 5,
    requests: [
      create(root),
      append(root, '1'),
      append(root, 'x', { expect: { head: undefined } }),
      create(root),
      append(root, 'x', { path: '/no' }),
      append('grove_no' as Handle, 'x'),
      append(root, '2'),
      { kind: 'head', handle: root, path: '/a' },
    ],
  })
  const expected = ['none', 'none', 'ERR_CONFLICT', 'ERR_EXISTS', 'ERR_NOT_FOUND', 'ERR_DENIED', 'none', 'none']
  t.same(codes(answers), expected)
  t.same(answers.at(-1), { value: 2 }, 'a read sees what the batch wrote before it')
  t.same(changes, { grew: [['/a', 2]], trimmed: [], rights: false })
  t.equal(lastSeq, 2)
})

eachRecords(t, 'a batch that only reads is no transaction, one that writes is one', async (t, records) => {
  let transactions = 0
  const counted: Records = {
    ...records,
    transact(run) {
      transactions += 1
      return records.transact(run)
    },
  }
  const engine = openEngine(counted, { processKey })
  const { root } = engine.hello
  engine.run({ nowMs: 5, requests: [create(root), ...Array.from({ length: 50 }, () => append(root, 'x'))] })
  t.equal(transactions, 2, 'the opening, and one for all of them')
  engine.run({
    nowMs: 5,
    requests: [
      { kind: 'head', handle: root, path: '/a' },
      { kind: 'whoami', handle: root },
      { kind: 'list', handle: root, prefix: '/' },
    ],
  })
  t.equal(transactions, 2)
})

t.test('the same batches make the same store', async (t) => {
  const run = () => {
    const records = fixedRecords()
    const engine = openEngine(records, { processKey })
    const { root } = engine.hello
    const said: unknown[] = []
    for (let index = 0; index < 20; index += 1) {
      const id = createHash('sha256').update(`grant ${index}`).digest('base64url').slice(0, 22)
      said.push(
        engine.run({
          nowMs: 1_000 + index,
          requests: [
            create(root),
            { kind: 'grant', handle: root, options: { path: '/a', untilMs: 5_000, read: true }, id },
            append(root, String(index)),
            { kind: 'revoke', handle: root, target: id },
            { kind: 'rotateKeys', handle: root, key: new Uint8Array(32).fill(index) },
            { kind: 'grants', handle: root, prefix: '/' },
          ],
        }),
      )
    }
    const paths = records.logPaths('/')
    return { said, paths, entries: paths.map((path) => records.page(records.log(path)?.id ?? 0, 0, 1_000)) }
  }
  t.same(run(), run())
})

t.test('a failing disk fails a batch as a whole, and what alone is well is done alone', async (t) => {
  const records = memoryRecords()
  let broken = true
  const engine = openEngine(
    {
      ...records,
      addEntry(logId, entry) {
        if (broken && entry.data.length > 3) throw new Error('the disk does not like it')
        records.addEntry(logId, entry)
      },
    },
    { processKey },
  )
  const { root } = engine.hello
  engine.run({ nowMs: 1, requests: [create(root)] })
  const requests: Request[] = [append(root, '1'), append(root, 'long'), { kind: 'head', handle: root, path: '/a' }]
  const first = engine.run({ nowMs: 1, requests })
  t.same(codes(first.answers), ['none', 'ERR_INTERNAL', 'none'])
  t.same(first.answers[2], { value: 1 })
  t.same(first.changes.grew, [['/a', 1]], 'what was undone is not told')
  t.equal(first.lastSeq, 1)
  broken = false
  t.same(codes(engine.run({ nowMs: 1, requests }).answers), ['none', 'none', 'none'])
})

t.test('keys that were made in a batch that failed are no keys', async (t) => {
  const records = memoryRecords()
  let broken = false
  const engine = openEngine(
    {
      ...records,
      transact: (run) =>
        records.transact(() => {
          const result = run()
          if (broken) throw new Error('the disk is away')
          return result
        }),
    },
    { processKey },
  )
  const { root } = engine.hello
  broken = true
  const rotate: Request = { kind: 'rotateKeys', handle: root, key: new Uint8Array(32).fill(1) }
  t.same(codes(engine.run({ nowMs: 1, requests: [rotate] }).answers), ['ERR_INTERNAL'])
  broken = false
  const id = 'a'.repeat(22)
  const options = { path: '/', untilMs: 5_000, read: true }
  const [made] = engine.run({ nowMs: 1, requests: [{ kind: 'grant', handle: root, options, id }] }).answers
  const handle = made && 'value' in made ? (made.value as Handle) : root
  t.equal(handle.split('.')[0], `grove_${records.keys()[0]?.kid}`)
  t.same(codes(engine.run({ nowMs: 1, requests: [{ kind: 'whoami', handle }] }).answers), ['none'])
})
