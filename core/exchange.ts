/**
 * One request and the one answer to it, free of any version of HTTP.
 *
 * Adapters in proxy/ make exchanges from node:http and node:http2; everything behind them (static files, upstreams,
 * plugins) sees only this. A faster transport can be put in without touching a rule.
 */

import type { Readable } from 'node:stream'
import type { HeaderList } from './headers.ts'
import type { Authority } from './names.ts'

/** A part of an open file. Whoever takes it as a body reads `length` bytes from `offset` and closes `fd`. */
export interface FileSlice {
  readonly fd: number
  readonly offset: number
  readonly length: number
}

/** What an answer's body may be: nothing, bytes, a part of a file, or a stream that is piped with back-pressure. */
export type Body = undefined | Uint8Array | FileSlice | Readable

/** What a front notes about a request for its access line, while it decides. */
export interface ExchangeNote {
  readonly startedMs: number
  site: string | undefined
  version: number | undefined
  /** Who answered. */
  how: 'static' | 'upstream' | 'plugin' | 'error'
  userId: string | undefined
  /** Why it went wrong, for the operator; never sent to the visitor. */
  error: string | undefined
}

/** Who a client is, by the certificate that it showed (mutual TLS). */
export interface ClientIdentity {
  /** As in RFC 4514, such as `CN=ada,O=Example`; what is not visible ASCII is percent-encoded. */
  readonly subject: string
  /** DER in base64. */
  readonly certificate: string
}

/** One request and the way to answer it once. Made by an adapter after its strict checks have passed. */
export interface Exchange {
  /** Unique id of the request, 8 to 40 characters of `0-9a-z-`; in the access log and in every error page. */
  readonly id: string
  /** As sent, case-sensitive, at most 32 bytes. */
  readonly method: string
  readonly scheme: 'https' | 'http'
  /** From the target, `:authority` or Host; lower case, no port. */
  readonly authority: Authority
  /** Origin-form target exactly as sent: path and query. Starts with `/`. */
  readonly target: string
  /** Decoded once, NFC, starts with `/`; has no `..`, no NUL, and had no encoded `/` or `\`. */
  readonly path: string
  /** With its `?`, or empty. As sent. */
  readonly query: string
  /** Lower-case names, without pseudo-headers; hop-by-hop ones are still in. */
  readonly headers: HeaderList
  /** Undefined when the request has no body. Errors when the client goes away or a limit is passed. */
  readonly body: Readable | undefined
  /** The visitor's address: the peer's, or what trusted proxies in front say. */
  readonly clientAddress: string
  /** Set where the site asked for a certificate and the client showed one, which was verified. */
  readonly client?: ClientIdentity | undefined
  readonly httpVersion: '1.0' | '1.1' | '2.0'
  /** Aborts when the client goes away before the answer has been sent. Made at first use. */
  readonly signal: AbortSignal
  /** Belongs to the front that handles the exchange; adapters set it to undefined and leave it alone. */
  note: ExchangeNote | undefined
  /** Whether {@link respond} was called. */
  readonly responded: boolean
  /**
   * Sends the answer; may be called once. `status` is 200 to 599. For HEAD, and for 204 and 304, the adapter sends no
   * body but takes it over and disposes of it. A body that fails midway aborts the connection or stream: a cut answer
   * never looks whole.
   */
  respond(status: number, headers: HeaderList, body?: Body): void
}

/** How an exchange ended, for the access log and counters. */
export interface Outcome {
  readonly status: number
  /** Bytes of body handed to the transport. */
  readonly bodyBytes: number
  /** Bytes of the request's body that were read. */
  readonly receivedBytes: number
  /** False when the client or the body's source went away midway. */
  readonly complete: boolean
}
