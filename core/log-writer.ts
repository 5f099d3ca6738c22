/**
 * Writing log lines to an output that may stall, fill up or go away, without ever waiting for it.
 *
 * Whoever reads the log may stop reading (`grove serve | less`), the disk of a log file may be full, the reader may be
 * gone. None of these may hold up a visitor or a stop: lines wait in a bounded queue, and what does not fit is dropped
 * and counted. The count is told when the output takes lines again.
 */

import { limits } from './limits.ts'

/** What a writer is made with. */
export interface LogWriterOptions {
  /** Writes bytes and answers how many were taken, or throws: with `EAGAIN` when it would have to wait. */
  readonly write: (bytes: Buffer) => number
  /** Called when the output takes lines again after so many were lost. */
  readonly dropped: (lines: number) => void
  /** What may wait, in bytes. @default limits.log.queuedBytes */
  readonly queuedBytes?: number
}

/** Takes lines for an output. */
export interface LogWriter {
  /** Takes one line, its newline included. It is written after this turn of the event loop. */
  write(line: string): void
  /** Writes at once what the output takes at once, and answers whether nothing waits any more. Never throws. */
  flush(): boolean
}

/** POSIX makes one write of so many bytes to a pipe atomic (PIPE_BUF), so lines of several processes never mix. */
const atomicBytes = 4_096

const newline = 0x0a

/** Makes a writer. */
export function createLogWriter({ write, dropped, queuedBytes = limits.log.queuedBytes }: LogWriterOptions): LogWriter {
  let lines: Buffer[] = []
  let waitingBytes = 0
  let lost = 0
  /** What is being written: some lines, or what is left of them. */
  let piece: Buffer | undefined
  /** Whether the output ends in the middle of a line. */
  let torn = false
  /** Whether the next try has its time. */
  let scheduled = false

  function flush(): boolean {
    scheduled = false
    try {
      for (piece ??= next(); piece; piece = next()) {
        while (piece.length > 0) piece = advance(piece)
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        scheduled = true
        setTimeout(flush, limits.log.retryMs).unref()
        return false
      }
      loseAll()
      return true
    }
    if (lost > 0) {
      const count = lost
      lost = 0
      dropped(count)
    }
    return lines.length === 0
  }

  /** As many whole lines as fit one write; a longer line alone. */
  function next(): Buffer | undefined {
    let count = 0
    let bytes = 0
    for (const { length } of lines) {
      if (count > 0 && bytes + length > atomicBytes) break
      count += 1
      bytes += length
    }
    if (count === 0) return undefined
    waitingBytes -= bytes
    const some = lines.splice(0, count)
    return Buffer.concat(torn ? [Buffer.of(newline), ...some] : some)
  }

  /** Writes some of a piece and answers the rest. */
  function advance(from: Buffer): Buffer {
    const taken = write(from.subarray(0, atomicBytes))
    if (taken > 0) torn = from[taken - 1] !== newline
    return from.subarray(taken)
  }

  /** The output is full or gone. The next line tries it again. */
  function loseAll(): void {
    lost += lines.length + (piece?.filter((byte) => byte === newline).length ?? 0)
    lines = []
    waitingBytes = 0
    piece = undefined
  }

  return {
    flush,
    write(line) {
      const bytes = Buffer.from(line)
      if (waitingBytes + bytes.length > queuedBytes) {
        lost += 1
        return
      }
      lines.push(bytes)
      waitingBytes += bytes.length
      if (scheduled) return
      scheduled = true
      setImmediate(flush)
    },
  }
}
