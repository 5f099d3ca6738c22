/** Certificates as `grove cert list` shows them. */

import type { FileState } from '../certs/files/held-files.ts'
import type { CertificateState } from '../certs/managed.ts'
import type { CertificateCounts, CertificateRow } from '../core/cert-api.ts'
import { limits } from '../core/limits.ts'

/**
 * How all names stand: first what is from CAs, what failed before what is well; then files; then names of the own CA, at
 * most `limits.admin.ownCertificates`. Pure.
 */
export function rowsOf(
  managed: readonly CertificateState[],
  files: readonly FileState[],
  ownNames: readonly string[],
): CertificateRow[] {
  const fromCas = managed.map((state): CertificateRow => ({ ...state, names: [...state.names], from: 'acme' }))
  fromCas.sort((one, other) => urgency(one) - urgency(other))
  return [
    ...fromCas,
    ...files.map(fileRow),
    // Signed when a visitor asks, within a moment, so there is no more to tell.
    ...ownNames
      .slice(0, limits.admin.ownCertificates)
      .map((name): CertificateRow => ({ names: [name], from: 'own', issuer: "Grove's own CA", state: 'on demand' })),
  ]
}

/** How many stand how. Pure. */
export function countsOf(managed: readonly CertificateState[], files: readonly FileState[]): CertificateCounts {
  const counts = { valid: 0, waiting: 0, failed: 0 }
  for (const { state } of managed) {
    if (state === 'valid' || state === 'renewing') counts.valid += 1
    else if (state === 'wanted' || state === 'ordering') counts.waiting += 1
    else counts.failed += 1
  }
  for (const { fault } of files) counts[fault ? 'failed' : 'valid'] += 1
  return counts
}

function fileRow({ file, names, notAfterMs, fault }: FileState): CertificateRow {
  return {
    names: [...names],
    from: 'file',
    issuer: file,
    state: fault ? 'failed' : 'valid',
    ...(notAfterMs !== undefined && { notAfterMs }),
    ...(fault && { lastError: { code: `ERR_CERT, ${fault.reason}`, message: fault.message } }),
  }
}

function urgency({ state }: CertificateRow): number {
  if (state === 'failed' || state === 'expired' || state === 'revoked') return 0
  return state === 'valid' ? 2 : 1
}
