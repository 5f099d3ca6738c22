/** Asking a CA again and again how far something is (RFC 8555 section 7.5.1), within bounds. */

import { limits } from '../../core/limits.ts'
import { acmeError, acmeFacts, isPassing } from './acme-error.ts'
import type { Ca } from './ca.ts'
import { type CaAnswer, parseRetryAfter } from './transport.ts'

const bounds = limits.acme

/** What is waited for. */
export interface Poll<T> {
  /** For people: `the proof of a.example`. */
  readonly what: string
  ask(): Promise<CaAnswer>
  /** What was waited for; undefined when it is not there yet. A throw ends the waiting. */
  take(answered: unknown): T | undefined
}

/**
 * Asks until there is an answer to take. Waits as long as the CA asks for, else longer each time. A few answers in a row
 * may fail in passing. Rejects with `ERR_ACME` (`timeout`) after `limits.acme.stateMs`, and with the signal's reason.
 */
export async function poll<T>(ca: Ca, { what, ask, take }: Poll<T>, signal: AbortSignal): Promise<T> {
  const endMs = ca.environment.monotonic() + bounds.stateMs
  let ownWaitMs: number = bounds.firstPollMs
  let failures = 0
  for (;;) {
    let askedWaitMs: number | undefined
    try {
      const { data, headers } = await ask()
      failures = 0
      const taken = take(data)
      if (taken !== undefined) return taken
      askedWaitMs = parseRetryAfter(headers['retry-after'], ca.now())
    } catch (error) {
      failures += 1
      const isLimited = acmeFacts(error)?.reason === 'limited'
      if (!(isPassing(error) || isLimited) || failures > bounds.pollFailures) throw error
      askedWaitMs = acmeFacts(error)?.retryAfterMs
      // It wants a longer rest than anybody waits for: the order is noted, and can be gone on with then.
      if (askedWaitMs !== undefined && askedWaitMs > bounds.longestAskedPollMs) throw error
    }
    const waitMs = Math.min(Math.max(askedWaitMs ?? ownWaitMs, bounds.firstPollMs), bounds.longestAskedPollMs)
    ownWaitMs = Math.min(ownWaitMs * 1.5, bounds.longestPollMs)
    if (ca.environment.monotonic() + waitMs > endMs)
      throw acmeError(`the CA does not come to an end with ${what}`, { reason: 'timeout' })
    await ca.environment.sleep(waitMs, signal)
  }
}
