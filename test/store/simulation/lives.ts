/** One process after the other on a machine that fails, until everybody has done everything; then one that nothing ends. */

import type { Recorder } from './history.ts'
import type { Life, Machine } from './machine.ts'
import type { Scheduler } from './scheduler.ts'
import { isEnough, type LifePlan, type Troubles } from './troubles.ts'

/** What happens in lives. */
export interface Lives {
  readonly scheduler: Scheduler
  readonly machine: Machine
  readonly recorder: Pick<Recorder<unknown, unknown>, 'note'>
  readonly troubles: Troubles
  /** Whether anybody has something left to do. */
  isLeft(): boolean
  /** Resolves when all is done, or when this process is good for nothing any more. */
  work(life: Life, plan: LifePlan): Promise<void>
  /** Between two lives. */
  between?(): Promise<void>
  /** In the last one, when nothing fails any more. */
  finish(life: Life): Promise<void>
  /** Ends failures of anything but the disk. */
  heal?(): void
}

/** Lives to the end. */
export async function live(lives: Lives): Promise<void> {
  const { machine, recorder, troubles, scheduler } = lives
  troubles.begin(machine, scheduler)
  for (let count = 0; lives.isLeft(); count += 1) {
    if (isEnough(count)) {
      troubles.heal(machine)
      lives.heal?.()
    }
    const plan = troubles.plan(count)
    const life = boot(lives)
    if (plan.endAfterMs < Number.POSITIVE_INFINITY) scheduler.after(plan.endAfterMs, life, machine.end)
    machine.disk.faults.stepsToCrash = plan.endAfterSteps
    for (const { afterMs, byMs } of plan.clockSteps) scheduler.after(afterMs, life, () => machine.stepClock(byMs))
    await Promise.race([life.ended, lives.work(life, plan)])
    machine.end()
    recorder.note({ kind: 'end', life: life.number, by: plan.by })
    machine.recover(plan.by)
    await lives.between?.()
  }
  troubles.heal(machine)
  lives.heal?.()
  recorder.note({ kind: 'healed' })
  await lives.finish(boot(lives))
}

/** What a simulation came to: its history, and why it did not finish if it did not. */
export interface Simulated<Happened> {
  readonly history: Happened
  readonly stuck: string | undefined
}

/** Runs to the end, or to where it goes no further: what stops the simulation itself is a finding, too. */
export async function simulated<Happened>(history: Happened, lives: Lives): Promise<Simulated<Happened>> {
  try {
    await lives.scheduler.runUntil(live(lives))
    return { history, stuck: undefined }
  } catch (error) {
    return { history, stuck: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

function boot({ machine, recorder }: Lives): Life {
  const life = machine.boot()
  recorder.note({ kind: 'boot', life: life.number })
  return life
}
