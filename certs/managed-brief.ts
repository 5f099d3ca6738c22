/**
 * What is kept in memory of each managed certificate: some numbers of its record, so that 100,000 of them need little
 * room; and how it stands, told to people.
 */

import { renewalAt } from './managed-next.ts'
import type { CertificateRecord } from './managed-record.ts'

/** How a managed certificate stands. Times are in milliseconds since the epoch. */
export interface CertificateState {
  /** One name, which may be a wildcard. */
  readonly names: readonly string[]
  /** The directory of the CA that issued it. */
  readonly issuer?: string
  readonly state: 'wanted' | 'ordering' | 'valid' | 'renewing' | 'failed' | 'expired' | 'revoked'
  readonly notAfterMs?: number
  readonly renewAtMs?: number
  /** Tries that failed since the last one that did not. */
  readonly tries: number
  readonly lastError?: { readonly code: string; readonly message: string; readonly atMs: number }
  readonly nextTryAtMs?: number
}

/** A record in brief. */
export interface Brief {
  readonly id: string | undefined
  readonly directory: string | undefined
  readonly notBeforeMs: number
  /** 0 when there is no certificate. */
  readonly notAfterMs: number
  readonly renewAtMs: number
  readonly nextTryAtMs: number | undefined
  readonly lastError: CertificateState['lastError']
  readonly tries: number
  /** An order was begun, here or elsewhere, and has not come to its end. */
  readonly isOrdering: boolean
  readonly isRevoked: boolean
}

/** Directories by themselves: one text each, however many certificates name them. At most as many as are configured. */
const directories = new Map<string, string>()
const mostDirectories = 100

/** A record in brief. */
export function toBrief(record: CertificateRecord): Brief {
  const { certificate, tries, lastError, nextTryAtMs } = record
  return {
    id: certificate?.id,
    directory: certificate && oneText(certificate.directory),
    notBeforeMs: certificate?.notBeforeMs ?? 0,
    notAfterMs: certificate?.notAfterMs ?? 0,
    renewAtMs: certificate ? renewalAt(record) : 0,
    nextTryAtMs,
    lastError,
    tries,
    isOrdering: record.orderingSinceMs !== undefined,
    isRevoked: record.revoked !== undefined,
  }
}

/** How a name stands. `isBusy`: an order of it is under way here. */
export function toState(name: string, brief: Brief | undefined, nowMs: number, isBusy: boolean): CertificateState {
  const { directory, notAfterMs, renewAtMs, tries = 0, lastError, nextTryAtMs } = brief ?? {}
  return {
    names: [name],
    state: stateWord(brief, nowMs, isBusy || brief?.isOrdering === true),
    tries,
    ...(directory !== undefined && { issuer: directory }),
    ...(notAfterMs && { notAfterMs }),
    ...(renewAtMs && { renewAtMs }),
    ...(lastError && { lastError }),
    ...(nextTryAtMs !== undefined && { nextTryAtMs }),
  }
}

function stateWord(brief: Brief | undefined, nowMs: number, isBusy: boolean): CertificateState['state'] {
  const notAfterMs = brief?.notAfterMs ?? 0
  if (nowMs < notAfterMs) return isBusy ? 'renewing' : 'valid'
  if (isBusy) return 'ordering'
  if (notAfterMs > 0) return 'expired'
  if (brief?.tries) return 'failed'
  return brief?.isRevoked ? 'revoked' : 'wanted'
}

function oneText(directory: string): string {
  const known = directories.get(directory)
  if (known !== undefined) return known
  if (directories.size < mostDirectories) directories.set(directory, directory)
  return directory
}
