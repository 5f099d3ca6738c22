/** Requests per second and latency: Grove, workerd, and workerd behind Grove, in turn. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Measured, measured, workerText } from './handlers.ts'
import { type Found, load, median } from './load.ts'
import { ports, startGrove, startWorkerd } from './servers.ts'

/** Many short visits to each: a machine whose neighbours come and go is as slow for one as for the next. */
const rounds = Number(process.env['BENCH_ROUNDS'] ?? 9)
/** Until V8 has compiled what is hot; on one core it has little time for that. */
const warmUpSeconds = 6
const seconds = Number(process.env['BENCH_SECONDS'] ?? 2)

/** The three that are measured. */
export const subjects = ['Grove', 'workerd, plain HTTP', 'workerd behind Grove'] as const
/** One of {@link subjects}. */
export type Subject = (typeof subjects)[number]

const bases: Readonly<Record<Subject, string>> = {
  Grove: `https://localhost:${ports.grove}`,
  'workerd, plain HTTP': `http://127.0.0.1:${ports.workerd}`,
  'workerd behind Grove': `https://localhost:${ports.groveBefore}`,
}

/** Medians of one handler at one subject. */
export interface Throughput {
  readonly subject: Subject
  readonly handler: Measured
  /** 64 connections. */
  readonly perSecond: number
  /** What Grove answered in place of one answer of this subject's, in the same round: the median of the rounds. */
  readonly groveRatio: number
  /** One connection, one request after the other. */
  readonly alone: Found
  /** 8 connections: neither idle nor at the end of its strength. */
  readonly some: Found
}

/** What one visit has found: with 64 connections, with one and with 8. */
interface Visit {
  readonly all: Found
  readonly alone: Found
  readonly some: Found
}

/**
 * Measures all, while all run: who is not asked does nothing. `core`: the one that each server has for all of its processes, the
 * load generator then has the second; -1: servers and load share all cores, as they come. `file` is a static file of 11 bytes
 * through Grove, for what code adds to it.
 */
export async function measureThroughput(folder: string, core: number, say: (line: string) => void) {
  const place = (name: string): string => {
    const made = join(folder, name)
    mkdirSync(made)
    return made
  }
  const ask = (url: string, handler: Pick<Measured, 'bodyBytes'>, connections: number, forSeconds: number) =>
    load(folder, url, handler, { connections, seconds: forSeconds, core: core === -1 ? -1 : 1 })
  const files = { '_worker.js': workerText, 'file.txt': 'hello world' }
  await using _grove = await startGrove(place('grove'), { bench: { authorities: ['localhost'], files } }, { core })
  await using _worker = await startWorkerd(place('workerd'), core)
  const upstreams = [`http://127.0.0.1:${ports.workerd}`]
  const before = { bench: { authorities: ['localhost'], upstreams } }
  await using _before = await startGrove(place('before'), before, { core, port: ports.groveBefore })
  await pause(1_000)

  const rows: Throughput[] = []
  for (const handler of measured) {
    const visits = new Map<Subject, Visit[]>()
    for (const subject of subjects) await ask(`${bases[subject]}${handler.path}`, handler, 64, warmUpSeconds)
    for (let round = 1; round <= rounds; round += 1) {
      for (const subject of subjects) {
        const url = `${bases[subject]}${handler.path}`
        const all = await ask(url, handler, 64, seconds)
        const alone = await ask(url, handler, 1, seconds)
        const some = await ask(url, handler, 8, seconds)
        visits.set(subject, [...(visits.get(subject) ?? []), { all, alone, some }])
      }
      const rates = subjects.map((subject) => Math.round(visits.get(subject)?.at(-1)?.all.perSecond ?? 0))
      say(
        `${round}/${rounds} ${handler.name}: ${subjects.map((subject, at) => `${subject} ${rates[at]}/s`).join(', ')}`,
      )
    }
    const own = visits.get('Grove') ?? []
    for (const subject of subjects) {
      const of = visits.get(subject) ?? []
      const ratios = of.map(({ all }, round) => (own[round]?.all.perSecond ?? 0) / all.perSecond)
      rows.push({
        subject,
        handler,
        perSecond: median(of.map(({ all }) => all.perSecond)),
        groveRatio: median(ratios),
        alone: middle(of.map(({ alone }) => alone)),
        some: middle(of.map(({ some }) => some)),
      })
    }
  }
  const file: Found[] = []
  for (let round = 1; round <= rounds; round += 1)
    file.push(await ask(`${bases.Grove}/file.txt`, { bodyBytes: 0 }, 1, seconds))
  return { rows, file: middle(file) }
}

function middle(all: readonly Found[]): Found {
  return {
    perSecond: median(all.map(({ perSecond }) => perSecond)),
    p50Ms: median(all.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(all.map(({ p99Ms }) => p99Ms)),
  }
}
