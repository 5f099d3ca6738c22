/** What is said when site code does not answer: to the front a status and a code, to the author which limit and where. */

import { limits } from '../../core/limits.ts'
import { tenantLimits } from '../../core/sandbox-limits.ts'
import type { FailureCode, RequestFailed } from '../../core/sandbox-messages.ts'
import type { GuestError } from '../bridge-shapes.ts'
import type { Breach } from '../engine.ts'

const reasonChars = 1_000

/** Statuses of failures: a code's, and whether the visitor is told to come again. */
const statuses: Readonly<Record<FailureCode, { readonly status: number; readonly retry: boolean }>> = {
  exception: { status: 500, retry: false },
  'bad-answer': { status: 502, retry: false },
  cpu: { status: 503, retry: true },
  wall: { status: 504, retry: false },
  memory: { status: 503, retry: true },
  busy: { status: 503, retry: true },
  limit: { status: 503, retry: true },
  'not-loaded': { status: 503, retry: true },
  killed: { status: 503, retry: true },
  crashed: { status: 503, retry: true },
}

/** A failure as the front is told of it, in one line: what site code says of itself can have any characters. */
export function failureOf(code: FailureCode, reason: string): RequestFailed {
  const { status, retry } = statuses[code]
  return {
    status,
    code,
    reason: reason.slice(0, reasonChars).replace(/[\p{Cc}\u2028\u2029]+/gu, ' '),
    ...(retry && { retryAfterSeconds: tenantLimits.retryAfterSeconds }),
  }
}

/** Codes of limits, by the ending or the name of a bound. */
export function codeOfBreach({ limit }: Breach): FailureCode {
  if (limit === 'cpuMs' || limit === 'entryMs') return 'cpu'
  if (limit === 'heapMiB' || limit === 'processMiB') return 'memory'
  if (limit === 'firstByteMs' || limit === 'totalMs') return 'wall'
  return 'limit'
}

/** A breach in words: the limit, what was found, what is allowed, and where. */
export function describeBreach({ limit, value, bound, place }: Breach): string {
  const where = place === '' ? '' : `, at ${place.slice(0, tenantLimits.placeChars)}`
  return `${limit}: ${Math.round(value)}, at most ${Math.round(bound)}${where}`
}

/** An error of site code as one text: its stack, which begins with its name and message wherever V8 made it. */
export function describeError({ name, message, stack }: GuestError): string {
  const head = `${name}: ${message}`
  const text = stack === '' || stack.startsWith(head) || stack.startsWith(name) ? stack || head : `${head}\n${stack}`
  return text.slice(0, limits.sandboxTenant.errorChars)
}
