/**
 * Virtual time. Whatever waits, waits here: the scheduler takes the task that is due first, among those that are due
 * together one by the seed, and goes on when everything that followed from it has come to rest. No real time passes.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Random } from './random.ts'

/** Who a task belongs to: tasks of the dead are never run. */
export interface Owner {
  readonly alive: boolean
}

/** The scheduler of one simulation. */
export interface Scheduler {
  /** Virtual time since the beginning, in milliseconds. */
  readonly elapsedMs: number
  /** Tasks that were run. */
  readonly steps: number
  /** Runs a task after a time. Answers what cancels it. */
  after(delayMs: number, owner: Owner, task: () => void): () => void
  /**
   * Runs tasks until a promise settles, and answers its value. Throws {@link Stuck} when there is nothing left to run
   * and it has not settled, or when it takes more steps than are allowed.
   */
  runUntil<T>(goal: Promise<T>): Promise<T>
}

/** A simulation that does not come to its end. */
export class Stuck extends Error {
  override readonly name = 'Stuck'
}

interface Task {
  readonly dueMs: number
  /** Decides among tasks that are due together. */
  readonly lot: number
  readonly owner: Owner
  run: (() => void) | undefined
}

/** A scheduler at time 0. `most`: steps after which a simulation counts as stuck. */
export function createScheduler(random: Random, { most = 1_000_000 }: { readonly most?: number } = {}): Scheduler {
  const heap: Task[] = []
  let elapsedMs = 0
  let steps = 0

  function takeNext(): Task | undefined {
    for (let task = pop(heap); task; task = pop(heap)) if (task.run && task.owner.alive) return task
    return undefined
  }

  return {
    get elapsedMs() {
      return elapsedMs
    },
    get steps() {
      return steps
    },
    after(delayMs, owner, run) {
      const task: Task = { dueMs: elapsedMs + Math.max(0, delayMs), lot: random.next(), owner, run }
      push(heap, task)
      return () => {
        task.run = undefined
      }
    },
    async runUntil(goal) {
      let settled = false
      const done = goal.finally(() => {
        settled = true
      })
      done.catch(() => {}) // Awaited below, but perhaps only many turns later.
      for (await nextTurn(); !settled; await nextTurn()) {
        const task = takeNext()
        if (!task) throw new Stuck(`nothing is left to run after ${steps} steps, and it has not finished`)
        if (steps >= most) throw new Stuck(`not finished after ${steps} steps`)
        steps += 1
        elapsedMs = Math.max(elapsedMs, task.dueMs)
        task.run?.()
      }
      return done
    },
  }
}

function isBefore(one: Task, other: Task): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.lot < other.lot)
}

function push(heap: Task[], task: Task): void {
  let index = heap.push(task) - 1
  while (index > 0) {
    const above = (index - 1) >> 1
    const parent = heap[above]
    if (!parent || !isBefore(task, parent)) break
    heap[index] = parent
    index = above
  }
  heap[index] = task
}

function pop(heap: Task[]): Task | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (!last || heap.length === 0) return first
  let index = 0
  for (;;) {
    let least = 2 * index + 1
    const left = heap[least]
    if (!left) break
    const right = heap[least + 1]
    if (right && isBefore(right, left)) least += 1
    const child = heap[least]
    if (!child || !isBefore(child, last)) break
    heap[index] = child
    index = least
  }
  heap[index] = last
  return first
}
