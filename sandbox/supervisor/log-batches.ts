/** Lines of sites' logs on their way to control: in batches, and no more of them than control takes. */

import { limits } from '../../core/limits.ts'
import type { SiteLogLine } from '../../core/supervisor-messages.ts'

/** Takes lines. */
export interface LogBatches {
  write(line: SiteLogLine): void
  /** Sends what waits. */
  flush(): void
}

/** Makes batches. `lost` is told how many lines were left out since it was last told, when there is place again. */
export function createLogBatches(send: (lines: SiteLogLine[]) => void, lost: (lines: number) => void): LogBatches {
  const { batchLines, batchMs, batchBytes } = limits.sandboxLog
  let lines: SiteLogLine[] = []
  let bytes = 0
  let left = 0
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (lines.length > 0) send(lines)
    lines = []
    bytes = 0
    if (left > 0) lost(left)
    left = 0
  }

  return {
    write(line) {
      // One batch at a time and so many a second: that is all that leaves here, however many sites write.
      if (lines.length >= batchLines || bytes > batchBytes) {
        left += 1
        return
      }
      lines.push(line)
      bytes += line.text.length
      timer ??= setTimeout(flush, batchMs)
    },
    flush,
  }
}
