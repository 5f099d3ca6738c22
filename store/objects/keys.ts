/**
 * Keys of objects: which texts are keys, and the keys that Grove uses.
 *
 * A key becomes a path in a folder and a part of a URL, so it is held to a narrow form: segments of `a-z0-9._-` that
 * begin with a letter or a digit, between slashes. No segment can be `.` or `..`, hide, or differ from another by case.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash, isSiteName, type SiteName } from '../../core/names.ts'

const keyPattern = /^[a-z0-9][a-z0-9._-]{0,127}(?:\/[a-z0-9][a-z0-9._-]{0,127}){0,7}$/
const epochDigits = 8

/** Whether a text is a key: at most `limits.objects.keyBytes` long, at most 8 segments. */
export function isObjectKey(text: string): boolean {
  return text.length <= limits.objects.keyBytes && keyPattern.test(text)
}

/** Whether keys can begin with a text: nothing, a key, or a key and a slash. */
export function isKeyPrefix(text: string): boolean {
  return text === '' || isObjectKey(text.endsWith('/') ? text.slice(0, -1) : text)
}

/** The text, which has to be a key. Throws `ERR_BAD_REQUEST`. */
export function checkKey(text: string): string {
  if (isObjectKey(text)) return text
  throw new GroveError('ERR_BAD_REQUEST', `${quoted(text)} is not a key of an object`)
}

/** The text, which has to be the beginning of a key. Throws `ERR_BAD_REQUEST`. */
export function checkPrefix(text: string): string {
  if (isKeyPrefix(text)) return text
  throw new GroveError('ERR_BAD_REQUEST', `${quoted(text)} is not the beginning of keys of objects`)
}

/** The keys of Grove's objects, and the beginnings that find them. Each throws `ERR_BAD_REQUEST` for names that are none. */
export const objectKeys = {
  /** A segment of a site, named by its SHA-256. */
  segment: (owner: string, site: SiteName, id: BlobHash): string => `${objectKeys.segments(owner, site)}${hash(id)}`,
  /** All segments of a site. */
  segments: (owner: string, site: SiteName): string => `${name(owner)}/seg/${name(site)}/`,
  /** A large content of a site that is an object by itself, named by the SHA-256 of the object. */
  large: (owner: string, site: SiteName, id: BlobHash): string => `${objectKeys.larges(owner, site)}${hash(id)}`,
  /** All large contents of a site. */
  larges: (owner: string, site: SiteName): string => `${name(owner)}/big/${name(site)}/`,
  /** The mark of a store that is in charge of an owner's objects: the newest number is. */
  epoch: (owner: string, epoch: number): string => `${objectKeys.epochs(owner)}${number(epoch)}`,
  /** All epochs of an owner, in their order. */
  epochs: (owner: string): string => `${name(owner)}/meta/epoch/`,
  /** The checkpoint of a site that was written under an epoch. */
  root: (owner: string, site: SiteName, epoch: number): string => `${objectKeys.roots(owner, site)}${number(epoch)}`,
  /** All checkpoints of a site, in the order of their epochs. */
  roots: (owner: string, site: SiteName): string => `${objectKeys.ownerRoots(owner)}${name(site)}/`,
  /** All that is said of an owner: epochs and checkpoints. */
  owner: (owner: string): string => `${name(owner)}/meta/`,
  /** All checkpoints of an owner's sites. */
  ownerRoots: (owner: string): string => `${name(owner)}/meta/root/`,
}

/** The epoch that a key of {@link objectKeys.epoch} or {@link objectKeys.root} ends with; undefined for other keys. */
export function epochOf(key: string): number | undefined {
  const [, digits] = /\/meta\/(?:epoch|root\/[^/]+)\/(\d{8})$/.exec(key) ?? []
  return digits === undefined ? undefined : Number(digits)
}

function name(text: string): string {
  if (isSiteName(text)) return text
  throw new GroveError('ERR_BAD_REQUEST', `${quoted(text)} is not a name of an owner or a site`)
}

function hash(text: string): string {
  if (isBlobHash(text)) return text
  throw new GroveError('ERR_BAD_REQUEST', `${quoted(text)} is not a SHA-256 in hex`)
}

function number(epoch: number): string {
  if (Number.isInteger(epoch) && epoch >= 0 && epoch < 10 ** epochDigits)
    return String(epoch).padStart(epochDigits, '0')
  throw new GroveError('ERR_BAD_REQUEST', `${epoch} is not the number of an epoch`)
}

function quoted(text: string): string {
  return JSON.stringify(String(text).slice(0, 80))
}
