/** Calls of a history: each question with what came of it. */

import type { History } from './history.ts'

/** A question with its answer, if one came. */
export interface Call<Ask, Told> {
  readonly id: number
  readonly client: string
  readonly store: number
  readonly ask: Ask
  /** Places in the history: of the question, and of its end. A call that nobody answered has no end. */
  readonly begun: number
  readonly begunWallMs: number
  ended?: number
  /** Undefined for a refusal and for a call that nobody answered. */
  answer?: unknown
  refusal?: { readonly code: string; readonly reason: string | undefined; readonly message: string }
  readonly told: { readonly at: number; readonly told: Told }[]
}

/** The calls of a history, in the order of their questions. */
export function callsOf<Ask, Told>(history: History<Ask, Told>): Call<Ask, Told>[] {
  const calls = new Map<number, Call<Ask, Told>>()
  for (const event of history) {
    if (event.kind === 'ask') {
      const { id, client, store, ask, at, wallMs } = event
      calls.set(id, { id, client, store, ask, begun: at, begunWallMs: wallMs, told: [] })
    } else if (event.kind === 'answer' || event.kind === 'refusal' || event.kind === 'told') {
      const call = calls.get(event.id)
      if (!call) continue
      if (event.kind === 'told') {
        call.told.push({ at: event.at, told: event.told })
        continue
      }
      call.ended = event.at
      if (event.kind === 'answer') call.answer = event.answer
      else call.refusal = { code: event.code, reason: event.reason, message: event.message }
    }
  }
  return [...calls.values()]
}

/** Refusals after which it is not known whether the thing was done. All others say that it was not. */
const unsureCodes: ReadonlySet<string> = new Set(['ERR_DATA_IO', 'ERR_CLOSED', 'ERR_OBJECTS'])

/** What is known of a call that changes something: it was done, it was not, or nobody can tell. */
export function outcomeOf(call: Call<unknown, unknown>): 'done' | 'not done' | 'unknown' {
  if (call.ended === undefined) return 'unknown'
  if (!call.refusal) return 'done'
  return unsureCodes.has(call.refusal.code) ? 'unknown' : 'not done'
}

/** The least that the wall clock showed between two places of a history. */
export function leastWallMs(history: History<unknown, unknown>, from: number, to: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let at = from; at <= to; at += 1) least = Math.min(least, history[at]?.wallMs ?? Number.POSITIVE_INFINITY)
  return least
}
