/** All checkers of sites. */

import type { Checker } from '../checkers/checker.ts'
import { coldEqualsWarm, coldStartsWhole, verifiesClean } from '../checkers/cold-starts.ts'
import { changesTold, prunesKeep, uploadsStay, versionsStay } from '../checkers/keeping.ts'
import { knownErrors } from '../checkers/stores.ts'
import { disjointRebases, publishedOnce, rightDifferences, wholeVersions } from '../checkers/versions.ts'
import type { SiteFacts } from './facts.ts'

/** All checkers of sites, in the order of docs/store-testing.md. */
export const siteCheckers: readonly Checker<SiteFacts>[] = [
  publishedOnce,
  wholeVersions,
  rightDifferences,
  disjointRebases,
  versionsStay,
  prunesKeep,
  changesTold,
  uploadsStay,
  coldStartsWhole,
  coldEqualsWarm,
  verifiesClean,
  knownErrors,
]
