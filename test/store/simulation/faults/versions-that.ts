/** Sites that do some things otherwise. */

import type { SiteVersionsOptions } from '../../../../store/versions/open-versions.ts'
import type { SiteVersions } from '../../../../store/versions/versions.ts'
import type { SitePieces } from '../fault.ts'
import { instead } from './instead.ts'

/** Pieces whose sites do some things otherwise. */
export function versionsThat(
  change: (versions: SiteVersions, around: Omit<SiteVersionsOptions, 'name'>) => Partial<SiteVersions>,
): SitePieces {
  return {
    versions: (versions, around) => instead(versions, change(versions, around)),
  }
}
