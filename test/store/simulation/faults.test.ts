import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkerTable, faultTable } from './tables.ts'
import { seedsOf, worlds } from './worlds.ts'

for (const world of worlds)
  t.test(`each fault planted in ${world.name} is caught by a checker that is to catch it`, async (t) => {
    for (const fault of world.faults) {
      let caught: string | undefined
      for (const seed of seedsOf(world, fault.seeds)) {
        const { findings } = await world.simulate(seed, fault.name)
        const finding = findings.find(({ checker }) => fault.caughtBy.includes(checker))
        if (finding) caught = `seed ${seed}, ${finding.checker}`
        if (caught !== undefined) break
      }
      t.ok(caught, `${fault.name}: ${caught ?? `not caught in ${fault.seeds} seeds`}`)
    }
  })

t.test('there are at least 25 planted faults, each with a name of its own and checkers that exist', async (t) => {
  const names = worlds.flatMap(({ faults }) => faults.map(({ name }) => name))
  t.ok(names.length >= 25)
  t.equal(new Set(names).size, names.length)
  for (const { faults, checkers } of worlds) {
    const known = new Set(checkers.map(({ name }) => name))
    for (const { name, caughtBy } of faults) t.ok(caughtBy.length > 0 && caughtBy.every((by) => known.has(by)), name)
  }
})

t.test('docs/store-testing.md has the tables of checkers and of planted faults as they are', async (t) => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/store-testing.md'), 'utf8')
  for (const world of worlds) {
    const hint = 'print it with: node test/store/simulation/tables.ts'
    t.ok(text.includes(checkerTable(world)), `checkers of ${world.name}`, { hint })
    t.ok(text.includes(faultTable(world)), `faults of ${world.name}`, { hint })
  }
})
