/**
 * Handshakes of CAs that check names by tls-alpn-01 (RFC 8737): they offer the protocol `acme-tls/1` alone, get the
 * challenge certificate of their SNI, and the connection ends.
 *
 * In TLS 1.2 the certificate is chosen before the protocol is known, and in TLS 1.3 after (measured on Node 24 and 26). So
 * while such a challenge is answered, each new connection's ClientHello is read here first, and given back to whoever does
 * the handshakes of visitors; while none is, nobody looks. A visitor can never be answered with a challenge certificate: a
 * client that offers any other protocol, or none, is not looked at twice.
 */

import type { Socket } from 'node:net'
import { createServer } from 'node:tls'
import { limits } from '../core/limits.ts'
import type { ChallengeAnswers } from './challenges.ts'
import { type ClientHello, readClientHello } from './client-hello.ts'
import type { Watch } from './transport.ts'

/** The only protocol that such a handshake agrees on (RFC 8737 section 6.2). */
const acmeTls = 'acme-tls/1'

/** What the handshakes are made with. */
export interface ChallengeHandshakesOptions {
  readonly answers: ChallengeAnswers
  readonly watch: Watch
  /** How long a ClientHello may take, and then the rest of the handshake, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * Takes new connections. `others` gets those that are not of a CA, at once while no challenge is answered, with all their
 * bytes unread.
 */
export type ChallengeHandshakes = (socket: Socket, others: (socket: Socket) => void) => void

/** Makes what stands before a TLS server's own handshakes. */
export function createChallengeHandshakes({
  answers,
  watch,
  timeoutMs,
}: ChallengeHandshakesOptions): ChallengeHandshakes {
  const server = createServer({
    ALPNProtocols: [acmeTls],
    minVersion: 'TLSv1.2',
    handshakeTimeout: timeoutMs,
    SNICallback: (name, done) => done(null, answers.context(name.toLowerCase())),
  })
  // RFC 8737 section 3: no data is ever exchanged.
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    socket.destroySoon()
  })
  server.on('tlsClientError', () => {}) // The socket is destroyed by then, and a CA says itself what went wrong.
  let looking = 0
  return (socket, others) => {
    if (!answers.expectsHandshakes || looking >= limits.challenges.hellos) {
      others(socket)
      return
    }
    looking += 1
    let leftMs = timeoutMs
    const clock = {
      tick(elapsedMs: number) {
        leftMs -= elapsedMs
        if (leftMs <= 0) socket.destroy()
      },
    }
    watch.add(clock)
    onClientHello(socket, (hello) => {
      looking -= 1
      watch.delete(clock)
      if (socket.destroyed) return
      if (hello && isOfCa(hello, answers)) server.emit('connection', socket)
      else others(socket)
    })
  }
}

function isOfCa({ serverName, protocols }: ClientHello, answers: ChallengeAnswers): boolean {
  if (protocols.length !== 1 || protocols[0] !== acmeTls) return false
  return serverName !== undefined && answers.context(serverName) !== undefined
}

/**
 * Calls back once: with the ClientHello, or undefined when the connection begins otherwise or ends. What was read is in
 * the socket again.
 */
function onClientHello(socket: Socket, done: (hello: ClientHello | undefined) => void): void {
  let seen: Buffer = Buffer.alloc(0)
  const look = () => {
    for (let bytes: Buffer | null = socket.read(); bytes !== null; bytes = socket.read())
      seen = seen.length === 0 ? bytes : Buffer.concat([seen, bytes])
    const hello = readClientHello(seen)
    if (hello !== 'more') finish(hello)
    else if (seen.length >= limits.challenges.helloBytes) finish(undefined)
  }
  const finish = (hello: ClientHello | undefined) => {
    for (const event of ['end', 'close', 'error']) socket.off(event, gone)
    socket.off('readable', look)
    if (seen.length > 0 && !socket.destroyed && !socket.readableEnded) socket.unshift(seen)
    done(hello)
  }
  const gone = () => {
    if (!socket.destroyed) socket.destroy()
    finish(undefined)
  }
  socket.on('readable', look)
  for (const event of ['end', 'close', 'error']) socket.on(event, gone)
}
