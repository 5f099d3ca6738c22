/** A site's versions whose changes somebody hears of before they happen. */

import type { SiteVersions } from '../store/versions/versions.ts'
import { overVersions } from './over-versions.ts'

/** Runs a change of what a site serves. */
export type RunChange = <T>(change: () => Promise<T>) => Promise<T>

/** The same versions; whatever may change what is live goes through `run`. Pins and prunes do not. */
export function trackChanges(versions: SiteVersions, run: RunChange): SiteVersions {
  return overVersions(versions, {
    publish: (input) => run(() => versions.publish(input)),
    activate: (version, act) => run(() => versions.activate(version, act)),
    delete: (act) => run(() => versions.delete(act)),
  })
}
