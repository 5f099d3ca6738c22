/**
 * Names and small types that every folder speaks: sites, authorities, hashes, versions.
 */

import { z } from 'zod'
import { GroveError } from './errors.ts'

/** A site's name: one DNS label, lower case, 1 to 63 characters, `a-z0-9-`, no dash at an end (RFC 1123 section 2.1). */
export type SiteName = string

/** What a request asks for: a host name or an address, lower case, without a port, no trailing dot. */
export type Authority = string

/** SHA-256 of a content, 64 lower-case hex digits. */
export type BlobHash = string

/** The schema of a {@link BlobHash}. */
export const blobHashSchema = z.string().refine(isBlobHash, 'expected 64 lower-case hex digits')

/** A version's number within its site: 1, 2, 3 … */
export type VersionNumber = number

const sitePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const hashPattern = /^[0-9a-f]{64}$/
const authorityPattern =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$|^\[[0-9a-f:.]+\]$/

/** Whether a text is a {@link SiteName}. */
export function isSiteName(text: string): text is SiteName {
  return sitePattern.test(text)
}

/** The text as a site name. Throws `ERR_SITE_NAME`. */
export function toSiteName(text: string): SiteName {
  if (isSiteName(text)) return text
  throw new GroveError('ERR_SITE_NAME', `"${text}" is not a site name: expected 1 to 63 of a-z, 0-9 and - between them`)
}

/** Whether a text is a {@link BlobHash}. */
export function isBlobHash(text: string): text is BlobHash {
  return hashPattern.test(text)
}

/** Whether a text is an {@link Authority}: at most 253 characters of lower-case labels (A-labels for IDN) or `[v6]`. */
export function isAuthority(text: string): text is Authority {
  return text.length <= 253 && authorityPattern.test(text)
}

/** A version as people write it: `blog@42`. */
export function versionLabel(site: SiteName, version: VersionNumber): string {
  return `${site}@${version}`
}
