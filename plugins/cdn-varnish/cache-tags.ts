/** Tags on answers, by which a cache finds again what belongs together. They are names, not secrets. */

import { createHash } from 'node:crypto'
import type { SiteName } from '../../core/names.ts'

/** The tag of everything static of a site. */
export function siteTag(site: SiteName): string {
  return `s-${site}`
}

/**
 * The tag of one path of a site, whatever spelling or query it was asked for with. A hash, because a path may be long
 * and have any character: 64 bits, so that two of a million paths share a tag about once in 40 million caches, and
 * then the worst is one page fetched anew.
 */
export function pathTag(site: SiteName, path: string): string {
  return `p-${createHash('sha256').update(`${site}\n${path}`).digest('hex').slice(0, 16)}`
}

/** The tag of every answer of a site that says that nothing is there. */
export function notFoundTag(site: SiteName): string {
  return `nf-${site}`
}

/** Whether a file is a page for paths where nothing is: `404.html` in any folder. */
export function isNotFoundPage(path: string): boolean {
  return path === '404.html' || path.endsWith('/404.html')
}
