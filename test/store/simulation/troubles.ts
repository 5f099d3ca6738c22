/** What goes wrong in a simulation, and when: decided by the seed before it begins. */

import { noFaults } from './disk.ts'
import type { Machine } from './machine.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

/** What becomes of one process. */
export interface LifePlan {
  /** It ends after a time, and after so many calls of the disk, whatever comes first. Infinite: it is left alone. */
  readonly endAfterMs: number
  readonly endAfterSteps: number
  readonly by: 'power' | 'kill'
  readonly clockSteps: readonly { readonly afterMs: number; readonly byMs: number }[]
  /** Another process opens the same store while this one lives. */
  readonly takeOverAfterMs: number | undefined
}

/** The troubles of one simulation. */
export interface Troubles {
  /** Makes the disk as bad as it is going to be. */
  begin(machine: Machine, scheduler: Scheduler): void
  /** The plan of the n-th life, from 0. */
  plan(life: number): LifePlan
  /** From now on nothing fails. */
  heal(machine: Machine): void
}

/** After so many lives the disk gets well by itself: somebody has put in another one. */
const mostLives = 12

/** How long a simulation takes, about, and by how much the wall clock jumps at most, in virtual milliseconds. */
export interface Pace {
  readonly paceMs: number
  readonly clockStepMs: number
}

/** The troubles of a seed. */
export function troublesOf(random: Random, { paceMs, clockStepMs }: Pace): Troubles {
  const ends = random.pick([0, 1, 1, 2, 3, 5])
  const isFull = random.chance(0.15)
  const isBad = random.chance(0.3)
  const isSlow = random.chance(0.2)
  const faults = { ...noFaults }
  if (isBad) {
    faults.sync = random.pick([0, 0.01, 0.05])
    faults.write = random.pick([0, 0.01, 0.05])
    faults.read = random.pick([0, 0.002, 0.01])
    faults.name = random.pick([0, 0.01])
  }
  return {
    begin(machine, scheduler) {
      Object.assign(machine.disk.faults, faults)
      if (isSlow) Object.assign(machine.slowness, { probability: 0.05, mostMs: paceMs })
      if (!isFull) return
      machine.disk.faults.capacityBytes = random.between(1_000, 20_000)
      const makeRoom = () => {
        machine.disk.faults.capacityBytes = Number.POSITIVE_INFINITY
      }
      scheduler.after(paceMs * (1 + random.fraction()), { alive: true }, makeRoom)
    },
    plan(life) {
      const mayEnd = life < ends
      const bySteps = random.chance(0.5)
      const clockSteps = random.chance(0.15)
        ? [{ afterMs: paceMs * random.fraction(), byMs: random.between(-clockStepMs, clockStepMs) }]
        : []
      return {
        endAfterMs: mayEnd && !bySteps ? paceMs * random.fraction() : Number.POSITIVE_INFINITY,
        endAfterSteps: mayEnd && bySteps ? random.below(120) : Number.POSITIVE_INFINITY,
        by: random.chance(0.8) ? 'power' : 'kill',
        clockSteps,
        takeOverAfterMs: random.chance(0.15) ? paceMs * random.fraction() : undefined,
      }
    },
    heal(machine) {
      Object.assign(machine.disk.faults, noFaults)
      Object.assign(machine.slowness, { probability: 0, mostMs: 0 })
    },
  }
}

/** Whether a machine has begun so often that its disk has to get well. */
export function isEnough(lives: number): boolean {
  return lives >= mostLives
}
