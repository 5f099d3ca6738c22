/** How a request to a site's code fails, as errors with what the visitor is to be told. */

import { GroveError } from '../core/errors.ts'
import type { RequestFailed } from '../core/sandbox-messages.ts'

/** The code does not want to answer this request (`passThroughOnException`): the site does, as if it had no code. */
export class CodePassed extends Error {}

/** The process is gone, and nobody has said why. */
export function killed(reason: string): GroveError {
  const details = { status: 503, code: 'killed', retryAfterSeconds: 1 }
  return new GroveError('ERR_CODE_FAILED', `killed: ${reason}`, { details })
}

/** A bound and what was found, as a reason begins where there is one. */
const boundPattern = /^[A-Za-z]{1,32}: \d{1,15}, at most \d{1,15}/

/**
 * What a process says that a request failed with. What the code itself says is left out, the names of its functions too:
 * it may hold the site's secrets, and only the site's own log is without them.
 */
export function failureError({ status, code, reason, retryAfterSeconds }: RequestFailed): GroveError {
  const why = boundPattern.exec(reason)?.[0] ?? 'what it was is in the log of the site'
  return new GroveError('ERR_CODE_FAILED', `${code}: ${why}`, { details: { status, code, retryAfterSeconds } })
}

/** A request whose line and headers are more than a process takes. */
export function tooLarge(): GroveError {
  return new GroveError('ERR_CODE_FAILED', 'limit: the request has headers that are too large for code', {
    details: { status: 431, code: 'limit' },
  })
}

/** No answer in time. */
export function slow(timeoutMs: number): GroveError {
  return new GroveError('ERR_UPSTREAM_SLOW', `the site's code has not answered within ${timeoutMs} ms`)
}

/** The reason of a signal, or what was thrown, as an error. */
export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new GroveError('ERR_CLOSED', 'the visitor has gone')
}
