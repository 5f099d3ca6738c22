/** What a store is verified with. */

import type { Layout } from '../../core/layout.ts'
import type { Environment } from '../environment.ts'
import type { Objects } from '../objects/objects.ts'
import type { Keyring } from '../segments/keyring.ts'
import type { Handle, Store } from '../store.ts'
import type { VerifyProgress } from './report.ts'

/** What is verified, and how. */
export interface VerifyOptions {
  readonly store: Store
  /** Has to be the root's: all logs are read. */
  readonly handle: Handle
  readonly env: Environment
  readonly objects: Objects
  readonly keyring: Keyring | undefined
  readonly owner: string
  /** Of the data folder whose cache is read; undefined leaves the cache out. */
  readonly layout?: Layout | undefined
  /**
   * What is wrong with the store's file itself, one line each: `checkSqliteFile`, asked before the store was opened. A
   * running store cannot answer it.
   */
  readonly databaseFaults?: readonly string[]
  readonly onProgress?: (progress: VerifyProgress) => void
  readonly signal?: AbortSignal
}
