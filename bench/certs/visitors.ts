/**
 * Visitors who only shake hands: a process of its own, beside the server that is measured, started by handshakes.ts.
 *
 * A handshake counts when a session ticket has come: the server sends it after it has checked the client's last message,
 * so its work is done by then, and no request is made. Nothing above TLS is measured. The group for the key exchange is
 * given, because servers of different age prefer different ones, and a post-quantum one is dearer.
 *
 * Usage: `node visitors.ts <port> <name> <full|resumed> <group> <seconds>`; prints {@link Visits} as JSON.
 */

import { connect } from 'node:tls'

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

const [port = '', servername = '', kind = '', group = '', seconds = ''] = process.argv.slice(2)
/** Enough that the server always has the next one to do. */
const lanes = 32
const endsAtMs = performance.now() + Number(seconds) * 1_000
const counts = { done: 0, full: 0, failed: 0 }

/** One handshake after the other. */
function shakeHands(session: Buffer | undefined): void {
  if (performance.now() >= endsAtMs) return
  let isOver = false
  const over = (next: Buffer | undefined) => {
    if (isOver) return
    isOver = true
    shakeHands(next)
  }
  const socket = connect({
    host: '127.0.0.1',
    port: Number(port),
    servername,
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
    over(kind === 'resumed' ? ticket : undefined)
  })
  socket.on('error', () => {
    if (!isOver) counts.failed += 1
    over(undefined)
  })
  socket.on('close', () => over(undefined))
}

const startedMs = performance.now()
const before = process.cpuUsage()
for (let lane = 0; lane < lanes; lane += 1) shakeHands(undefined)
process.on('exit', () => {
  const { user, system } = process.cpuUsage(before)
  const busy = (user + system) / 1_000 / (performance.now() - startedMs)
  console.log(JSON.stringify({ ...counts, busy } satisfies Visits))
})
