/** What can be wrong with a certificate and its key, in words for whoever brought them. */

import { GroveError } from '../core/errors.ts'

/** Why something is `ERR_CERT`, its `details.reason`. */
export type CertificateReason =
  /** The file is not there, cannot be read, or is no file. */
  | 'file'
  /** More bytes, certificates or names than are taken. */
  | 'size'
  /** Not PEM, or not what the block says it is. */
  | 'parse'
  /** The key is locked with a password that is not given, or with another one. */
  | 'password'
  /** The key belongs to another certificate, or is of a kind that TLS servers do not use. */
  | 'key'
  | 'expired'
  | 'future'
  /** A certificate between this one and the root is missing, or one is there that does not belong. */
  | 'chain'
  /** It names no host that a client could ask for. */
  | 'names'
  /** A key or a signature that clients refuse. */
  | 'weak'
  /** It is for something else than a server. */
  | 'usage'

/** An `ERR_CERT` with its reason. `message` names the culprit. */
export function certificateFault(
  reason: CertificateReason,
  message: string,
  options: { readonly hint?: string; readonly cause?: unknown } = {},
): GroveError {
  return new GroveError('ERR_CERT', message, { ...options, details: { reason } })
}
