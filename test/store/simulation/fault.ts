/** A planted fault: a piece of the store replaced by one that breaks a promise. The checkers have to notice. */

import type { Layout } from '../../../core/layout.ts'
import type { Blobs } from '../../../store/contents/blobs.ts'
import type { Environment, Files } from '../../../store/environment.ts'
import type { Engine } from '../../../store/logs/engine.ts'
import type { Records } from '../../../store/logs/records.ts'
import type { Objects } from '../../../store/objects/objects.ts'
import type { Store } from '../../../store/store.ts'
import type { SiteVersionsOptions } from '../../../store/versions/open-versions.ts'
import type { SiteVersions } from '../../../store/versions/versions.ts'
import type { Disk } from './disk.ts'
import type { CommitSteps } from './journal-file.ts'

/** What a fault may replace. Each is called once for each opening of a store; not given means the real thing. */
export interface LogPieces {
  steps?(disk: Disk): Partial<CommitSteps>
  records?(records: Records): Records
  engine?(engine: Engine): Engine
  store?(store: Store): Store
}

/** What a fault of sites may replace, beside what one of logs may. */
export interface SitePieces extends LogPieces {
  files?(files: Files, layout: Layout): Files
  objects?(objects: Objects, env: Environment): Objects
  blobs?(blobs: Blobs, env: Environment): Blobs
  /** `around`: what the site is opened with. */
  versions?(versions: SiteVersions, around: Omit<SiteVersionsOptions, 'name'>): SiteVersions
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
