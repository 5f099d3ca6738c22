/**
 * How many TLS 1.3 handshakes one core does, Grove beside nginx and Caddy in the same run.
 *
 * The server has the first core and the visitors have the second. A client's half of a handshake costs more than a
 * server's, so visitors on one core cannot keep the fastest server busy. Therefore handshakes are divided by the
 * processor time that the server's processes have used, and not by the time that has passed: neither the visitors' speed
 * nor what else runs on the machine counts. How busy the server was is told too: one that was idle in between has woken
 * up more often, which costs it a little.
 */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { median } from './quantiles.ts'
import { authority, onCore, type RunningServer, type Server, startServer } from './servers.ts'
import type { Visits } from './visitors.ts'

/** One kind of handshakes. */
export interface Kind {
  readonly session: 'full' | 'resumed'
  readonly group: string
}

/** What one server did of one kind. */
export interface Rate {
  /** Handshakes per second of processor time. */
  readonly perCpuSecond: number
  /** Handshakes per second that passed. */
  readonly perSecond: number
  /** Processor time of the server in each second that passed. */
  readonly serverBusy: number
  readonly visitorsBusy: number
}

const classic = 'X25519'
const hybrid = 'X25519MLKEM768'
const run = promisify(execFile)

/** The kinds that all servers do. */
export const kinds: readonly Kind[] = [
  { session: 'full', group: classic },
  { session: 'resumed', group: classic },
]

/** Those that of the three only Grove does: what browsers of today and Grove agree on. */
export const kindsOfGrove: readonly Kind[] = [
  { session: 'full', group: hybrid },
  { session: 'resumed', group: hybrid },
]

/** Measures all servers in turn, `rounds` times; answers the medians, keyed by name and then by {@link kindName}. */
export async function measureHandshakes(
  servers: readonly Server[],
  { rounds, seconds, tell }: { rounds: number; seconds: number; tell: (line: string) => void },
): Promise<Map<string, Map<string, Rate>>> {
  const all = new Map(servers.map(({ name }) => [name, new Map<string, Rate[]>()]))
  for (let round = 1; round <= rounds; round += 1)
    for (const server of servers) {
      await using running = await startServer(server)
      const done = server.name === 'Grove' ? [...kinds, ...kindsOfGrove] : kinds
      // By then code is compiled, memory is taken, and whatever runs after a start is over.
      await measure(server, running, kinds[0] as Kind, seconds)
      for (const kind of done) {
        const rate = await measure(server, running, kind, seconds)
        const rates = all.get(server.name)
        rates?.set(kindName(kind), [...(rates.get(kindName(kind)) ?? []), rate])
        tell(`${round}/${rounds} ${server.name}, ${kindName(kind)}: ${lineOf(rate)}`)
      }
    }
  return new Map([...all].map(([name, rates]) => [name, new Map([...rates].map(([kind, some]) => [kind, mid(some)]))]))
}

/** A kind in words. */
export function kindName({ session, group }: Kind): string {
  return `${session}, ${group}`
}

async function measure(server: Server, running: RunningServer, kind: Kind, seconds: number): Promise<Rate> {
  const before = running.cpuSeconds()
  const startedMs = performance.now()
  const visitors = [process.execPath, join(import.meta.dirname, 'visitors.ts')]
  const what = [String(server.port), authority, kind.session, kind.group, String(seconds)]
  const [program = '', ...args] = onCore(1, [...visitors, ...what])
  const visits = JSON.parse((await run(program, args)).stdout) as Visits
  const tookSeconds = (performance.now() - startedMs) / 1_000
  const cpuSeconds = running.cpuSeconds() - before
  if (visits.failed > 0 || visits.full > visits.done / 100)
    throw new Error(`${server.name}, ${kindName(kind)}: ${JSON.stringify(visits)}`)
  return {
    perCpuSecond: visits.done / cpuSeconds,
    perSecond: visits.done / seconds,
    serverBusy: cpuSeconds / tookSeconds,
    visitorsBusy: visits.busy,
  }
}

function mid(rates: readonly Rate[]): Rate {
  const of = (key: keyof Rate) => median(rates.map((rate) => rate[key]))
  return {
    perCpuSecond: of('perCpuSecond'),
    perSecond: of('perSecond'),
    serverBusy: of('serverBusy'),
    visitorsBusy: of('visitorsBusy'),
  }
}

function lineOf({ perCpuSecond, perSecond, serverBusy, visitorsBusy }: Rate): string {
  const share = (part: number) => `${Math.round(part * 100)} %`
  return `${Math.round(perCpuSecond)} per second of processor time, ${Math.round(perSecond)} per second (server ${share(serverBusy)} busy, visitors ${share(visitorsBusy)})`
}
