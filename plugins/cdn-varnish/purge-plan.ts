/** What a publish makes stale, exactly: URLs and tags. Pure: it asks nobody. */

import type { Authority } from '../../core/names.ts'
import type { PublishEvent } from '../../core/plugin.ts'
import { isNotFoundPage, notFoundTag, pathTag, siteTag } from './cache-tags.ts'

/** One URL, as a cache knows it. */
export interface PurgeUrl {
  readonly authority: Authority
  /** Percent-encoded, starts with `/`, no query. */
  readonly target: string
}

/** What is to be purged. */
export interface PurgePlan {
  readonly urls: readonly PurgeUrl[]
  readonly tags: readonly string[]
}

/**
 * The plan for an event. A changed path changes what its own URLs answer; a path that came or went also changes what
 * was not found before, or is not found now, and so does a changed `404.html`.
 */
export function planPurge(event: PublishEvent): PurgePlan {
  const { site, added, changed, removed } = event
  const paths = [...new Set([...changed, ...added, ...removed])]
  const targets = paths.flatMap(spellings)
  const urls = site.authorities.flatMap((authority) => targets.map((target) => ({ authority, target })))
  const tags = paths.map((path) => pathTag(site.name, path))
  // An event of several versions may hide that a path went and came back between them.
  const mayHaveMoved = added.length > 0 || removed.length > 0 || event.versions.length > 1
  if (mayHaveMoved || paths.some(isNotFoundPage)) tags.push(notFoundTag(site.name))
  if (event.version === undefined || !event.complete) tags.push(siteTag(site.name))
  return { urls, tags }
}

/**
 * Every target that leads to a file, with and without the slash and with the file's name: `a/index.html` is asked for
 * as `/a/`, as `/a` (which redirects) and as `/a/index.html`.
 */
export function spellings(path: string): string[] {
  const target = `/${path.split('/').map(encodeSegment).join('/')}`
  if (path !== 'index.html' && !path.endsWith('/index.html')) return [target]
  const folder = target.slice(0, -'index.html'.length)
  return folder === '/' ? ['/', target] : [folder, folder.slice(0, -1), target]
}

/** Joins tags with spaces into texts of at most `maxBytes` bytes each. Tags are ASCII and shorter than that. */
export function packTags(tags: readonly string[], maxBytes: number): string[] {
  const texts: string[] = []
  for (const tag of tags) {
    const last = texts.at(-1)
    if (last !== undefined && last.length + 1 + tag.length <= maxBytes) texts[texts.length - 1] = `${last} ${tag}`
    else texts.push(tag)
  }
  return texts
}

/**
 * A segment as browsers send it: what RFC 3986 section 3.3 allows in a segment stays. Other spellings of the same
 * path are found by its tag.
 */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent)
}
