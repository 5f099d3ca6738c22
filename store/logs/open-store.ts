/** What the parts of one open store share. */

import type { Environment } from '../environment.ts'
import type { Caller } from './caller.ts'
import type { Feeds } from './feeds.ts'
import type { Watchers } from './watchers.ts'

/** An open store, seen from inside. */
export interface OpenStore {
  readonly id: string
  readonly env: Environment
  readonly caller: Caller
  readonly feeds: Feeds
  readonly watchers: Watchers
  /** Throws `ERR_CLOSED` once the store is closed. */
  requireOpen(): void
}
