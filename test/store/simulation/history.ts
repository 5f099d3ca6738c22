/**
 * The history of a simulation: what clients asked, what they were answered, what watchers were told, what happened to
 * the machine, in the order in which it happened. Plain data; checkers read nothing else.
 */

import { GroveError, toGroveError } from '../../../core/errors.ts'
import type { Life, Machine } from './machine.ts'

/** What happened, of any kind. Everything is plain JSON. */
export type Happening<Ask, Told> =
  | { readonly kind: 'ask'; readonly id: number; readonly client: string; readonly store: number; readonly ask: Ask }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | {
      readonly kind: 'refusal'
      readonly id: number
      readonly code: string
      readonly reason?: string
      readonly message: string
    }
  /** A watch, or another call that goes on, told something. */
  | { readonly kind: 'told'; readonly id: number; readonly told: Told }
  | { readonly kind: 'boot'; readonly life: number }
  | { readonly kind: 'end'; readonly life: number; readonly by: 'power' | 'kill' }
  | { readonly kind: 'clock'; readonly byMs: number }
  /** From here on nothing fails any more, and everything has to finish. */
  | { readonly kind: 'healed' }
  /** What was measured of the code under test. */
  | { readonly kind: 'measured'; readonly what: string; readonly value: number; readonly most: number }

/** One thing that happened. */
export type HistoryEvent<Ask, Told> = Happening<Ask, Told> & {
  /** Its place in the history, from 0. */
  readonly at: number
  /** Virtual time, in milliseconds since the beginning. */
  readonly ms: number
  /** The wall clock then, in milliseconds since the epoch. */
  readonly wallMs: number
}

/** Everything that happened. */
export type History<Ask, Told> = readonly HistoryEvent<Ask, Told>[]

/** Writes a history. */
export interface Recorder<Ask, Told> {
  readonly history: History<Ask, Told>
  note(happening: Happening<Ask, Told>): void
  /**
   * Asks and keeps what is answered. When the process ends meanwhile this never settles, and the history has no answer.
   * Answers undefined for a refusal.
   */
  ask<T>(from: Asker, ask: Ask, run: (tell: (told: Told) => void) => Promise<T>): Promise<Asked<T>>
}

/** Who asks, and whom. */
export interface Asker {
  readonly client: string
  readonly life: Life
  /** The number of the store that is asked: each opening has one of its own. */
  readonly store: number
}

/** What came of a call. */
export type Asked<T> =
  | { readonly answer: T; readonly error?: undefined }
  | { readonly answer?: undefined; readonly error: GroveError }

/** An empty history. `elapsedMs`: virtual time. */
export function createRecorder<Ask, Told>(machine: Machine, elapsedMs: () => number): Recorder<Ask, Told> {
  const history: HistoryEvent<Ask, Told>[] = []
  let calls = 0
  const note = (happening: Happening<Ask, Told>) => {
    const ms = Math.round(elapsedMs() * 1_000) / 1_000
    history.push({ at: history.length, ms, wallMs: machine.now(), ...happening })
  }
  return {
    history,
    note,
    async ask(from, ask, run) {
      calls += 1
      const id = calls
      note({ kind: 'ask', id, client: from.client, store: from.store, ask })
      try {
        const answer = await run((told) => {
          if (from.life.alive) note({ kind: 'told', id, told })
        })
        if (!from.life.alive) return await never()
        note({ kind: 'answer', id, answer })
        return { answer }
      } catch (thrown) {
        // What a process says after its end nobody hears.
        if (!from.life.alive) return await never()
        const error = toRefusal(thrown)
        const reason = error.details?.['reason']
        const said = typeof reason === 'string' ? { reason } : {}
        note({ kind: 'refusal', id, code: error.code, message: error.message, ...said })
        return { error }
      }
    },
  }
}

/** A history as text, one line of JSON for each event. */
export function historyText(history: History<unknown, unknown>): string {
  return history.map((event) => `${JSON.stringify(event)}\n`).join('')
}

function never(): Promise<never> {
  return new Promise(() => {})
}

/** Anything but an error of ours or the disk's is a fault of the code under test; it is told with its stack. */
function toRefusal(thrown: unknown): GroveError {
  const error = toGroveError(thrown)
  if (error.code !== 'ERR_INTERNAL' || !(thrown instanceof Error)) return error
  return new GroveError('ERR_INTERNAL', thrown.stack ?? thrown.message, { cause: thrown })
}
