/** What the rules of the engine work with while a request is done. */

import type { ChangeSource } from '../grants/grant-changes.ts'
import type { InfoSource } from '../grants/grant-info.ts'
import type { HandleKeys } from '../grants/handle.ts'
import type { Records } from './records.ts'

/**
 * One step of the engine: the records, and the world as it came with the batch. Rules check everything before they
 * write, so that one that throws a refusal has changed nothing.
 */
export interface Step extends ChangeSource, InfoSource {
  readonly records: Records
  readonly keys: HandleKeys
  /** Says that a log grew. */
  grew(path: string, head: number): void
  /** Says that a log was trimmed up to a moment. */
  trimmed(path: string, seq: number): void
  /** Says that somebody lost a right. */
  rightsChanged(): void
  /** Says that there are other keys. */
  keysChanged(): void
}
