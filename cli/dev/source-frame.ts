/** Errors as people read them: places in the author's own sources, and the lines around the first of them. */

import { codeFrame } from '../../sandbox/bundle/code-frame.ts'
import type { DevFolder } from './dev-folder.ts'

const linesBefore = 2
const linesAfter = 1
/** A place that was mapped, at the end of a line: `    at handler (src/index.ts:12:5)`, `entryMs: 104, at src/index.ts:3:1`. */
const placePattern = /\bat (?:[^()]*\()?([^()\s]+?):(\d+):(\d+)\)?$/

/** The lines around the first place of a stack that lies in a file of the author's; undefined where there is none. */
export async function frameOf(stack: string, folder: Pick<DevFolder, 'read'>): Promise<string | undefined> {
  for (const text of stack.split('\n')) {
    const [, file = '', line, column] = placePattern.exec(text) ?? []
    if (file === '' || file.includes('node_modules/')) continue
    const source = await folder.read(file)
    if (source) return linesAround(source.toString('utf8'), Number(line), Number(column))
  }
  return undefined
}

function linesAround(source: string, line: number, column: number): string | undefined {
  const lines = source.split(/\r?\n/)
  const marked = lines[line - 1]
  if (marked === undefined) return undefined
  const last = Math.min(lines.length, line + linesAfter)
  const width = String(last).length
  const shown: string[] = []
  for (let each = Math.max(1, line - linesBefore); each <= last; each += 1) {
    // Of a line's frame the first is the line, the second its mark.
    const [text = '', mark = ''] = codeFrame(lines[each - 1] ?? '', { line: each, column: column - 1 }).split('\n')
    const pad = ' '.repeat(width - String(each).length)
    if (each === line) shown.push(`> ${pad}${text}`, `  ${pad}${mark}`)
    else shown.push(`  ${pad}${text}`)
  }
  return shown.join('\n')
}
