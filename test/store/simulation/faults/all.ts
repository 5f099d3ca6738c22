/** All planted faults, in the order of docs/store-testing.md. */

import type { LogPieces, PlantedFault, SitePieces } from '../fault.ts'
import { durabilityFaults } from './durability.ts'
import { orderFaults } from './order.ts'
import { rightsFaults } from './rights.ts'
import { siteDurabilityFaults } from './site-durability.ts'
import { objectsFaults } from './site-objects.ts'
import { versionsFaults } from './site-publishing.ts'
import { trimFaults } from './trimming.ts'
import { watchFaults } from './watching.ts'

/** Faults of logs and grants. */
export const logFaults: readonly PlantedFault<LogPieces>[] = [
  ...durabilityFaults,
  ...orderFaults,
  ...watchFaults,
  ...trimFaults,
  ...rightsFaults,
]

/** Faults of versions, contents and objects. */
export const siteFaults: readonly PlantedFault<SitePieces>[] = [
  ...siteDurabilityFaults,
  ...versionsFaults,
  ...objectsFaults,
]
