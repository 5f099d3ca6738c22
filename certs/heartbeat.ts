/**
 * Signs of life: each process that holds leases replaces one small object again and again. Others do not read a time in
 * it, they only see whether it changes, and measure how long it did not by their own clock.
 */

import { isGroveError } from '../core/errors.ts'
import type { Environment } from '../store/environment.ts'
import type { VaultPlace } from './vault-place.ts'

/** All signs of life. No record has such an object: its name would end with a number. */
export const holdersPrefix = 'holders/'

/** A count of beats. */
const stampBytes = 16

/** The sign of life of this process, and those of others. */
export interface Heartbeat {
  /** Names this process among all: 32 hex digits, new at each start. */
  readonly self: string
  /** Gives a sign of life; one at a time, so whoever calls while one is being given waits for that one. */
  beat(): Promise<void>
  /** How long ago the last one that came through was begun, in milliseconds by the clock that only goes on. */
  readonly ageMs: number
  /** What another process gave last, to be compared; empty for nothing. */
  stampOf(holder: string): Promise<string>
  /** The time by the clock of the place, in milliseconds since the epoch. */
  placeTimeMs(): Promise<number>
  /** Takes it away. */
  end(): Promise<void>
}

/** A process that has not given a sign yet. */
export function createHeartbeat(env: Environment, place: VaultPlace): Heartbeat {
  const self = env.randomBytes(16).toString('hex')
  const own = objectOf(self)
  let beats = 0
  let begunAtMs = Number.NEGATIVE_INFINITY
  let pending: Promise<void> | undefined

  async function send(): Promise<void> {
    const startMs = env.monotonic()
    beats += 1
    await place.replace(own, Buffer.from(String(beats)))
    begunAtMs = startMs
  }
  const beat = () => {
    pending ??= send().finally(() => {
      pending = undefined
    })
    return pending
  }
  return {
    self,
    beat,
    get ageMs() {
      return env.monotonic() - begunAtMs
    },
    async stampOf(holder) {
      if (!/^[0-9a-f]{32}$/.test(holder)) return ''
      try {
        const { bytes = 0 } = (await place.stat(objectOf(holder))) ?? {}
        // Of what somebody else put there no more than a stamp is read.
        return (await place.read(objectOf(holder), { offset: 0, length: Math.min(bytes, stampBytes) })).toString()
      } catch (error) {
        if (isGroveError(error, 'ERR_NOT_FOUND')) return ''
        throw error
      }
    },
    async placeTimeMs() {
      await beat()
      return (await place.stat(own))?.modifiedMs ?? 0
    },
    async end() {
      await pending?.catch(() => {}) // It is taken away anyway.
      if (beats > 0) await place.remove([own])
    },
  }
}

function objectOf(holder: string): string {
  return `${holdersPrefix}${holder}.beat`
}
