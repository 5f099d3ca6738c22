/** What a tenant process says of itself, on no stream: signs of life, lines of its log, reports of use. */

import { limits } from '../../core/limits.ts'
import { frameTypes } from '../../core/sandbox-frames.ts'
import {
  type LogLine,
  logSchema,
  type RequestUsage,
  readJson,
  requestUsageSchema,
} from '../../core/sandbox-messages.ts'
import { createRate } from './rate.ts'

/** What is told of it. */
export interface OwnFramesOptions {
  readonly beat: (nowMs: number) => void
  readonly log: (line: LogLine) => void
  /** So many lines were left out because there were too many; told at most once a second. */
  readonly logLost: (lines: number) => void
  readonly usage: (usage: RequestUsage) => void
}

/** Makes what takes such frames: it answers what is wrong with one, undefined if nothing is. */
export function createOwnFrames(options: OwnFramesOptions): (type: number, payload: Buffer) => string | undefined {
  const { logBurst, logPerSecond } = limits.sandboxTenant
  const lines = createRate(logBurst, logPerSecond)
  const notices = createRate(1, 1)
  let lost = 0

  function takeLog(payload: Buffer): string | undefined {
    const line = readJson(logSchema, payload)
    if (!line) return 'a line of the log that is none'
    const nowMs = performance.now()
    if (lines.take(nowMs)) options.log(line)
    else {
      lost += 1
      if (!notices.take(nowMs)) return undefined
      options.logLost(lost)
      lost = 0
    }
    return undefined
  }

  function takeUsage(payload: Buffer): string | undefined {
    const usage = readJson(requestUsageSchema, payload)
    if (!usage) return 'a report of use that is none'
    options.usage(usage)
    return undefined
  }

  return (type, payload) => {
    switch (type) {
      case frameTypes.beat:
        if (payload.length > 0) return 'a sign of life with a payload'
        options.beat(performance.now())
        return undefined
      case frameTypes.log:
        return takeLog(payload)
      case frameTypes.usage:
        return takeUsage(payload)
      default:
        return `a frame of type ${type} without a stream`
    }
  }
}
