/**
 * Visitors who only shake hands: a process of its own, beside the server that is measured, told what to do by
 * handshakes.ts.
 *
 * A handshake counts when a session ticket has come: the server sends it after it has checked the client's last message,
 * so its work is done by then, and no request is made. Nothing above TLS is measured. The group for the key exchange is
 * given, because servers of different age prefer different ones, and a post-quantum one is dearer.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { connect } from 'node:tls'

/** What visitors do for a while. */
export interface Errand {
  readonly port: number
  readonly name: string
  readonly session: 'full' | 'resumed'
  readonly group: string
  readonly ms: number
}

/** What came of it. */
export interface Visits {
  /** Handshakes that were done. */
  readonly done: number
  /** Of those that were to be resumed: how many the server did in full. */
  readonly full: number
  readonly failed: number
  /** How much of the time this process was busy, 0 to 1. */
  readonly busy: number
}

/** Enough that the server always has the next one to do. */
const lanes = 32
/** After the last handshake, so that the server has closed its end too. */
const quietMs = 30

/** The newest ticket of each lane, keyed by port. */
const tickets = new Map<number, (Buffer | undefined)[]>()

process.on('message', async (errand: Errand) => {
  const startedMs = performance.now()
  const before = process.cpuUsage()
  const counts = { done: 0, full: 0, failed: 0 }
  const kept = tickets.get(errand.port) ?? Array(lanes).fill(undefined)
  tickets.set(errand.port, kept)
  const endsAtMs = startedMs + errand.ms
  await Promise.all(
    kept.map(async (_, lane) => {
      while (performance.now() < endsAtMs)
        kept[lane] = await shakeHands(errand, errand.session === 'resumed' ? kept[lane] : undefined, counts)
    }),
  )
  await pause(quietMs)
  const { user, system } = process.cpuUsage(before)
  const busy = (user + system) / 1_000 / (performance.now() - startedMs)
  process.send?.({ ...counts, busy } satisfies Visits)
})
process.on('disconnect', () => process.exit())

/** Answers the ticket for the next one. */
function shakeHands(
  { port, name, group }: Errand,
  session: Buffer | undefined,
  counts: { done: number; full: number; failed: number },
): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>()
  let isOver = false
  const over = (ticket?: Buffer) => {
    isOver = true
    resolve(ticket)
  }
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: name,
    session,
    ALPNProtocols: ['http/1.1'],
    ecdhCurve: group,
    minVersion: 'TLSv1.3',
    // The server is measured; who it is has been checked by whoever started this.
    rejectUnauthorized: false,
  })
  socket.on('session', (ticket) => {
    if (isOver) return
    counts.done += 1
    if (session && !socket.isSessionReused()) counts.full += 1
    socket.end()
    over(ticket)
  })
  socket.on('error', () => {
    if (!isOver) counts.failed += 1
    over()
  })
  socket.on('close', () => over())
  return promise
}
