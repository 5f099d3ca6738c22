/**
 * A simulated machine: a disk and a clock that outlive its processes, and one process (a life) after the other. Each
 * life has an {@link Environment} for the code under test; when it ends, whatever it was waiting for never comes.
 */

import type { Environment } from '../../../store/environment.ts'
import { createDisk, type Disk } from './disk.ts'
import { filesOn, isEnd, type Operate } from './files.ts'
import type { Random } from './random.ts'
import type { Owner, Scheduler } from './scheduler.ts'

/** When every simulation begins. */
export const firstMs = Date.UTC(2026, 0, 1)

/** One process of a machine. */
export interface Life extends Owner {
  readonly number: number
  readonly env: Environment
  /** Resolves when it ends. */
  readonly ended: Promise<void>
}

/** How calls of a machine are slow: the probability of a slow one, and how long it takes at most. */
export interface Slowness {
  probability: number
  mostMs: number
}

/** A simulated machine. */
export interface Machine {
  readonly disk: Disk
  readonly slowness: Slowness
  /** The wall clock, in milliseconds since the epoch. */
  now(): number
  /** Sets the wall clock forward or back. */
  stepClock(ms: number): void
  /** Called with each step of the clock. */
  onClockStep: ((ms: number) => void) | undefined
  /** Begins a process. None may be alive. */
  boot(): Life
  /** Ends the process that is alive, if one is, at once. */
  end(): void
  /** What happened to the disk with the end of the process; comes before the next {@link Machine.boot}. */
  recover(from: 'power' | 'kill'): void
}

/** A machine with an empty disk. */
export function createMachine(scheduler: Scheduler, random: Random): Machine {
  const pace = random.fork('pace')
  const slowness: Slowness = { probability: 0, mostMs: 0 }
  let clockMs = firstMs
  let lives = 0
  let life: { alive: boolean; readonly finish: () => void } | undefined

  const now = () => Math.floor(clockMs + scheduler.elapsedMs)
  const end = () => {
    if (!life) return
    life.alive = false
    disk.fail()
    life.finish()
    life = undefined
  }
  const disk = createDisk(random.fork('disk'), now, end)

  function operateFor(owner: Owner): Operate {
    return (weight, act) =>
      new Promise((resolve, reject) => {
        const slowMs = pace.chance(slowness.probability) ? pace.below(slowness.mostMs) : 0
        scheduler.after(weight * (0.01 + 0.03 * pace.fraction()) + slowMs, owner, () => {
          try {
            resolve(act())
          } catch (error) {
            if (!isEnd(error)) reject(error)
          }
        })
      })
  }

  return {
    disk,
    slowness,
    now,
    onClockStep: undefined,
    stepClock(ms) {
      clockMs += ms
      this.onClockStep?.(ms)
    },
    boot() {
      if (life) throw new Error('a process of this machine is alive')
      lives += 1
      const { promise: ended, resolve: finish } = Promise.withResolvers<void>()
      const owner = { alive: true, finish }
      life = owner
      const chance = random.fork(`life ${lives}`)
      const env: Environment = {
        now,
        monotonic: () => scheduler.elapsedMs,
        randomBytes: (count) => chance.bytes(count),
        sleep: (ms, signal) => sleep(scheduler, owner, ms, signal),
        turn: () => operateFor(owner)(0.1, () => {}),
        files: filesOn(disk, operateFor(owner), { now, isAlive: () => owner.alive }),
      }
      return {
        number: lives,
        env,
        ended,
        get alive() {
          return owner.alive
        },
      }
    },
    end,
    recover(from) {
      if (life) throw new Error('the process has not ended')
      disk.recover(from)
    },
  }
}

function sleep(scheduler: Scheduler, owner: Owner, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const stop = () => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = scheduler.after(ms, owner, () => {
      signal?.removeEventListener('abort', stop)
      resolve()
    })
    signal?.addEventListener('abort', stop, { once: true })
  })
}
