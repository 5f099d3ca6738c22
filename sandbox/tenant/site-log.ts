/** The log of a site's code, as far as its process writes it: within bounds, so that nobody drowns in it. */

import { limits as bounds } from '../../core/limits.ts'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import type { LogLine } from '../../core/sandbox-messages.ts'
import { faults, logLevels } from '../bridge.ts'
import type { Breach, LoadError } from '../engine.ts'
import type { Exchange } from './exchange.ts'
import { describeBreach, describeError } from './failures.ts'
import type { SupervisorPort } from './supervisor-port.ts'

type Level = LogLine['level']

const levels: Readonly<Record<number, Level>> = {
  [logLevels.debug]: 'debug',
  [logLevels.info]: 'info',
  [logLevels.warn]: 'warn',
  [logLevels.error]: 'error',
}

/** The log of one code. */
export interface SiteLog {
  /** `ops.log`: a line of the site's own. */
  line(exchange: Exchange | undefined, level: number, text: string): number
  /** An error of the site's code. */
  error(exchange: Exchange | undefined, text: string): void
  breach(exchange: Exchange, breach: Breach): void
  loadFailed(error: LoadError): void
  /** What a request has used, when it ends. */
  used(exchange: Exchange): void
}

/** Makes it. */
export function createSiteLog(version: number, limits: SandboxLimits, supervisor: SupervisorPort): SiteLog {
  /** Lines that may be written now; a minute fills it up. */
  let lines = limits.logLinesPerMinute
  let countedAtMs = performance.now()
  let isCut = false
  const loading = { logLines: 0, logBytes: 0 }

  /** Whether the site may write one more line. The first that it may not is told. */
  function count(): boolean {
    const nowMs = performance.now()
    lines = Math.min(limits.logLinesPerMinute, lines + ((nowMs - countedAtMs) / 60_000) * limits.logLinesPerMinute)
    countedAtMs = nowMs
    if (lines >= 1) {
      lines--
      isCut = false
      return true
    }
    if (!isCut) write(undefined, 'warn', notice('logLinesPerMinute', limits.logLinesPerMinute))
    isCut = true
    return false
  }

  function write(exchange: Exchange | undefined, level: Level, text: string): void {
    const request = exchange?.head.id
    supervisor.log({
      version,
      ...(request !== undefined && { request }),
      level,
      text: text.slice(0, bounds.sandboxTenant.logBytes),
    })
  }

  return {
    line(exchange, level, text) {
      const counts = exchange ?? loading
      const isOver = counts.logLines >= limits.logLines
      if (counts.logBytes > limits.logBytes) return faults.spent
      counts.logLines++
      counts.logBytes += text.length
      if (isOver || counts.logBytes > limits.logBytes) {
        counts.logBytes = limits.logBytes + 1
        const bound = isOver ? 'logLines' : 'logBytes'
        if (count()) write(exchange, 'warn', notice(bound, limits[bound]))
        return faults.spent
      }
      if (!count()) return faults.spent
      write(exchange, levels[level] ?? 'info', text)
      return 0
    },
    error(exchange, text) {
      if (count()) write(exchange, 'error', text)
    },
    breach(exchange, breach) {
      if (count()) write(exchange, 'error', `limit reached: ${describeBreach(breach)}`)
    },
    loadFailed(error) {
      if (count()) write(undefined, 'error', `the code could not be loaded again: ${describeError(error.error)}`)
    },
    used(exchange) {
      if (!supervisor.wantsUsage()) return
      const { head, isolate, id, startedAtMs, subrequests, status, failure } = exchange
      supervisor.usage({
        version,
        request: head.id,
        cpuMs: isolate?.cpuMs(id) ?? 0,
        wallMs: performance.now() - startedAtMs,
        heapBytes: isolate?.memoryBytes() ?? 0,
        subrequests,
        ...(status !== undefined && { status }),
        ...(failure !== undefined && { failure }),
      })
    },
  }
}

function notice(bound: string, value: number): string {
  return `limit reached: ${bound}: more than ${value}; further lines are left out`
}
