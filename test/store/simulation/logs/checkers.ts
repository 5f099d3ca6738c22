/** All checkers of logs and grants. */

import { acknowledgedOnce } from '../checkers/acknowledged.ts'
import { afterIsBefore, operationsOnce, truePredecessor, wholeTransactions } from '../checkers/appends.ts'
import type { Checker } from '../checkers/checker.ts'
import { deniedWithCause } from '../checkers/denials.ts'
import { childrenExceedNothing, expiredWritesNothing, quotasHold, revokedWritesNothing } from '../checkers/grants.ts'
import { stablePrefix, uniqueTimestamps } from '../checkers/order.ts'
import { wholeReads } from '../checkers/reads.ts'
import { boundedMemory, fencedAcknowledgesNothing, knownErrors, sameStore } from '../checkers/stores.ts'
import { changesAreTold } from '../checkers/told.ts'
import { exactCovers, trimmedIsCovered } from '../checkers/trims.ts'
import { completeWatches, honestResets, orderedWatches } from '../checkers/watches.ts'
import type { LogFacts } from './facts.ts'

/** All checkers of logs and grants, in the order of docs/store-testing.md. */
export const logCheckers: readonly Checker<LogFacts>[] = [
  uniqueTimestamps,
  stablePrefix,
  acknowledgedOnce,
  truePredecessor,
  operationsOnce,
  afterIsBefore,
  wholeTransactions,
  wholeReads,
  orderedWatches,
  completeWatches,
  honestResets,
  boundedMemory,
  trimmedIsCovered,
  exactCovers,
  revokedWritesNothing,
  childrenExceedNothing,
  expiredWritesNothing,
  quotasHold,
  deniedWithCause,
  changesAreTold,
  fencedAcknowledgesNothing,
  sameStore,
  knownErrors,
]
