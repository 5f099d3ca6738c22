/** A site's versions in a bucket: nothing is changed by a store that is not in charge any more. */

import type { Epoch } from '../store/versions/epoch.ts'
import type { SiteVersions } from '../store/versions/versions.ts'
import { overVersions } from './over-versions.ts'

/**
 * The same versions; whoever changes what the site serves has to be in charge of the bucket at that moment. Without this
 * a machine that was replaced would go on telling authors that versions are live which nobody will find again. Between
 * the look and the commit another one can still take over: such a version is on this machine's disk, and its root is
 * written under the older epoch, which nobody reads. Each call throws `ERR_FENCED`, or `ERR_OBJECTS` when nobody knows.
 */
export function fencedVersions(versions: SiteVersions, epoch: Epoch): SiteVersions {
  const inCharge = async <T>(change: () => Promise<T>): Promise<T> => {
    await epoch.check()
    return await change()
  }
  return overVersions(versions, {
    publish: (input) => inCharge(() => versions.publish(input)),
    activate: (version, act) => inCharge(() => versions.activate(version, act)),
    delete: (act) => inCharge(() => versions.delete(act)),
    pin: (pin, act) => inCharge(() => versions.pin(pin, act)),
    unpin: (name, act) => inCharge(() => versions.unpin(name, act)),
    prune: (keep, act) => inCharge(() => versions.prune(keep, act)),
    compact: () => inCharge(() => versions.compact()),
  })
}
