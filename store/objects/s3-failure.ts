/**
 * What went wrong with a request to a bucket: whether it is worth another try, and what to tell an operator.
 *
 * Nothing of an answer goes into a message but its status and its code, and nothing of the credentials.
 */

import { GroveError } from '../../core/errors.ts'
import { objectsError } from './object-errors.ts'
import type { ObjectsReason } from './objects.ts'

/** A failure, read. */
export interface S3Failure {
  readonly isTemporary: boolean
  readonly reason: ObjectsReason
  /** What was answered, or not: `503 SlowDown`, `ECONNREFUSED`. */
  readonly said: string
  readonly hint?: string | undefined
  /** Undefined when nothing was answered. */
  readonly status: number | undefined
  /** S3's name for it, such as `NoSuchKey`. */
  readonly code: string
}

/** S3's codes that a later try may do without, whatever their status: the transfer broke, or the clocks differ. */
const temporaryCodes: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed', // The client takes the server's time from this answer, and the next try is right.
  'IncompleteBody',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  'ConditionalRequestConflict',
  'OperationAborted',
  'SlowDown',
])
const temporaryStatuses: ReadonlySet<number> = new Set([408, 409, 429, 500, 502, 503, 504])

const deniedHints: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'the server does not know the access key: look at accessKeyId in the config or the environment',
  SignatureDoesNotMatch: 'look at secretAccessKey and region in the config or the environment',
  RequestTimeTooSkewed: 'set the clock of this machine: it differs from that of the server',
}
const deniedHint = 'the credentials need the rights to get, put, list and delete objects of the bucket'
const bucketHint = 'look at bucket, region and endpoint in the config, and make the bucket if it is not there'
const notS3Hint = 'look whether the endpoint in the config is that of an S3 server'
const unreachableHint = 'look whether the endpoint in the config is right and can be reached from this machine'
const issuerHint = 'name a file with the certificate of the issuer as roots of the store in the config'
const tlsHint = 'look whether the server of the endpoint speaks TLS and has a certificate for its name'

const issuerPattern = /^(DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|CERT_UNTRUSTED)/
const tlsPattern = /^(CERT_|ERR_TLS|ERR_SSL|HOSTNAME_MISMATCH|EPROTO)/

/** Reads what the client threw. */
export function readFailure(thrown: unknown): S3Failure {
  const error = Object(thrown) as { name?: unknown; code?: unknown; $metadata?: { httpStatusCode?: unknown } }
  const status = error.$metadata?.httpStatusCode
  const code = plainWord(error.name)
  if (typeof status === 'number') return readAnswer(status, code)
  return readSilence(plainWord(error.code) || code)
}

function readAnswer(status: number, code: string): S3Failure {
  const base = { status, code, said: code === '' || code === String(status) ? `${status}` : `${status} ${code}` }
  if (temporaryCodes.has(code) || temporaryStatuses.has(status)) {
    const hint = deniedHints[code]
    return { ...base, isTemporary: true, reason: 'busy', hint }
  }
  // It said yes, and the rest of what it said cannot be read: broken off, or not S3.
  if (status >= 200 && status < 300) return { ...base, isTemporary: true, reason: 'refused', hint: notS3Hint }
  if (status === 401 || status === 403)
    return { ...base, isTemporary: false, reason: 'denied', hint: deniedHints[code] ?? deniedHint }
  const isBucket = ['NoSuchBucket', 'PermanentRedirect', 'AuthorizationHeaderMalformed', 'InvalidBucketName']
  if (isBucket.includes(code) || (status >= 300 && status < 400))
    return { ...base, isTemporary: false, reason: 'bucket', hint: bucketHint }
  return { ...base, isTemporary: false, reason: 'refused', hint: notS3Hint }
}

/** There was no answer, or none that could be read. */
function readSilence(code: string): S3Failure {
  const base = { status: undefined, code, said: code || 'no answer' }
  if (issuerPattern.test(code)) return { ...base, isTemporary: false, reason: 'tls', hint: issuerHint }
  if (tlsPattern.test(code)) return { ...base, isTemporary: false, reason: 'tls', hint: tlsHint }
  // A name that is not known will not be in a moment; the resolver that did not answer (EAI_AGAIN) may.
  return { ...base, isTemporary: code !== 'ENOTFOUND', reason: 'unreachable', hint: unreachableHint }
}

/** A word that may stand in a message: a code, not a sentence of somebody's. */
function plainWord(word: unknown): string {
  return typeof word === 'string' && /^[\w.-]{1,64}$/.test(word) ? word : ''
}

/** What was being done: for the message of its failure. */
export interface S3Act {
  /** `put`, `get`, `look for`, `list`, `delete`. */
  readonly verb: string
  readonly key: string
  /** {@link Objects.name}. */
  readonly place: string
  readonly endpoint: string
}

/** The error for a failure that is not tried again. A {@link GroveError} stays as it is. */
export function toS3Error({ verb, key, place, endpoint }: S3Act, thrown: unknown): GroveError {
  if (thrown instanceof GroveError) return thrown
  const { reason, said, hint, status, code } = readFailure(thrown)
  // What was answered may hold more than is good in a log; what broke on the way does not.
  const cause = status === undefined ? thrown : undefined
  const details = { key, endpoint, ...(status !== undefined && { status }), ...(code && { code }) }
  const message = `cannot ${verb} ${key || 'objects'} in ${place} at ${endpoint}: ${said}`
  return objectsError(message, { reason, cause, details, ...(hint !== undefined && { hint }) })
}
