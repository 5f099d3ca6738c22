/**
 * The one error class of Grove and the table of its codes.
 *
 * Codes are stable: they are added, never renamed. A message names the culprit, says what was expected and what was
 * found, is lower case and has no full stop. It is written for operators and authors; a visitor never sees it.
 */

import { z } from 'zod'
import { diskHint } from './disk-hint.ts'

/**
 * Every code with the status that the control socket answers for it. Keyed by code.
 * The exit code of the CLI follows from the status: 4xx and 5xx alike end a command with 1.
 */
export const errorStatus = {
  ERR_ACME: 502,
  ERR_AFTER_NOT_VISIBLE: 409,
  ERR_BAD_REQUEST: 400,
  ERR_BLOB_CORRUPT: 500,
  ERR_BLOB_MISMATCH: 400,
  ERR_BLOB_MISSING: 409,
  ERR_CERT: 500,
  ERR_CERT_NAME: 404,
  ERR_CERT_RACED: 409,
  ERR_CHANNEL: 500,
  ERR_CLOSED: 503,
  ERR_CODE: 422,
  ERR_CODE_FAILED: 500,
  ERR_CONFIG_INVALID: 400,
  ERR_CONFIG_LOAD: 400,
  ERR_CONFLICT: 409,
  ERR_DATA_FORMAT: 500,
  ERR_DATA_IO: 500,
  ERR_DATA_LOCKED: 409,
  ERR_DENIED: 403,
  ERR_DNS: 502,
  ERR_EXISTS: 409,
  ERR_FENCED: 409,
  ERR_FETCH_REFUSED: 403,
  ERR_INTERNAL: 500,
  ERR_KEY_MISSING: 500,
  ERR_NOT_FOUND: 404,
  ERR_NOT_RUNNING: 503,
  ERR_OBJECTS: 502,
  ERR_PLUGIN: 500,
  ERR_PLUGIN_START: 500,
  ERR_PORT: 409,
  ERR_PUBLISH_CONFLICT: 409,
  ERR_PUBLISH_REFUSED: 422,
  ERR_SANDBOX_BUSY: 503,
  ERR_SITE_CODE: 500,
  ERR_SITE_EXISTS: 409,
  ERR_SITE_NAME: 400,
  ERR_SITE_RESTING: 503,
  ERR_SITE_UNKNOWN: 404,
  ERR_TIMEOUT: 504,
  ERR_TOO_LARGE: 413,
  ERR_TOO_MANY: 429,
  ERR_TRIMMED: 410,
  ERR_TRUST: 500,
  ERR_UPSTREAM_DOWN: 502,
  ERR_UPSTREAM_SLOW: 504,
  ERR_USAGE: 400,
  ERR_USER: 400,
  ERR_VERSION_UNKNOWN: 404,
} as const

/** One of the stable error codes, such as `ERR_SITE_UNKNOWN`. */
export type ErrorCode = keyof typeof errorStatus

/** Facts about an error for machines: plain JSON, no secrets, no paths of a visitor's request. */
export type ErrorDetails = Readonly<Record<string, unknown>>

/** What a {@link GroveError} is built from besides its code and message. */
export interface GroveErrorOptions {
  /** The error that led to this one; kept for the log, never sent to a visitor. */
  readonly cause?: unknown
  /** Facts for `--json` and for tests. */
  readonly details?: ErrorDetails
  /** What the reader can do next, one sentence; the CLI prints it under the message. */
  readonly hint?: string
}

/** An error with a stable {@link ErrorCode}, a message for operators and authors, and its cause. */
export class GroveError extends Error {
  override readonly name = 'GroveError'
  readonly code: ErrorCode
  readonly details: ErrorDetails | undefined
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: GroveErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
    this.hint = options.hint
  }

  /** The status that the control socket answers with for this error. */
  get status(): number {
    return errorStatus[this.code]
  }
}

/** Whether something thrown is a {@link GroveError} of a code. */
export function isGroveError(thrown: unknown, code: ErrorCode): thrown is GroveError {
  return thrown instanceof GroveError && thrown.code === code
}

/** An error as it crosses a channel or the control socket. */
export interface PlainError {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: ErrorDetails | undefined
  readonly hint?: string | undefined
}

/**
 * Any thrown value as a {@link GroveError}. What is not one already has the value as cause: an error of the disk becomes
 * `ERR_DATA_IO` with a hint, anything else `ERR_INTERNAL`.
 */
export function toGroveError(thrown: unknown): GroveError {
  if (thrown instanceof GroveError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const hint = diskHint(thrown)
  if (hint !== undefined) return new GroveError('ERR_DATA_IO', message, { cause: thrown, hint })
  return new GroveError('ERR_INTERNAL', message, { cause: thrown })
}

/** A thrown value as plain data for a channel. The cause and the stack stay behind. */
export function toPlainError(thrown: unknown): PlainError {
  const { code, message, details, hint } = toGroveError(thrown)
  return { code, message, details, hint }
}

/** A {@link PlainError} as it comes in: its code may be one of a newer Grove. */
export const plainErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
  hint: z.string().optional(),
})

/** A {@link GroveError} made again from plain data; an unknown code becomes `ERR_INTERNAL`. */
export function fromPlainError(plain: z.output<typeof plainErrorSchema>): GroveError {
  const code = plain.code in errorStatus ? (plain.code as ErrorCode) : 'ERR_INTERNAL'
  return new GroveError(code, plain.message, {
    ...(plain.details && { details: plain.details }),
    ...(plain.hint && { hint: plain.hint }),
  })
}
