/**
 * Runs simulations by hand.
 *
 *     node test/store/simulation/run.ts --seed 46              one seed: its findings
 *     node test/store/simulation/run.ts --seed 46 --verbose    and its whole history, a line of JSON for each event
 *     node test/store/simulation/run.ts --seeds 10000          many, from --seed on (default 0): those with findings
 *     node test/store/simulation/run.ts --fault 'expect …'     with planted faults of such a name: until they are caught
 *
 * With `--json` the last line is a {@link RunSummary} or a {@link FaultSummary}.
 */

import { parseArgs } from 'node:util'
import type { Finding } from './checkers/checker.ts'
import { seedsOf, worldOf, worlds } from './worlds.ts'

/** What many seeds came to. */
export interface RunSummary {
  readonly findings: readonly (Finding & { readonly seed: number })[]
  /** How often each kind of event happened. Keyed by kind of simulation and of event: `logs: ask append`. */
  readonly counts: Readonly<Record<string, number>>
}

/** What became of planted faults. Keyed by name: by which checker and at which seed it was caught, null for not. */
export type FaultSummary = Readonly<Record<string, string | null>>

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    seeds: { type: 'string', default: '1' },
    fault: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const say = (line: string) => void process.stdout.write(`${line}\n`)
process.exitCode =
  values.fault === undefined ? await runSeeds(Number(values.seed), Number(values.seeds)) : await runFaults(values.fault)

async function runSeeds(first: number, count: number): Promise<number> {
  const findings: (Finding & { seed: number })[] = []
  const counts: Record<string, number> = {}
  for (let seed = first; seed < first + count; seed += 1) {
    const world = worldOf(seed)
    const outcome = await world.simulate(seed)
    if (values.verbose) process.stdout.write(outcome.text())
    for (const finding of outcome.findings) {
      findings.push({ seed, ...finding })
      say(`seed ${seed} (${world.name}), ${finding.checker}: ${finding.fault}`)
    }
    for (const [what, times] of outcome.counts)
      counts[`${world.name}: ${what}`] = (counts[`${world.name}: ${what}`] ?? 0) + times
  }
  say(`${count} seeds from ${first}: ${new Set(findings.map(({ seed }) => seed)).size} with findings`)
  if (values.json) say(JSON.stringify({ findings, counts } satisfies RunSummary))
  return findings.length > 0 ? 1 : 0
}

async function runFaults(words: string): Promise<number> {
  const summary: Record<string, string | null> = {}
  for (const world of worlds)
    for (const fault of world.faults) {
      if (!fault.name.includes(words)) continue
      let caught: string | null = null
      for (const seed of seedsOf(world, fault.seeds)) {
        const { findings, text } = await world.simulate(seed, fault.name)
        const finding = findings.find(({ checker }) => fault.caughtBy.includes(checker))
        if (!finding) continue
        if (values.verbose) process.stdout.write(text())
        caught = `seed ${seed}, ${finding.checker}: ${finding.fault}`
        break
      }
      summary[fault.name] = caught
      say(`"${fault.name}": ${caught ?? `not caught in ${fault.seeds} seeds`}`)
    }
  if (values.json) say(JSON.stringify(summary satisfies FaultSummary))
  return Object.values(summary).includes(null) ? 1 : 0
}
