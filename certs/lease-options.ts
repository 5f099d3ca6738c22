/** What leases are made of. */

import type { Logger } from 'pino'
import type { Environment } from '../store/environment.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { Records } from './vault-records.ts'

/** What all parts of leases share. */
export interface LeasesOptions {
  readonly env: Environment
  readonly records: Records
  readonly heartbeat: Heartbeat
  readonly log: Logger
}
