/** A line of source with a mark under a place, for people. Pure. */

import { limits } from '../../core/limits.ts'
import { toPlainText } from '../../core/plain-text.ts'

/** A place in a source file. */
export interface SourcePlace {
  /** From 1. */
  readonly line: number
  /** From 0, in characters of the line. */
  readonly column: number
  /** How many characters are marked. @default 1 */
  readonly length?: number
}

const tabWidth = 2

/**
 * The line with its number, and the mark below it. Of a long line, as minified files have, only the part around the
 * place; control characters are replaced, since the text is a stranger's and goes to a terminal.
 */
export function codeFrame(lineText: string, { line, column, length = 1 }: SourcePlace): string {
  const most = limits.bundle.lineChars
  const start = column < most - 20 ? 0 : column - Math.floor(most / 2)
  const shown = lineText.slice(start, start + most)
  const before = toShown(`${start > 0 ? '…' : ''}${shown.slice(0, column - start)}`)
  const marked = Math.max(1, Math.min(length, shown.length - (column - start)))
  const gutter = `${line} | `
  const text = `${start > 0 ? '…' : ''}${shown}${start + most < lineText.length ? '…' : ''}`
  const first = `${gutter}${toShown(text)}`.trimEnd()
  return `${first}\n${' '.repeat(gutter.length - 2)}| ${' '.repeat(before.length)}${'^'.repeat(marked)}`
}

function toShown(text: string): string {
  return toPlainText(text.replaceAll('\t', ' '.repeat(tabWidth)))
}
