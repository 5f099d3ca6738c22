/** Which sites ask visitors for certificates, and what a connection has proven of its client. */

import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { ClientIdentity } from '../core/exchange.ts'
import type { ClientRule } from '../core/messages.ts'

/** Which sites ask visitors for certificates. */
export interface ClientRules {
  /** Whether any does. */
  readonly hasClientRules: boolean
  /** What the site of a name asks for; undefined when it asks for nothing, or there is none. */
  readonly clientRule: (authority: string) => ClientRule | undefined
}

/** A client that came in by a rule. */
export interface ProvenClient {
  readonly rule: ClientRule
  /** Undefined where it showed no certificate, and needed none. */
  readonly identity: ClientIdentity | undefined
}

const proven = new WeakMap<Duplex, ProvenClient>()

/** Notes that a connection has done what a rule asks for. */
export function noteClient(socket: TLSSocket, rule: ClientRule): void {
  const certificate = socket.getPeerX509Certificate()
  const identity = certificate && {
    subject: toSubject(certificate.subject),
    certificate: certificate.raw.toString('base64'),
  }
  proven.set(socket, { rule, identity })
}

/** What a connection has proven; undefined when it was asked for nothing. */
export function provenClient(socket: Duplex | undefined): ProvenClient | undefined {
  return socket && proven.get(socket)
}

/**
 * A subject in the order and with the escapes of RFC 4514, such as `CN=ada,O=Example`; what is not visible ASCII, and `%`,
 * percent-encoded UTF-8, so that it can stand in a header. Node gives one part a line, the first of the certificate first.
 */
function toSubject(lines: string): string {
  const parts = lines.split('\n').filter((line) => line !== '')
  return parts
    .reverse()
    .join(',')
    .toWellFormed()
    .replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent)
}
