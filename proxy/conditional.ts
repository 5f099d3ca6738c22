/**
 * Conditional requests (RFC 9110 section 13) for reads of content that has a strong entity tag and no date.
 *
 * A published file has no time of modification that means anything (a version is made as a whole, and made again by a
 * roll-back), so no Last-Modified is sent. Then If-Modified-Since must be ignored (section 13.1.3), If-Unmodified-Since
 * too (section 13.1.4), and a date in If-Range is never true (section 13.1.5).
 *
 * All functions take values as they came from the visitor, never throw, and allocate nothing.
 */

/** What the preconditions of a GET or HEAD lead to: go on, 304, or 412. */
export type Precondition = 'proceed' | 'not-modified' | 'failed'

const quote = 0x22
const comma = 0x2c

/**
 * Evaluates If-Match, then If-None-Match (the order of section 13.2.2), against the strong `etag` of the selected
 * representation, quotes included. A header that was not sent is undefined.
 */
export function evaluatePreconditions(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
  etag: string,
): Precondition {
  // Section 13.1.1: strong comparison; `*` holds since there is a representation.
  if (ifMatch !== undefined && !isAny(ifMatch) && !listHas(ifMatch, etag, false)) return 'failed'
  // Section 13.1.2: weak comparison; a cache in between may have made a tag weak.
  if (ifNoneMatch !== undefined && (isAny(ifNoneMatch) || listHas(ifNoneMatch, etag, true))) return 'not-modified'
  return 'proceed'
}

/**
 * Whether If-Range lets a Range through (section 13.1.5): not sent, or exactly our strong tag. A weak tag, a list or a
 * date is not, and the whole content is sent: parts of two contents must never be put together.
 */
export function ifRangeHolds(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange === etag
}

function isAny(value: string): boolean {
  return value === '*' || value.trim() === '*'
}

/**
 * Whether a list of entity tags (section 8.8.3) has `etag`. `weakly`: a weak tag counts as well. Reads up to the first
 * thing that is not a tag; what comes after it is not believed. Commas may stand within a tag.
 */
function listHas(list: string, etag: string, weakly: boolean): boolean {
  let at = 0
  while (true) {
    while (isSpace(list.charCodeAt(at)) || list.charCodeAt(at) === comma) at += 1
    const isWeak = list.startsWith('W/', at)
    const start = isWeak ? at + 2 : at
    if (list.charCodeAt(start) !== quote) return false
    const end = list.indexOf('"', start + 1) + 1
    if (end === 0) return false
    if ((weakly || !isWeak) && end - start === etag.length && list.startsWith(etag, start)) return true
    at = end
    while (isSpace(list.charCodeAt(at))) at += 1
    if (list.charCodeAt(at) !== comma) return false
  }
}

/** SP or HTAB (RFC 9110 section 5.6.3). */
function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09
}
