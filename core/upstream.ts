/**
 * What answers dynamic requests. A remote server and a tenant's sandbox look the same to a front.
 */

import type { Readable } from 'node:stream'
import type { HeaderList } from './headers.ts'
import type { Authority } from './names.ts'

/** A request to an upstream: hop-by-hop headers gone, forwarding and identity headers set. */
export interface UpstreamRequest {
  readonly id: string
  readonly method: string
  /** How the visitor asked, for code that sees a URL. @default 'https' */
  readonly scheme?: 'https' | 'http'
  readonly authority: Authority
  /** Origin-form, as the visitor sent it. */
  readonly target: string
  readonly headers: HeaderList
  readonly body: Readable | undefined
  readonly signal: AbortSignal
  /** How long the upstream may take until its headers are there. */
  readonly timeoutMs: number
  /** Whose request it is, as far as an address tells: one visitor gets no more than a share of what an upstream bears. */
  readonly visitor?: string
}

/** An upstream's answer: hop-by-hop headers are gone. */
export interface UpstreamAnswer {
  readonly status: number
  readonly headers: HeaderList
  /** None, the whole of it, or what goes on coming, and errors when the upstream dies midway. */
  readonly body: Readable | Uint8Array | undefined
}

/** An answer whose body, if it has one, goes on coming. */
export interface StreamedAnswer extends UpstreamAnswer {
  readonly body: Readable | undefined
}

/** Answers dynamic requests of one site. */
export interface Upstream {
  /** For logs: `http://127.0.0.1:3000`, `sandbox:blog`. */
  readonly name: string
  /**
   * Sends a request and resolves when the answer's headers are there. Rejects with `ERR_UPSTREAM_DOWN` (refused,
   * reset, broken answer) or `ERR_UPSTREAM_SLOW` (no headers within `timeoutMs`).
   */
  send(request: UpstreamRequest): Promise<UpstreamAnswer>
  /** Lets what is under way finish, then frees sockets. */
  close(): Promise<void>
}
