/** Requests per second and latency: Grove, workerd, and workerd behind Grove, in turn. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Measured, measured, workerText } from './handlers.ts'
import { type Found, load, median } from './load.ts'
import { ports, type Running, startGrove, startWorkerd } from './servers.ts'

const rounds = 3
/** Until V8 has compiled what is hot; on one core it has little time for that. */
const warmUpSeconds = 5
const seconds = Number(process.env['BENCH_SECONDS'] ?? 6)

/** The three that are measured. */
export const subjects = ['Grove', 'workerd, plain HTTP', 'workerd behind Grove'] as const
/** One of {@link subjects}. */
export type Subject = (typeof subjects)[number]

/** Medians of one handler at one subject. */
export interface Throughput {
  readonly subject: Subject
  readonly handler: Measured
  /** 64 connections. */
  readonly perSecond: number
  /** One connection, one request after the other. */
  readonly alone: Found
  /** 8 connections: neither idle nor at the end of its strength. */
  readonly some: Found
}

/**
 * Measures all. `core`: the one that each server has for all of its processes, the load generator then has the second; -1:
 * servers and load share all cores, as they come. `file` is a static file of 11 bytes through Grove, for what code adds to it.
 */
export async function measureThroughput(folder: string, core: number, say: (line: string) => void) {
  const ask = (
    here: string,
    url: string,
    handler: Pick<Measured, 'bodyBytes'>,
    connections: number,
    forSeconds: number,
  ) => load(here, url, handler, { connections, seconds: forSeconds, core: core === -1 ? -1 : 1 })
  const found = new Map<string, Found[][]>()
  const file: Found[] = []
  for (let round = 1; round <= rounds; round += 1)
    for (const subject of subjects) {
      const here = join(folder, `${round}-${subjects.indexOf(subject)}`)
      mkdirSync(here)
      await using _running = await startSubject(subject, here, core)
      const base = subject === 'workerd, plain HTTP' ? `http://127.0.0.1:${ports.workerd}` : grove
      for (const handler of measured) {
        const url = `${base}${handler.path}`
        await ask(here, url, handler, 64, warmUpSeconds)
        const all: Found[] = []
        for (const connections of [64, 1, 8]) all.push(await ask(here, url, handler, connections, seconds))
        const key = `${subject} ${handler.name}`
        found.set(key, [...(found.get(key) ?? []), all])
        say(`${round}/${rounds} ${subject}, ${handler.name}: ${Math.round(all[0]?.perSecond ?? 0)}/s`)
      }
      if (subject === 'Grove') file.push(await ask(here, `${grove}/file.txt`, { bodyBytes: 0 }, 1, seconds))
    }
  const rows: Throughput[] = subjects.flatMap((subject) =>
    measured.map((handler) => {
      const all = found.get(`${subject} ${handler.name}`) ?? []
      const of = (index: number) => middle(all.map((one) => one[index] as Found))
      return { subject, handler, perSecond: of(0).perSecond, alone: of(1), some: of(2) }
    }),
  )
  return { rows, file: middle(file) }
}

const grove = `https://localhost:${ports.grove}`

function middle(all: readonly Found[]): Found {
  return {
    perSecond: median(all.map(({ perSecond }) => perSecond)),
    p50Ms: median(all.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(all.map(({ p99Ms }) => p99Ms)),
  }
}

async function startSubject(subject: Subject, folder: string, core: number): Promise<Running> {
  if (subject === 'workerd, plain HTTP') return startWorkerd(folder, core)
  if (subject === 'Grove') {
    const files = { '_worker.js': workerText, 'file.txt': 'hello world' }
    const running = await startGrove(folder, { bench: { authorities: ['localhost'], files } }, { core })
    await pause(1_000)
    return running
  }
  const worker = await startWorkerd(folder, core)
  const upstreams = [`http://127.0.0.1:${ports.workerd}`]
  const front = await startGrove(folder, { bench: { authorities: ['localhost'], upstreams } }, { core })
  return {
    pid: front.pid,
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]()
      await worker[Symbol.asyncDispose]()
    },
  }
}
