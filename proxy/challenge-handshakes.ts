/**
 * Handshakes of CAs that check names by tls-alpn-01 (RFC 8737): they offer the protocol `acme-tls/1` alone, get the
 * challenge certificate of their SNI, and the connection ends.
 *
 * In TLS 1.2 the certificate is chosen before the protocol is known, and in TLS 1.3 after (measured on Node 24 and 26), so
 * no server could do these and those of visitors. A visitor is never answered with a challenge certificate: a client that
 * offers any other protocol, or none, is not looked at twice.
 */

import { createServer } from 'node:tls'
import { acmeTlsProtocol } from '../core/challenge-set.ts'
import type { ChallengeAnswers } from './challenges.ts'
import type { Handshakes } from './hello-router.ts'

/** The handshakes for the challenges that are answered. `timeoutMs`: how long one may take. */
export function createChallengeHandshakes(answers: ChallengeAnswers, timeoutMs: number): Handshakes {
  const server = createServer({
    ALPNProtocols: [acmeTlsProtocol],
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
  return {
    get isExpected() {
      return answers.expectsHandshakes
    },
    takes: ({ serverName, protocols }) =>
      protocols.length === 1 &&
      protocols[0] === acmeTlsProtocol &&
      serverName !== undefined &&
      answers.context(serverName) !== undefined,
    accept: (socket) => void server.emit('connection', socket),
  }
}
