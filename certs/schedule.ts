/**
 * When certificates are renewed and when a failed order is tried again. Pure functions over times, in milliseconds since
 * the epoch; chance comes in as a fraction.
 */

import { limits } from '../core/limits.ts'

/** The life of a certificate. */
export interface Life {
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/**
 * How near the end of a certificate is. `fresh`: before its renewal. `due`: it is to be renewed. `late`: less than a
 * twentieth of its life is left, whatever the CA suggested. `last`: less than a fiftieth, or than five looks, is left.
 */
export type Urgency = 'fresh' | 'due' | 'late' | 'last'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

const minutes = (count: number, times: number): number[] => Array<number>(times).fill(count * minuteMs)

/** The first is the one quick retry; the last but for the two long waits below. */
const waitsMs: readonly number[] = [
  5_000,
  ...minutes(1, 1),
  ...minutes(2, 2),
  ...minutes(5, 1),
  ...minutes(10, 3),
  ...minutes(20, 4),
  ...minutes(30, 6),
  ...minutes(60, 3),
  ...minutes(120, 2),
  ...minutes(180, 2),
]
const longWaitMs = 6 * hourMs
const longWaitsForMs = 30 * dayMs
/** A wait is this much shorter or longer, so that what failed together does not come back together. */
const jitter = 0.2

/**
 * When a certificate is to be renewed: with a third of its life left, or at the time that was chosen from the CA's
 * window ({@link chooseRenewal}); at the latest with a twentieth left.
 */
export function renewalTime(life: Life, chosenMs?: number): number {
  const lifeMs = life.notAfterMs - life.notBeforeMs
  return Math.floor(Math.min(chosenMs ?? life.notAfterMs - lifeMs / 3, life.notAfterMs - lifeMs / 20))
}

/** How urgent the renewal of a certificate is. */
export function urgencyOf(life: Life, nowMs: number, chosenMs?: number): Urgency {
  const lifeMs = life.notAfterMs - life.notBeforeMs
  const leftMs = life.notAfterMs - nowMs
  // Of a certificate that lives for minutes, five looks are all of it.
  if (leftMs <= Math.min(Math.max(lifeMs / 50, 5 * limits.managed.lookEveryMs), lifeMs / 3)) return 'last'
  if (leftMs <= lifeMs / 20) return 'late'
  return nowMs >= renewalTime(life, chosenMs) ? 'due' : 'fresh'
}

/**
 * A time within a window that the CA suggests, each as likely as any other (RFC 9773 section 4.2). Choose once and keep
 * it: a choice at each look would move all renewals to the beginning of the window. `fraction`: 0 up to 1.
 */
export function chooseRenewal(window: { readonly startMs: number; readonly endMs: number }, fraction: number): number {
  return Math.floor(window.startMs + Math.max(0, window.endMs - window.startMs) * fraction)
}

/** A failed order, for {@link retryTime}. */
export interface Failure {
  /** Tries that failed since the last one that did not. At least 1. */
  readonly tries: number
  /** When the first of them failed. */
  readonly sinceMs: number
  readonly nowMs: number
  /** What the CA said with Retry-After, from now on. */
  readonly retryAfterMs?: number | undefined
  /** Of the certificate that is still in use. */
  readonly urgency?: Urgency | undefined
  /** 0 up to 1. */
  readonly fraction: number
}

/**
 * When a failed order is tried again. The waits grow from one quick retry to 6 hours, and are a day after 30 days. With
 * hardly any time left for a certificate in use, none is longer than an hour. The CA's Retry-After wins over a shorter
 * wait, up to `limits.managed.longestWaitMs`; it never makes a wait shorter, whatever a CA says.
 */
export function retryTime({ tries, sinceMs, nowMs, retryAfterMs = 0, urgency, fraction }: Failure): number {
  const forMs = nowMs - sinceMs
  const plainMs = waitsMs[tries - 1] ?? (forMs < longWaitsForMs ? longWaitMs : dayMs)
  const boundMs = urgency === 'last' ? Math.min(plainMs, hourMs) : plainMs
  const waitMs = boundMs * (1 - jitter + 2 * jitter * fraction)
  // After the time that the CA named, not before; some later, for the same reason as above.
  const askedMs = Math.min(Math.max(0, retryAfterMs), limits.managed.longestWaitMs) * (1 + (jitter / 2) * fraction)
  return Math.ceil(nowMs + Math.max(waitMs, askedMs))
}

/**
 * Whether an order goes to the CA's staging endpoint first. What failed once may well fail again, and failures count at
 * the production endpoint, where too many of them lock the account out for hours.
 */
export function goesToStagingFirst(tries: number): boolean {
  return tries > 0
}

/** A fraction from 0 up to 1 made of random bytes. */
export function toFraction(bytes: Buffer): number {
  return bytes.readUInt32BE(0) / 2 ** 32
}
