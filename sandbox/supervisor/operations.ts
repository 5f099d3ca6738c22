/**
 * What the host does for a site's code: `fetch`, files of its version, its data. The supervisor takes these from a
 * tenant's link and gives them to whoever does them; it holds their number, their bytes and their end.
 */

import type { Readable } from 'node:stream'
import type { DataAnswer, FetchAnswer, Op } from '../../core/sandbox-messages.ts'
import type { LoadedCode } from './codes.ts'

/** One operation, as a tenant asked for it. Nothing in it is to be believed but the site, and that its form is right. */
export interface OperationRequest {
  /** The tenant process, and the request of a visitor that the tenant says it is for. */
  readonly process: string
  readonly op: Op
  /** Whose it is: a code that is loaded in that process. */
  readonly code: LoadedCode
  /** Comes as fast as it is read; destroyed with an error when the tenant breaks it off. */
  readonly body: Readable | undefined
  /** Aborts when the tenant wants it no more, or is gone. */
  readonly signal: AbortSignal
}

/** What came of an operation. `hasBody` is set by whether there is a body. */
export interface OperationAnswer {
  readonly head: Omit<FetchAnswer, 'hasBody'> | DistributiveOmit<DataAnswer, 'hasBody'>
  readonly body?: Readable | undefined
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** Does operations. */
export interface Operations {
  /**
   * Does one. Rejects with a {@link GroveError} whose message is for the site's author; anything else is told as a
   * failure of the host, without its message.
   */
  run(request: OperationRequest): Promise<OperationAnswer>
  /** A process has ended: what is kept for it can go. */
  ended?(process: string): void
}
