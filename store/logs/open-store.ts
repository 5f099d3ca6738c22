/** What the parts of one open store share. */

import type { GrantSource } from '../grants/grants.ts'
import type { Records } from './records.ts'
import type { Watchers } from './watchers.ts'

/** An open store, seen from inside. */
export interface OpenStore extends GrantSource {
  readonly records: Records
  readonly watchers: Watchers
  /** Throws `ERR_CLOSED` once the store is closed. */
  requireOpen(): void
}
