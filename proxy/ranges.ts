/**
 * Range requests (RFC 9110 section 14): from the value of Range to the parts to send.
 *
 * A Range may always be ignored (section 14.2), and it is wherever answering it could cost more than the whole content:
 * too many parts, parts that overlap, more bytes than the whole. Only a well-formed request for nothing that exists
 * gets 416.
 */

import { limits } from '../core/limits.ts'

/** One part of a content: positions of its first and last byte, both inclusive. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * What a Range header asks of a content: `ignore` (send all of it), `unsatisfiable` (416), or the parts, at least one,
 * in the order asked for.
 */
export type RangeRequest = 'ignore' | 'unsatisfiable' | readonly ByteRange[]

const unitPattern = /^bytes=/i
const rangePattern = /^(\d*)-(\d*)$/

/**
 * Reads the value of Range for a content of `bytes` bytes. Anything that is not well-formed is ignored, as are units
 * other than bytes. Never throws.
 */
export function parseRange(value: string, bytes: number): RangeRequest {
  const unit = unitPattern.exec(value)
  // Of an empty content no part exists; sending all of it, which is nothing, serves a client that resumes.
  if (unit === null || bytes === 0) return 'ignore'
  const ranges: ByteRange[] = []
  let asked = 0
  for (const element of value.slice(unit[0].length).split(',')) {
    const text = element.trim()
    if (text === '') continue // Empty list elements are allowed (section 5.6.1.2).
    asked += 1
    const range = asked > limits.http.ranges ? 'invalid' : toRange(text, bytes)
    if (range === 'invalid') return 'ignore'
    if (range !== 'unsatisfiable') ranges.push(range)
  }
  if (asked === 0) return 'ignore'
  if (ranges.length === 0) return 'unsatisfiable'
  return isAbusive(ranges, bytes) ? 'ignore' : ranges
}

/** The value of Content-Range for one part (section 14.4). */
export function contentRange(range: ByteRange, bytes: number): string {
  return `bytes ${range.first}-${range.last}/${bytes}`
}

/** The value of Content-Range in a 416 (section 14.4). */
export function unsatisfiedRange(bytes: number): string {
  return `bytes */${bytes}`
}

/** How many bytes a part has. */
export function rangeBytes(range: ByteRange): number {
  return range.last - range.first + 1
}

function toRange(text: string, bytes: number): ByteRange | 'invalid' | 'unsatisfiable' {
  const match = rangePattern.exec(text)
  if (match === null) return 'invalid'
  const [, from = '', to = ''] = match
  if (from === '') {
    if (to === '') return 'invalid'
    // The last `to` bytes; all of them if there are fewer (section 14.1.2).
    const suffix = Math.min(Number(to), bytes)
    return suffix === 0 ? 'unsatisfiable' : { first: bytes - suffix, last: bytes - 1 }
  }
  // Digits beyond the exact integers lose precision, up to Infinity: all of them lie beyond the end in any case.
  const first = Number(from)
  const last = to === '' ? Number.POSITIVE_INFINITY : Number(to)
  if (last < first) return 'invalid'
  return first >= bytes ? 'unsatisfiable' : { first, last: Math.min(last, bytes - 1) }
}

/**
 * Whether parts together are more than the whole, or more than two of them overlap (section 14.2 names it as what
 * attacks look like). At most `limits.http.ranges` squared comparisons.
 */
function isAbusive(ranges: readonly ByteRange[], bytes: number): boolean {
  let total = 0
  let overlaps = 0
  for (const [index, range] of ranges.entries()) {
    total += rangeBytes(range)
    for (const other of ranges.slice(0, index))
      if (range.first <= other.last && other.first <= range.last) overlaps += 1
  }
  return total > bytes || overlaps > 1
}
