/** What a loaded code tells the supervisor, within bounds: lines of the log, and what requests have used. */

import { frameTypes } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import type { LogLine, RequestUsage } from '../../core/sandbox-messages.ts'

/** Reports of use that are sent in a second; more of them would say nothing that the first do not. */
const usagePerSecond = 50

/** The way to the supervisor, as codes use it. */
export interface SupervisorPort {
  readonly link: FrameLink
  log(line: LogLine): void
  /** Answers whether a report would be sent now, so that none is made in vain. */
  wantsUsage(): boolean
  usage(usage: RequestUsage): void
}

/** Makes the way to the supervisor. */
export function createSupervisorPort(link: FrameLink): SupervisorPort {
  let reports = usagePerSecond
  let countedAtMs = performance.now()
  return {
    link,
    log: (line) => {
      link.write(frameTypes.log, 0, JSON.stringify(line))
    },
    wantsUsage() {
      const nowMs = performance.now()
      reports = Math.min(usagePerSecond, reports + ((nowMs - countedAtMs) / 1_000) * usagePerSecond)
      countedAtMs = nowMs
      return reports >= 1
    },
    usage(usage) {
      reports--
      link.write(frameTypes.usage, 0, JSON.stringify(usage))
    },
  }
}
