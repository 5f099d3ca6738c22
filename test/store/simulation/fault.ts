/** A planted fault: a piece of the store replaced by one that breaks a promise. The checkers have to notice. */

import type { Engine } from '../../../store/logs/engine.ts'
import type { Records } from '../../../store/logs/records.ts'
import type { Store } from '../../../store/store.ts'
import type { Disk } from './disk.ts'
import type { CommitSteps } from './journal-file.ts'

/** What a fault may replace. Each is called once for each opening of a store; not given means the real thing. */
export interface LogPieces {
  steps?(disk: Disk): Partial<CommitSteps>
  records?(records: Records): Records
  engine?(engine: Engine): Engine
  store?(store: Store): Store
}

/** One planted fault. `Pieces`: what of a simulation it may replace. */
export interface PlantedFault<Pieces> {
  /** Short, for tables: what is broken. */
  readonly name: string
  /** What happens then, a sentence. */
  readonly breaks: string
  /** The checkers that notice it; at least one of them does within {@link seeds} seeds. */
  readonly caughtBy: readonly string[]
  /** How many seeds it takes at most. */
  readonly seeds: number
  /** The pieces of one simulation; what they remember outlives a crash. */
  plant(): Pieces
}
