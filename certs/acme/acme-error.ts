/** What can go wrong between Grove and a CA: `ERR_ACME` with facts that a scheduler can act on. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** Why something is `ERR_ACME`, its `details.reason`. */
export type AcmeReason =
  /** The CA has refused it and said why. */
  | 'refused'
  /** The CA wants us to come again later (429, or 503 with a time). */
  | 'limited'
  /** The CA has a fault of its own (5xx). */
  | 'unavailable'
  /** No connection, a broken one, or one whose certificate is not trusted. */
  | 'network'
  /** No answer, or no whole one, in time; or an order that stays as it is. */
  | 'timeout'
  /** An answer that RFC 8555 does not allow. */
  | 'answer'
  /** The CA did not find the answer to a challenge, or found another one. */
  | 'challenge'
  /** The answer to a challenge could not be published. */
  | 'solver'
  /** The certificate that came is not the one that was ordered, or would not serve. It is thrown away. */
  | 'certificate'
  /** The names cannot be ordered: an address, a wildcard without a DNS provider, too many. */
  | 'names'
  /** The CA does not offer the profile that is asked for. */
  | 'profile'

/** Facts about an `ERR_ACME`, its details. */
export interface AcmeFacts {
  readonly reason: AcmeReason
  /** The CA's problem type, such as `urn:ietf:params:acme:error:rateLimited` (RFC 8555 section 6.7). */
  readonly type?: string
  /** The HTTP status of the CA's answer. */
  readonly status?: number
  /** The CA asks not to come again before this time has passed, in milliseconds. */
  readonly retryAfterMs?: number
  /** The name that it is about. */
  readonly name?: string
  /** The way of proving it that failed. */
  readonly kind?: string
}

/** An `ERR_ACME`. `message` names the culprit. */
export function acmeError(
  message: string,
  facts: AcmeFacts,
  options: { readonly cause?: unknown; readonly hint?: string } = {},
): GroveError {
  return new GroveError('ERR_ACME', message, { ...options, details: { ...facts } })
}

/** The facts of something thrown; undefined when it is no `ERR_ACME`. */
export function acmeFacts(thrown: unknown): AcmeFacts | undefined {
  if (!(thrown instanceof GroveError) || thrown.code !== 'ERR_ACME') return undefined
  return thrown.details as unknown as AcmeFacts
}

/** Whether something thrown is the CA's problem of a type: the last word of its URN, such as `badNonce`. */
export function isProblem(thrown: unknown, ...words: readonly string[]): boolean {
  const type = acmeFacts(thrown)?.type ?? ''
  return words.some((word) => type === `urn:ietf:params:acme:error:${word}`)
}

/** Whether the same request may well be answered a moment later. */
export function isPassing(thrown: unknown): boolean {
  const reason = acmeFacts(thrown)?.reason
  return reason === 'network' || reason === 'timeout' || reason === 'unavailable'
}

/** What a CA says, on one line and not too long: it ends in logs and on terminals. */
export function quoteCa(text: string): string {
  return text
    .slice(0, limits.acme.detailChars)
    .replace(/[^\x20-\x7e\u00a1-\u024f]+/g, ' ')
    .trim()
}
