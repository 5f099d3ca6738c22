/**
 * Paths of files in a published tree: relative, `/` between segments, no `.` or `..`, NFC.
 *
 * This is the one gate for names that come from outside (a publisher's list). What passes can be a URL path and a key
 * of a map. It is never joined to a folder: files are found by hash.
 */

import { limits } from './limits.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
const controlPattern = /[\x00-\x1f\x7f-\x9f]/

/**
 * Why a path cannot be in a tree, or undefined if it can. Says nothing of other paths; see {@link clashKey} for those.
 */
export function refusedPathReason(path: string): string | undefined {
  if (path === '') return 'is empty'
  if (path.startsWith('/')) return 'starts with /'
  if (Buffer.byteLength(path) > limits.tree.pathBytes) return `is longer than ${limits.tree.pathBytes} bytes`
  if (!path.isWellFormed()) return 'is not valid Unicode'
  if (controlPattern.test(path)) return 'has a control character'
  if (path.includes('\\')) return 'has a backslash'
  if (path !== path.normalize('NFC')) return 'is not in Unicode form NFC'
  for (const segment of path.split('/')) {
    if (segment === '') return 'has an empty segment'
    if (segment === '.' || segment === '..') return `has the segment ${segment}`
    if (Buffer.byteLength(segment) > limits.tree.segmentBytes)
      return `has a segment of more than ${limits.tree.segmentBytes} bytes`
  }
  return undefined
}

/** The form in which two paths of one tree may not be equal: they would be one file on many disks. */
export function clashKey(path: string): string {
  return path.normalize('NFC').toLowerCase()
}
