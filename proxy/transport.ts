/**
 * What a transport is, for those who make one and those who hand it requests: types only.
 *
 * A transport takes connections from listening sockets, speaks TLS and HTTP, refuses what is not a clean request, and
 * hands the rest on as exchanges.
 */

import type { IncomingMessage } from 'node:http'
import type { BlockList } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { Logger } from 'pino'
import type { Asker } from '../certs/contexts.ts'
import type { TicketKeys } from '../certs/tickets.ts'
import type { ChallengeSet } from '../core/challenge-set.ts'
import type { Exchange, Outcome } from '../core/exchange.ts'
import type { limits } from '../core/limits.ts'
import type { ListenerName } from '../core/messages.ts'
import type { Place, Roster } from '../core/roster.ts'
import type { ChallengeAnswers } from './challenges.ts'
import type { ClientRules } from './client-certificate.ts'

/** The bounds of `limits.http`, where tests may have smaller ones. */
export type HttpLimits = {
  readonly [name in keyof typeof limits.http]: (typeof limits.http)[name] extends number
    ? number
    : { readonly burst: number; readonly perSecond: number }
}

/** What a transport asks for at every request, since a reload may change it. */
export interface TransportSettings extends ClientRules {
  /** The port that redirects lead to. */
  readonly httpsPort: number
  /** The value of Strict-Transport-Security on answers to those who came by https; undefined for none. */
  readonly hsts?: string | undefined
  /** Peers whose X-Forwarded-For and X-Forwarded-Proto are believed. */
  readonly trustedProxies: BlockList
  /** Whether a site has this authority; what none has is answered with 421. */
  readonly serves: (authority: string) => boolean
}

/** A request, or a whole connection, that was refused before an exchange existed. */
export interface Rejection {
  /** The id that the answer shows; undefined where there was no answer to show it. */
  readonly requestId: string | undefined
  readonly status: number
  /** For operators; names the rule, never repeats what the client sent. */
  readonly reason: string
  readonly clientAddress: string
}

/** An HTTP/1.1 request to become another protocol, with the bytes that came after it. */
export interface UpgradeConnection {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** What a transport is made with. */
export interface TransportOptions {
  /** The certificate for a name that a client asks for; undefined or a rejection refuses the handshake. */
  readonly secureContext: (name: string, asker: Asker) => Promise<SecureContext | undefined>
  /** The key of TLS session tickets, 48 bytes, the same in every front; until {@link Transport.setTicketKeys}. */
  readonly ticketKeys: Buffer
  /** Told of each exchange when it begins, before anybody answers it, the redirects of the transport itself included. */
  readonly begun: (exchange: Exchange) => void
  /** Takes every exchange and sees to it that it is answered. A throw is answered with 500. */
  readonly handle: (exchange: Exchange) => void
  /**
   * Takes every WebSocket handshake: answers it with `exchange.respond` (a refusal; the connection then ends) or takes
   * over the socket. It is not asked for other protocols: their Upgrade is left aside (RFC 9110 section 7.8).
   */
  readonly upgrade: (exchange: Exchange, connection: UpgradeConnection) => void
  /**
   * Called exactly once for each exchange, when it is over; also for the redirects that the transport answers itself.
   * An exchange whose client went away before an answer has status 499; one that became a tunnel has 101.
   */
  readonly finished: (exchange: Exchange, outcome: Outcome) => void
  /** Called for each request that is refused before an exchange exists. */
  readonly rejected: (rejection: Rejection) => void
  readonly settings: () => TransportSettings
  readonly log: Logger
  /** Bounds that differ from `limits.http`. */
  readonly limits?: Partial<HttpLimits>
}

/** Where a transport listens when it binds by itself: in tests, never in a front. */
export interface ListenAt {
  readonly port: number
  readonly host: string
}

/** Takes connections and makes exchanges of them. */
export interface Transport {
  /**
   * Accepts connections. `key` names the socket for {@link unlisten}. `handle` is a native listening handle, or
   * {@link ListenAt}. Resolves with the real port; rejects with what the system said, or `ERR_CLOSED` when draining.
   */
  listen(name: ListenerName, key: string, handle: unknown): Promise<{ port: number }>
  /** Accepts no more from a socket; its connections go on. An unknown key is no error. */
  unlisten(key: string): void
  /** New keys for TLS session tickets. Connections go on. */
  setTicketKeys(keys: TicketKeys): void
  /**
   * The challenges of CAs that are answered from now on, in place of those before: http-01 where the connection is not
   * TLS, for any authority and before any redirect, tls-alpn-01 where it is.
   */
  setChallenges(challenges: ChallengeSet): void
  /** Open connections, those in their TLS handshake and tunnels included. */
  readonly connections: number
  /**
   * Accepts nothing more, lets every request that has begun end, and resolves when no connection is left. What is
   * still open after `withinMs` is destroyed. A second call shortens the time, never lengthens it.
   */
  drain(withinMs: number): Promise<void>
}

/** What the adapters of one transport share. */
export interface TransportContext {
  readonly options: TransportOptions
  readonly limits: HttpLimits
  readonly watch: Watch
  readonly challenges: ChallengeAnswers
  /** Connections on which nothing is under way, those longest idle first. */
  readonly idle: Roster<Idle>
  /** Set once by a drain: from then on answers end their connection. */
  draining: boolean
}

/** A connection that waits for its next request. */
export interface Idle {
  /** Ends it, unless a request has begun to arrive; then it counts as idle no more. Answers whether it did. */
  endIfIdle(): boolean
}

/** Something that is looked at again and again while it lives. */
export interface Watched {
  /** `elapsedMs` have passed since the last look; a suspended machine counts as a short while. */
  tick(elapsedMs: number): void
}

/** One timer for all limits of time of a transport. */
export interface Watch {
  /** It is looked at until it leaves its place. */
  add(watched: Watched): Place
  close(): void
}
