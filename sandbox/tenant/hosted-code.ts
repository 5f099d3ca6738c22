/** A loaded code, as the host of its isolates sees it. */

import type { HeldMap } from '../../core/held-map.ts'
import type { Breach, EngineIsolate } from '../engine.ts'
import type { Exchange } from './exchange.ts'
import type { Operations } from './operations.ts'
import type { SiteLog } from './site-log.ts'

/** An isolate, and the requests that it has. */
export interface Seat {
  isolate: EngineIsolate | undefined
  /** Keyed by number. */
  readonly exchanges: HeldMap<number, Exchange>
}

/** What an isolate's calls come to. */
export interface HostedCode {
  readonly log: SiteLog
  readonly operations: Operations
  /** Its answer is whole, or has failed: it makes room for others, though the guest may go on with it. */
  answered(exchange: Exchange): void
  /** Nothing goes out for it any more. What the guest is done with is over. */
  closed(exchange: Exchange): void
  /** Nothing of it is left. */
  finish(exchange: Exchange): void
  /** A request has reached a limit: it fails, and the guest forgets it. */
  stop(exchange: Exchange, breach: Breach): void
  /** The isolate of a seat is to get no new requests. */
  retire(seat: Seat): void
  /** The isolate of a seat is gone, or goes now: what it had fails. */
  lose(seat: Seat, breach: Breach): void
}
