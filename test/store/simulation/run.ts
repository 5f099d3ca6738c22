/**
 * Runs simulations by hand.
 *
 *     node test/store/simulation/run.ts --seed 46              one seed: its findings
 *     node test/store/simulation/run.ts --seed 46 --verbose    and its whole history, a line of JSON for each event
 *     node test/store/simulation/run.ts --seeds 10000          many, from --seed on (default 0): those with findings
 *     node test/store/simulation/run.ts --fault 'expect …'     with a planted fault: until it is caught
 */

import { parseArgs } from 'node:util'
import { seedsOf, type World, worldOf, worlds } from './worlds.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    seeds: { type: 'string', default: '1' },
    fault: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})

process.exitCode =
  values.fault === undefined ? await runSeeds(Number(values.seed), Number(values.seeds)) : await runFault(values.fault)

async function runSeeds(first: number, count: number): Promise<number> {
  let bad = 0
  for (let seed = first; seed < first + count; seed += 1) {
    const world = worldOf(seed)
    const { findings, text } = await world.simulate(seed)
    if (values.verbose) process.stdout.write(text())
    for (const { checker, fault } of findings)
      process.stdout.write(`seed ${seed} (${world.name}), ${checker}: ${fault}\n`)
    if (findings.length > 0) bad += 1
  }
  process.stdout.write(`${count} seeds from ${first}: ${bad} with findings\n`)
  return bad > 0 ? 1 : 0
}

async function runFault(words: string): Promise<number> {
  const found = worlds.flatMap((world: World) =>
    world.faults.filter(({ name }) => name.includes(words)).map((fault) => ({ world, fault })),
  )
  const [one] = found
  if (!one) throw new RangeError(`no planted fault has "${words}" in its name`)
  for (const seed of seedsOf(one.world, one.fault.seeds)) {
    const { findings, text } = await one.world.simulate(seed, one.fault.name)
    const caught = findings.find(({ checker }) => one.fault.caughtBy.includes(checker))
    if (!caught) continue
    if (values.verbose) process.stdout.write(text())
    process.stdout.write(`"${one.fault.name}" at seed ${seed}, ${caught.checker}: ${caught.fault}\n`)
    return 0
  }
  process.stdout.write(`"${one.fault.name}" is not caught in ${one.fault.seeds} seeds\n`)
  return 1
}
