/**
 * Watching one process from outside: its memory, and whether its event loop turns. It is the third watchdog, for what
 * the engine and the process's own thread did not end, so its bounds lie above theirs.
 *
 * Time alone tells nothing on a busy machine: a process that was given no CPU gives no sign of life either. So a
 * process is taken for stuck when it has used CPU and still said nothing, or after very long; and only when two looks
 * in a row say so, because signs of life may lie unread while the supervisor itself was held up.
 */

import { limits } from '../../core/limits.ts'
import type { ProcessEnd } from './process-end.ts'
import type { ProcessStats } from './process-stats.ts'

/** What is watched in one process. */
export interface Watch {
  /** A sign of life has come. */
  beat(nowMs: number): void
  /**
   * Looks at what the kernel says; `isHeld`: whether we ourselves do not read what it says. Answers why it must end,
   * undefined if it may live.
   */
  look(stats: ProcessStats, nowMs: number, bounds: WatchBounds): ProcessEnd | undefined
}

/** What holds at the moment. */
export interface WatchBounds {
  readonly memoryBytes: number
  readonly isHeld: boolean
  /** Whether there is no code in it, so that it has nothing to do. */
  readonly isEmpty: boolean
}

/** Why a process that has nothing to do must end: it gets a start, and then what waiting costs. */
function emptyFault(cpuMs: number, forMs: number): ProcessEnd | undefined {
  const most = Math.round(limits.sandboxProcess.emptyCpuMs + forMs / 10)
  if (cpuMs <= most) return undefined
  return { reason: 'cpu', detail: `cpu: ${cpuMs} ms with no code to run, at most ${most}` }
}

/** Begins to watch. */
export function createWatch(startedAtMs: number): Watch {
  const { beatlessCpuMs, silentMs } = limits.sandboxProcess
  let beatAtMs = startedAtMs
  let hasBeaten = true
  let cpuAtBeatMs = 0
  let isSuspect = false
  /** When the process became empty, and its CPU then. */
  let emptyFrom: { readonly atMs: number; readonly cpuMs: number } | undefined

  function faultOf({ rssBytes, cpuMs }: ProcessStats, nowMs: number, bounds: WatchBounds): ProcessEnd | undefined {
    if (rssBytes > bounds.memoryBytes)
      return { reason: 'memory', detail: `memory: ${rssBytes} bytes, at most ${bounds.memoryBytes}` }
    const quietMs = Math.round(nowMs - beatAtMs)
    const cpuSinceMs = cpuMs - cpuAtBeatMs
    if (!bounds.isHeld && quietMs > beatlessCpuMs && cpuSinceMs > beatlessCpuMs)
      return { reason: 'cpu', detail: `cpu: ${cpuSinceMs} ms without a sign of life, at most ${beatlessCpuMs}` }
    if (!bounds.isHeld && quietMs > silentMs)
      return { reason: 'silent', detail: `no sign of life for ${quietMs} ms, at most ${silentMs}` }
    return emptyFrom && emptyFault(cpuMs - emptyFrom.cpuMs, nowMs - emptyFrom.atMs)
  }

  return {
    beat(nowMs) {
      beatAtMs = nowMs
      hasBeaten = true
    },
    look(stats, nowMs, bounds) {
      if (hasBeaten) cpuAtBeatMs = stats.cpuMs
      hasBeaten = false
      if (!bounds.isEmpty) emptyFrom = undefined
      else emptyFrom ??= { atMs: nowMs, cpuMs: stats.cpuMs }
      const fault = faultOf(stats, nowMs, bounds)
      // Memory is what it is; about silence one look may be wrong.
      if (fault === undefined || fault.reason === 'memory' || isSuspect) {
        isSuspect = false
        return fault
      }
      isSuspect = true
      return undefined
    },
  }
}
