/** All planted faults, in the order of docs/store-testing.md. */

import type { LogPieces, PlantedFault } from '../fault.ts'
import { durabilityFaults } from './durability.ts'
import { orderFaults } from './order.ts'
import { rightsFaults } from './rights.ts'
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
