/**
 * How many TLS 1.3 handshakes one core does, Grove beside nginx and Caddy in the same run.
 *
 * The servers have the first core and the visitors have the second. A client's half of a handshake costs more than a
 * server's, so visitors on one core cannot keep the fastest server busy. Therefore handshakes are divided by the
 * processor time that the server's processes have used, and not by the time that has passed: neither the visitors' speed
 * nor what else runs on the machine counts. How busy the server was is told too: one that was idle in between has woken
 * up more often, which costs it a little.
 *
 * All servers run at the same time, and visitors go to them in turns of half a second: a core is not equally fast at all
 * times (what runs on its twin, a warm machine), and that is then the same for all. The others are idle meanwhile.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { authority, onCore, type RunningServer, type Server, startServer } from './servers.ts'
import type { Errand, Visits } from './visitors.ts'

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
const turnMs = 500
const warmUpTurns = 5

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

/**
 * Measures all servers in turns, each for so many seconds of each kind; answers what each turn showed, keyed by name and
 * then by {@link kindName}. Turns of one place in the lists were one after the other.
 */
export async function measureHandshakes(
  servers: readonly Server[],
  { seconds, tell }: { seconds: number; tell: (line: string) => void },
): Promise<Map<string, Map<string, Rate[]>>> {
  const rates = new Map(servers.map(({ name }) => [name, new Map<string, Rate[]>()]))
  await using stack = new AsyncDisposableStack()
  const visit = startVisitors(stack)
  const measured: { readonly server: Server; readonly running: RunningServer }[] = []
  for (const server of servers) measured.push({ server, running: stack.use(await startServer(server)) })
  // By then code is compiled, memory is taken, and each visitor has a ticket.
  for (const { server, running } of measured)
    for (const kind of kinds)
      for (let turn = 0; turn < warmUpTurns; turn += 1) await measure(server, running, kind, visit)
  const turns = Math.max(1, Math.round((seconds * 1_000) / turnMs))
  for (let turn = 0; turn < turns; turn += 1)
    for (const kind of [...kinds, ...kindsOfGrove])
      for (const { server, running } of turn % 2 === 0 ? measured : measured.toReversed()) {
        if (kindsOfGrove.includes(kind) && server.name !== 'Grove') continue
        const known = rates.get(server.name)
        const rate = await measure(server, running, kind, visit)
        known?.set(kindName(kind), [...(known.get(kindName(kind)) ?? []), rate])
        if (turn % 10 === 9) tell(`${turn + 1}/${turns} ${server.name}, ${kindName(kind)}: ${lineOf(rate)}`)
      }
  return rates
}

/** A kind in words. */
export function kindName({ session, group }: Kind): string {
  return `${session}, ${group}`
}

type Visit = (errand: Errand) => Promise<Visits>

/** Starts the visitors; they go with the stack. */
function startVisitors(stack: AsyncDisposableStack): Visit {
  const [program = '', ...args] = onCore(1, [process.execPath, join(import.meta.dirname, 'visitors.ts')])
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  stack.defer(() => child.disconnect())
  const ended = once(child, 'exit').then(() => {
    throw new Error('the visitors have ended')
  })
  ended.catch(() => {}) // At the end of it all nobody waits for it.
  return async (errand) => {
    child.send(errand)
    const [visits] = await Promise.race([once(child, 'message'), ended])
    return visits as Visits
  }
}

async function measure(server: Server, running: RunningServer, kind: Kind, visit: Visit): Promise<Rate> {
  const before = running.cpuSeconds()
  const startedMs = performance.now()
  const visits = await visit({ port: server.port, name: authority, ...kind, ms: turnMs })
  const tookSeconds = (performance.now() - startedMs) / 1_000
  const cpuSeconds = running.cpuSeconds() - before
  if (visits.failed > 0 || visits.full > visits.done / 100)
    throw new Error(`${server.name}, ${kindName(kind)}: ${JSON.stringify(visits)}`)
  return {
    perCpuSecond: visits.done / cpuSeconds,
    perSecond: visits.done / tookSeconds,
    serverBusy: cpuSeconds / tookSeconds,
    visitorsBusy: visits.busy,
  }
}

function lineOf({ perCpuSecond, perSecond, serverBusy, visitorsBusy }: Rate): string {
  const share = (part: number) => `${Math.round(part * 100)} %`
  return `${Math.round(perCpuSecond)} per second of processor time, ${Math.round(perSecond)} per second (server ${share(serverBusy)} busy, visitors ${share(visitorsBusy)})`
}
