/**
 * Caveats: what a holder has narrowed a handle to, one after another, and how each is written in the handle.
 *
 * | text | means |
 * |---|---|
 * | `p/sites/ada` | only under this path; `.` is written `~` and `@` is written `+` |
 * | `rrw` | of the rights only these: `r`, `w`, `g`, in this order, perhaps none |
 * | `u1790000000000` | until then, in milliseconds since the epoch |
 * | `h<64 hex digits>` | only this content may be written |
 * | `b1048576` | at most so many bytes in one write |
 *
 * The list is closed: a text that is none of these makes the whole handle worthless, so a caveat that a newer Grove
 * invents is never passed over by an older one. Each caveat has exactly one spelling.
 */

import { GroveError } from '../../core/errors.ts'
import { isBlobHash } from '../../core/names.ts'
import { toPrefix } from '../logs/store-path.ts'
import type { Caveats, Right } from '../store.ts'

/** All rights, in the order in which they are written and told. */
export const allRights: readonly Right[] = ['read', 'write', 'grant']

const rightsPattern = /^r?w?g?$/
const numberPattern = /^(?:0|[1-9][0-9]{0,15})$/

/** One narrowing as texts, a text for each thing that it takes away. Throws `ERR_BAD_REQUEST`. */
export function writeCaveats({ path, rights, untilMs, hash, bytes }: Caveats): string[] {
  const texts: string[] = []
  if (path !== undefined) texts.push(`p${toPrefix(path).replaceAll('.', '~').replaceAll('@', '+')}`)
  if (rights !== undefined) texts.push(`r${rightLetters(rights)}`)
  if (untilMs !== undefined) texts.push(`u${wholeNumber(untilMs, 'end of a handle')}`)
  if (hash !== undefined) texts.push(`h${requireHash(hash)}`)
  if (bytes !== undefined) texts.push(`b${wholeNumber(bytes, 'size of a write')}`)
  return texts
}

/** One caveat's text read, or undefined when it is not exactly one that {@link writeCaveats} writes. */
export function readCaveat(text: string): Caveats | undefined {
  const value = text.slice(1)
  switch (text[0]) {
    case 'p':
      return readPath(value)
    case 'r':
      return rightsPattern.test(value)
        ? { rights: allRights.filter((right) => value.includes(right[0] ?? '')) }
        : undefined
    case 'u':
      return isNumber(value) ? { untilMs: Number(value) } : undefined
    case 'h':
      return isBlobHash(value) ? { hash: value } : undefined
    case 'b':
      return isNumber(value) ? { bytes: Number(value) } : undefined
    default:
      return undefined
  }
}

function readPath(value: string): Caveats | undefined {
  try {
    return { path: toPrefix(value.replaceAll('~', '.').replaceAll('+', '@')) }
  } catch {
    return undefined // Not a path that anything lies under.
  }
}

function isNumber(text: string): boolean {
  return numberPattern.test(text) && Number.isSafeInteger(Number(text))
}

function rightLetters(rights: readonly Right[]): string {
  return allRights
    .filter((right) => rights.includes(right))
    .map((right) => right[0])
    .join('')
}

function wholeNumber(value: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new GroveError('ERR_BAD_REQUEST', `${what} is not a whole number from 0: ${value}`)
}

function requireHash(hash: string): string {
  if (isBlobHash(hash)) return hash
  throw new GroveError('ERR_BAD_REQUEST', 'a content is named by its SHA-256, 64 lower-case hex digits')
}
