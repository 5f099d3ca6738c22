/** The kinds of simulation, and how one is run and judged. */

import { type Finding, findingsOf } from './checkers/checker.ts'
import type { PlantedFault } from './fault.ts'
import { logFaults, siteFaults } from './faults/all.ts'
import { historyText } from './history.ts'
import { logCheckers } from './logs/checkers.ts'
import { factsOf } from './logs/facts.ts'
import { simulateLogs } from './logs/world.ts'
import { siteCheckers } from './sites/checkers.ts'
import { factsOf as siteFactsOf } from './sites/facts.ts'
import { simulateSites } from './sites/world.ts'

/** What came of a simulation. */
export interface Outcome {
  readonly findings: readonly Finding[]
  /** The history, one line of JSON for each event. */
  text(): string
  /** How often each kind of event happened. Keyed by what it is: `ask append`, `refusal ERR_CONFLICT`, `told reset`. */
  readonly counts: ReadonlyMap<string, number>
}

/** A kind of simulation. */
export interface World {
  readonly name: string
  /** Of so many seeds in a row, how many it has: one of sites costs as much as twenty of logs. */
  readonly share: number
  /** What is run in it. */
  readonly runs: string
  /** Names of its checkers, and what has to hold. */
  readonly checkers: readonly { readonly name: string; readonly holds: string }[]
  readonly faults: readonly PlantedFault<unknown>[]
  /** Runs a seed, with the planted fault of a name if one is given. */
  simulate(seed: number, fault?: string): Promise<Outcome>
}

/** The finding when a simulation does not come to its end. */
export const everythingFinishes = {
  name: 'everything finishes',
  holds: 'once nothing fails any more, whatever was begun is done, settled or refused',
}

interface Happened {
  readonly kind: string
  readonly ask?: unknown
  readonly code?: string
  readonly reason?: string
  readonly told?: unknown
  readonly by?: string
}

function outcomeOf(
  { history, stuck }: { readonly history: readonly (Happened & object)[]; readonly stuck: string | undefined },
  found: readonly Finding[],
): Outcome {
  const counts = new Map<string, number>()
  for (const event of history) {
    const what = whatOf(event)
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  const findings = stuck === undefined ? found : [...found, { checker: everythingFinishes.name, fault: stuck }]
  return { findings, counts, text: () => historyText(history as Parameters<typeof historyText>[0]) }
}

function whatOf({ kind, ask, code, reason, told, by }: Happened): string {
  if (ask) return `ask ${(ask as { call: string }).call}`
  if (told) return `told ${(told as { kind: string }).kind}`
  return [kind, code, reason, by].filter((part) => part !== undefined).join(' ')
}

async function runLogs(seed: number, fault?: string): Promise<Outcome> {
  const simulated = await simulateLogs(seed, planted(logFaults, fault))
  return outcomeOf(simulated, findingsOf(logCheckers, factsOf(simulated.history)))
}

async function runSites(seed: number, fault?: string): Promise<Outcome> {
  const simulated = await simulateSites(seed, planted(siteFaults, fault))
  return outcomeOf(simulated, findingsOf(siteCheckers, siteFactsOf(simulated.history)))
}

function planted<Pieces>(faults: readonly PlantedFault<Pieces>[], name: string | undefined): Pieces | undefined {
  if (name === undefined) return undefined
  const fault = faults.find((candidate) => candidate.name === name)
  if (!fault) throw new RangeError(`there is no planted fault "${name}"`)
  return fault.plant()
}

/** All kinds of simulation. */
export const worlds: readonly World[] = [
  {
    name: 'logs',
    share: 4,
    runs: 'the engine of logs and grants (`store/logs`, `store/grants`) over records in a journal',
    checkers: [...logCheckers, everythingFinishes],
    faults: logFaults,
    simulate: runLogs,
  },
  {
    name: 'sites',
    share: 1,
    runs: 'the same, and on it versions, trees, segments, contents and objects (`store/versions`, `store/trees`, `store/segments`, `store/contents`, `store/objects` with a folder on the simulated disk), verification (`store/verify`) and the taking of a bucket (`control/take-bucket.ts`), with a simulated bucket in six of ten seeds and encryption in three; bounds are made small, so that a small site comes to all of them',
    checkers: [...siteCheckers, everythingFinishes],
    faults: siteFaults,
    simulate: runSites,
  },
]

const shares = worlds.flatMap((world) => Array.from({ length: world.share }, () => world))

/** The kind of simulation of a seed. */
export function worldOf(seed: number): World {
  const world = shares[seed % shares.length]
  if (!world) throw new RangeError(`${seed} is no seed: expected a whole number from 0`)
  return world
}

/** The first seeds of a kind of simulation. */
export function seedsOf(world: World, count: number): number[] {
  const seeds: number[] = []
  for (let seed = 0; seeds.length < count; seed += 1) if (worldOf(seed) === world) seeds.push(seed)
  return seeds
}
