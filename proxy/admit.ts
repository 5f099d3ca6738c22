/** Who may come in: the checks of a request that need to know its connection and the sites. */

import type { IncomingMessage } from 'node:http'
import type { ClientIdentity } from '../core/exchange.ts'
import type { ClientRule } from '../core/messages.ts'
import { clientAddress, clientScheme } from './client-address.ts'
import type { ProvenClient } from './client-certificate.ts'
import type { Refusal } from './refusal.ts'
import { type CheckedHead, checkHead, type RequestHead } from './request-check.ts'
import type { TransportContext } from './transport.ts'

/** The other end of a connection. */
export interface Peer {
  readonly address: string
  /**
   * The SNI that the certificate was chosen by; undefined when the connection is not TLS. Empty when it is not known:
   * OpenSSL does not tell it where a TLS 1.2 session is resumed. Then the first request names the connection.
   */
  serverName: string | undefined
  /** What it has proven of itself; undefined when it was asked for nothing. */
  readonly client: ProvenClient | undefined
  /** Whether all it gets is a redirect to https. */
  readonly isRedirected?: boolean
}

/** A request that may become an exchange. */
export interface Admitted {
  readonly head: CheckedHead
  readonly scheme: 'https' | 'http'
  readonly clientAddress: string
  /** Who the client is, where its certificate says so. */
  readonly client: ClientIdentity | undefined
  /** The value of Strict-Transport-Security for the answer; undefined for none. */
  readonly hsts: string | undefined
  /** Set when it is a CA's question for one of our challenges: the answer, whatever site the authority is of. */
  readonly keyAuthorization: string | undefined
}

/** Checks a request of HTTP/1.1. */
export function admit(request: IncomingMessage, peer: Peer, context: TransportContext): Admitted | Refusal {
  return admitHead(
    {
      method: request.method ?? '',
      target: request.url ?? '',
      httpVersion: request.httpVersion,
      secure: peer.serverName !== undefined,
      rawHeaders: request.rawHeaders,
    },
    peer,
    context,
  )
}

/**
 * Checks a request against the strict rules, its connection and the sites. An authority that no site has, or that is
 * not the one the certificate was for, is answered with 421 (RFC 9110 section 15.5.20): a connection made for one site
 * carries no request to another.
 */
export function admitHead(raw: RequestHead, peer: Peer, context: TransportContext): Admitted | Refusal {
  const head = checkHead(raw, context.limits)
  if ('status' in head) return head
  const { serves, trustedProxies, hsts, clientRule } = context.options.settings()
  const keyAuthorization =
    raw.secure || !isRead(head.method) ? undefined : context.challenges.keyAuthorization(head.target)
  if (keyAuthorization === undefined && !serves(head.authority))
    return { status: 421, reason: 'no site has this authority' }
  if (peer.serverName === '') peer.serverName = head.authority
  if (peer.serverName !== undefined && nameOf(peer.serverName) !== head.authority)
    return { status: 421, reason: 'authority is not the name of the connection' }
  if (keyAuthorization === undefined && !isProven(clientRule(head.authority), peer))
    return { status: 421, reason: 'connection has not asked its client for the certificate of this site' }
  const scheme = clientScheme(peer.address, head.headers, { secure: raw.secure, trusted: trustedProxies })
  return {
    head,
    scheme,
    client: peer.client?.identity,
    // RFC 6797 section 7.2: never where it could have been put there by somebody on the way.
    hsts: scheme === 'https' ? hsts : undefined,
    clientAddress: clientAddress(peer.address, head.headers, trustedProxies),
    keyAuthorization,
  }
}

/**
 * Whether a connection has proven what a site asks for now. One that was made before the rule, or for another, has to be
 * made anew; where no TLS of ours is spoken, nothing can be proven.
 */
function isProven(rule: ClientRule | undefined, { client, serverName, isRedirected }: Peer): boolean {
  if (serverName === undefined) return isRedirected === true || !rule?.required
  return client?.rule.roots === rule?.roots && client?.rule.required === rule?.required
}

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

function nameOf(serverName: string): string {
  const name = serverName.toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}
