/**
 * Handshakes for sites that ask visitors for a certificate (mutual TLS), by a server of their own, since Node asks all
 * clients of a server or none.
 *
 * What it defends: only whoever has the key of a certificate that the site's CAs signed, and that is valid now, gets a
 * connection for that site. Nothing is resumed: there are no tickets, no sessions are kept, and those of other sites are
 * not understood here, so each connection proves it anew. What it cannot: a certificate that was revoked is taken until it
 * ends, since no list of revoked ones is asked.
 */

import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type SecureContext, type TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import type { Asker } from '../certs/contexts.ts'
import { tlsParameters } from '../certs/tls-parameters.ts'
import { limits } from '../core/limits.ts'
import type { ClientRule } from '../core/messages.ts'
import { type ClientRules, noteClient } from './client-certificate.ts'
import type { Handshakes } from './hello-router.ts'
import { sniCallback } from './sni.ts'

/** What the handshakes are made with. */
export interface ClientHandshakesOptions {
  readonly rules: () => ClientRules
  /** The certificate for a name, with the CAs of its rule. */
  readonly secureContext: (name: string, asker: Asker) => Promise<SecureContext | undefined>
  readonly protocols: readonly string[]
  readonly timeoutMs: number
  /** Takes connections whose client may come in. */
  readonly accept: (socket: TLSSocket) => void
  readonly log: Logger
}

/** The handshakes for sites with rules. */
export function createClientHandshakes(options: ClientHandshakesOptions): Handshakes {
  const { rules, log } = options
  /** What each client was asked for: by the end of a handshake the rule may be another one. */
  const asked = new WeakMap<Socket, ClientRule>()
  const server = createServer({
    ...tlsParameters,
    ALPNProtocols: [...options.protocols],
    handshakeTimeout: options.timeoutMs,
    requestCert: true,
    rejectUnauthorized: false, // Looked at below, where it can be told why.
    secureOptions: tlsParameters.secureOptions | constants.SSL_OP_NO_TICKET,
    sessionIdContext: 'grove-clients',
    SNICallback: sniCallback(async (name, asker, socket) => {
      const rule = rules().clientRule(name)
      if (!rule || !socket) return undefined
      asked.set(socket, rule)
      return options.secureContext(name, asker)
    }),
  })
  server.on('secureConnection', (socket) => {
    const rule = asked.get(socket)
    const refusal = refusalOf(socket, rule)
    if (rule && refusal === undefined) {
      noteClient(socket, rule)
      options.accept(socket)
      return
    }
    log.info({ client: socket.remoteAddress, name: socket.servername, reason: refusal }, 'client certificate refused')
    socket.on('error', () => {})
    socket.destroy()
  })
  server.on('tlsClientError', (error) => log.debug({ err: error }, 'TLS handshake failed'))
  return {
    get isExpected() {
      return rules().hasClientRules
    },
    takes: ({ serverName }) => serverName !== undefined && rules().clientRule(serverName) !== undefined,
    accept: (socket) => void server.emit('connection', socket),
  }
}

/** Why a client may not come in; undefined when it may. */
function refusalOf(socket: TLSSocket, rule: ClientRule | undefined): string | undefined {
  if (!rule) return 'nothing was asked for'
  const certificate = socket.getPeerX509Certificate()
  if (!certificate) return rule.required ? 'no certificate' : undefined
  // Node's word for what OpenSSL found: chain, time, and that it is for clients.
  if (!socket.authorized) return String(socket.authorizationError)
  return certificate.raw.length > limits.http.clientCertificateBytes ? 'certificate is too long' : undefined
}
