import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { FaultSummary } from './run.ts'
import { checkerTable, faultTable } from './tables.ts'
import { worlds } from './worlds.ts'

t.setTimeout(600_000)

t.test('each planted fault is caught by a checker that is to catch it', async (t) => {
  // In a process of its own: the test runner follows every promise, which makes a simulation several times slower.
  const args = [join(import.meta.dirname, 'run.ts'), '--fault', '', '--json']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  const chunks: Buffer[] = await child.stdout.toArray()
  await closed
  const summary: FaultSummary = JSON.parse(Buffer.concat(chunks).toString().trimEnd().split('\n').at(-1) ?? '')
  for (const { faults } of worlds)
    for (const { name, seeds } of faults) t.ok(summary[name], `${name}: ${summary[name] ?? `not in ${seeds} seeds`}`)
})

t.test('there are at least 50 planted faults, each with a name of its own and checkers that exist', async (t) => {
  const names = worlds.flatMap(({ faults }) => faults.map(({ name }) => name))
  t.ok(names.length >= 50)
  t.equal(new Set(names).size, names.length)
  for (const { faults, checkers } of worlds) {
    const known = new Set(checkers.map(({ name }) => name))
    for (const { name, caughtBy } of faults) t.ok(caughtBy.length > 0 && caughtBy.every((by) => known.has(by)), name)
  }
})

t.test('an unknown planted fault, and a seed that is none, are told', async (t) => {
  const [world] = worlds
  await t.rejects(async () => world?.simulate(0, 'no such fault'), /no planted fault "no such fault"/)
})

t.test('docs/store-testing.md has the tables of checkers and of planted faults as they are', async (t) => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/store-testing.md'), 'utf8')
  for (const world of worlds) {
    const hint = 'print it with: node test/store/simulation/tables.ts'
    t.ok(text.includes(checkerTable(world)), `checkers of ${world.name}`, { hint })
    t.ok(text.includes(faultTable(world)), `faults of ${world.name}`, { hint })
  }
})
