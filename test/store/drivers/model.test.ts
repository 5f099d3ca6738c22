import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import type { Handle, Log, Store, Ts } from '../../../store/store.ts'
import { bytes, clockOf, codeOf, text } from '../fixtures/drivers.ts'

// The memory driver is the model; whatever is asked of both, SQLite has to answer the same. Names that are random
// (ids of stores and grants) are replaced by their order of appearance.

const paths = ['/a', '/a/b', '/a/b/c', '/a-b', '/a0', '/b', '/']
const path = fc.constantFrom(...paths)
const nth = fc.nat({ max: 7 })
const mostly = fc.nat({ max: 4 }).map((roll) => roll > 0)
const rights = fc.record({ read: mostly, write: mostly, grant: mostly })

const step = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), by: nth, path, serialized: fc.boolean() }),
  fc.record({ kind: fc.constant('list' as const), by: nth, path }),
  fc.record({ kind: fc.constant('grant' as const), by: nth, path, rights, untilMs: fc.integer({ min: 90, max: 130 }) }),
  fc.record({ kind: fc.constant('revoke' as const), by: nth, target: nth }),
  fc.record({ kind: fc.constant('open' as const), by: nth, path }),
  fc.record({ kind: fc.constant('write' as const), log: nth, expect: fc.option(nth), op: fc.option(nth) }),
  fc.record({ kind: fc.constant('both' as const), log: nth, other: nth, op: fc.option(nth) }),
  fc.record({ kind: fc.constant('read' as const), log: nth, after: fc.option(nth), limit: fc.option(nth) }),
  fc.record({ kind: fc.constant('lookup' as const), by: nth, path, op: nth }),
  fc.record({ kind: fc.constant('tick' as const), ms: nth }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** What every run begins with, so that most of the steps that follow have something to work on. */
const all = { read: true, write: true, grant: true }
const prelude: Step[] = [
  { kind: 'create', by: 0, path: '/a', serialized: false },
  { kind: 'create', by: 0, path: '/a/b', serialized: false },
  { kind: 'grant', by: 0, path: '/a', rights: all, untilMs: 120 },
  { kind: 'grant', by: 1, path: '/a', rights: all, untilMs: 110 },
  { kind: 'open', by: 2, path: '/a' },
  { kind: 'open', by: 1, path: '/a/b' },
]

/** Runs the steps on a store and answers what each said. */
async function run(open: (now: () => number) => Promise<Store>, steps: readonly Step[]): Promise<unknown[]> {
  let nowMs = 100
  await using store = await open(() => nowMs)
  const handles: Handle[] = [store.root]
  const logs: Log[] = []
  const stamps: Ts[] = []
  const ids = new Map<string, number>()
  const handle = (index: number) => handles[index % handles.length] as Handle
  const log = (index: number) => logs[index % Math.max(1, logs.length)]
  const named = (id: string) => ids.set(id, ids.get(id) ?? ids.size).get(id)
  const seq = (ts: Ts | undefined) => ts && Number(ts.split('.')[1])
  const opId = (op: number | null) => (op === null ? {} : { opId: `operation-${op}` })

  async function apply(step: Step): Promise<unknown> {
    switch (step.kind) {
      case 'create':
        return void handles.push(await store.create(handle(step.by), step.path, { serialized: step.serialized }))
      case 'list':
        return store.list(handle(step.by), step.path)
      case 'grant':
        return void handles.push(
          await store.grant(handle(step.by), { path: step.path, untilMs: step.untilMs, ...step.rights }),
        )
      case 'revoke':
        return seq((await store.revoke(handle(step.by), handle(step.target))).ts)
      case 'open':
        return void logs.push(await store.open(handle(step.by), step.path))
      case 'write': {
        const expect = step.expect === null ? {} : { expect: stamps[step.expect] }
        const ts = await log(step.log)?.write(bytes(`${stamps.length}`), { ...expect, ...opId(step.op) })
        if (ts) stamps.unshift(ts)
        return seq(ts)
      }
      case 'both': {
        const [a, b] = [log(step.log), log(step.other)]
        if (!a || !b) return undefined
        const tx = await store.begin(a, b)
        tx.write(a, bytes('both'))
        tx.write(b, bytes('both'))
        return seq(await tx.commit(opId(step.op)))
      }
      case 'read': {
        const after = step.after === null ? undefined : stamps[step.after]
        const range = { ...(after && { after }), ...(step.limit !== null && { limit: step.limit }) }
        const entries = await Array.fromAsync(log(step.log)?.read(range) ?? [])
        return entries.map((entry) => [seq(entry.ts), text(entry), named(entry.writer), entry.opId])
      }
      case 'lookup':
        return seq(await store.lookup(handle(step.by), step.path, `operation-${step.op}`))
      case 'tick':
        nowMs += step.ms
        return nowMs
    }
  }
  const answers: unknown[] = []
  for (const step of steps) {
    let answer: unknown
    const code = await codeOf(async () => {
      answer = await apply(step)
    })
    answers.push([step.kind, code, answer])
  }
  return answers
}

t.test('SQLite answers what the model answers, whatever the steps', { timeout: 60_000 }, async (t) => {
  const folder = t.testdir()
  let count = 0
  const kinds = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (chosen) => {
      const steps = [...prelude, ...chosen]
      const model = await run((now) => openMemoryStore({ env: clockOf(now) }), steps)
      const sqlite = await run((now) => openSqliteStore(join(folder, `${++count}.db`), { env: clockOf(now) }), steps)
      for (const answer of model) kinds.add(String((answer as unknown[]).slice(0, 2)))
      if (JSON.stringify(model) !== JSON.stringify(sqlite)) t.same(sqlite, model)
    }),
    { numRuns: 200 },
  )
  for (const kind of ['create', 'list', 'grant', 'revoke', 'open', 'write', 'both', 'read', 'lookup'])
    t.ok(kinds.has(`${kind},none`), `some ${kind} went well`)
  for (const code of ['write,ERR_CONFLICT', 'write,ERR_DENIED revoked', 'write,ERR_DENIED expired'])
    t.ok(kinds.has(code), `some steps came to ${code}`)
})
