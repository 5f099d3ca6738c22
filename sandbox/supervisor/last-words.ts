/** What a process says on standard error: only the end of it is kept, and it is read at a bounded pace. */

import type { Readable } from 'node:stream'
import { limits } from '../../core/limits.ts'

/** The end of what was said. */
export interface LastWords {
  readonly text: string
  /** Resolves when all is read, or after a moment: the pipe of a process that is gone is soon empty. */
  settled(): Promise<void>
}

const windowMs = 100
const windowBytes = 65_536
const settleMs = 100

/** Begins to read. A flood is read slowly: whoever makes it waits. */
export function keepLastWords(errors: Readable): LastWords {
  let kept: Buffer = Buffer.alloc(0)
  let bytes = 0
  let hold: NodeJS.Timeout | undefined
  const isOver = Promise.withResolvers<void>()
  errors.on('data', (piece: Buffer) => {
    kept = Buffer.concat([kept, piece]).subarray(-limits.sandboxTenant.lastWordsBytes)
    bytes += piece.length
    if (bytes < windowBytes || hold) return
    errors.pause()
    hold = setTimeout(() => {
      hold = undefined
      bytes = 0
      errors.resume()
    }, windowMs)
  })
  errors.on('error', () => isOver.resolve())
  errors.on('close', () => isOver.resolve())
  errors.on('end', () => isOver.resolve())
  return {
    get text() {
      return kept.toString('utf8')
    },
    async settled() {
      const timer = setTimeout(isOver.resolve, settleMs)
      await isOver.promise
      clearTimeout(timer)
      clearTimeout(hold)
      errors.destroy()
    },
  }
}
