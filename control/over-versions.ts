/** A site's versions with some calls done otherwise. */

import type { SiteVersions } from '../store/versions/versions.ts'

/**
 * The same versions, but for the calls that are given. All else reaches the versions themselves, with them as `this`: an
 * object that inherits from them would not do, as what is private to a class is not inherited.
 */
export function overVersions(versions: SiteVersions, calls: Partial<SiteVersions>): SiteVersions {
  return new Proxy(versions, {
    get(target, key) {
      if (Object.hasOwn(calls, key)) return Reflect.get(calls, key)
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
