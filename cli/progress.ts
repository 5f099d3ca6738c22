/** One line that shows how far something long is, on a terminal only: a pipe or a log gets nothing. */

import { formatBytes, formatCount } from './human-text.ts'
import type { Terminal } from './terminal.ts'

/** A progress line. Disposing takes it away. */
export interface Progress extends Disposable {
  /** Begins a phase that has `totalBytes` to do; 0 where nobody knows how much it is. */
  begin(label: string, totalBytes: number): void
  /** Tells that so many bytes more are done. */
  add(bytes: number): void
}

const redrawMs = 100
const barChars = 24

/** A progress line on the terminal's error stream. */
export function createProgress({ stderr }: Terminal): Progress {
  if (stderr.isTTY !== true) return { begin() {}, add() {}, [Symbol.dispose]() {} }
  let label = ''
  let totalBytes = 0
  let doneBytes = 0
  let drawnAtMs = Number.NEGATIVE_INFINITY
  const draw = () => {
    const share = Math.min(doneBytes / totalBytes, 1)
    const bar = '='.repeat(Math.round(share * barChars)).padEnd(barChars)
    const done = `[${bar}] ${Math.floor(share * 100)} % of ${formatBytes(totalBytes)}`
    const line = totalBytes === 0 ? `${label} …` : `${label} ${done}`
    stderr.write(`\r\x1b[K${line.slice(0, (stderr.columns ?? 80) - 1)}`)
    drawnAtMs = performance.now()
  }
  return {
    begin(nextLabel, nextTotalBytes) {
      label = nextLabel
      totalBytes = nextTotalBytes
      doneBytes = 0
      draw()
    },
    add(bytes) {
      doneBytes += bytes
      if (performance.now() - drawnAtMs >= redrawMs) draw()
    },
    [Symbol.dispose]() {
      stderr.write('\r\x1b[K')
    },
  }
}

/** A line of which the end is not known. Disposing takes it away. */
export interface Tally extends Disposable {
  /** Shows how far it is. */
  show(done: { readonly what: string; readonly objects: number; readonly bytes: number }): void
}

/** A line on the terminal's error stream that counts what is done. */
export function createTally({ stderr }: Terminal): Tally {
  if (stderr.isTTY !== true) return { show() {}, [Symbol.dispose]() {} }
  let drawnAtMs = Number.NEGATIVE_INFINITY
  return {
    show({ what, objects, bytes }) {
      if (performance.now() - drawnAtMs < redrawMs) return
      drawnAtMs = performance.now()
      const line = `${what}: ${formatCount(objects, 'object')}, ${formatBytes(bytes)}`
      stderr.write(`\r\x1b[K${line.slice(0, (stderr.columns ?? 80) - 1)}`)
    },
    [Symbol.dispose]() {
      stderr.write('\r\x1b[K')
    },
  }
}
