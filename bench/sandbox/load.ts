/** Load on a server from the second core, by wrk. */

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { jsonOf, type Measured } from './handlers.ts'
import { onCore } from './servers.ts'

/** What wrk has found. Times in milliseconds. */
export interface Found {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Asks for one thing again and again, from the second core unless told otherwise. Throws when an answer is not 2xx. */
export async function load(
  folder: string,
  url: string,
  { bodyBytes }: Pick<Measured, 'bodyBytes'>,
  {
    connections,
    seconds,
    core = 1,
  }: { readonly connections: number; readonly seconds: number; readonly core?: number },
): Promise<Found> {
  const script = join(folder, `post-${bodyBytes}.lua`)
  if (bodyBytes > 0)
    writeFileSync(
      script,
      `wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = [==[${jsonOf(bodyBytes)}]==]\n`,
    )
  const command = [
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...(bodyBytes > 0 ? ['-s', script] : []),
  ]
  const [program = '', ...args] = onCore(core, [...command, url])
  const { stdout: out } = await promisify(execFile)(program, args, { encoding: 'utf8' })
  if (/Non-2xx|Socket errors/.test(out)) throw new Error(out)
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(out)?.[1]),
    p50Ms: milliseconds(/^\s+50%\s+(\S+)/m.exec(out)?.[1]),
    p99Ms: milliseconds(/^\s+99%\s+(\S+)/m.exec(out)?.[1]),
  }
}

function milliseconds(text = ''): number {
  const [, number, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? []
  return Number(number) * (unit === 'us' ? 0.001 : unit === 's' ? 1_000 : 1)
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}
