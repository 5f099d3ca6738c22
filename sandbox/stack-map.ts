/**
 * Places in a site's bundle as places in what its author wrote: in stacks of errors, and wherever else a line of the log
 * names one.
 *
 * Only an author ever sees the result. It names files by their paths in the upload: neither the stack nor the map that
 * our bundles come with knows where anything lies on a machine, and frames of Grove's own are left out.
 */

import { SourceMap } from 'node:module'
import { limits } from '../core/limits.ts'
import { toPlainText } from '../core/plain-text.ts'
import { siteFilename } from './bridge.ts'

/** A place in a source file, from 1 as editors count. */
export interface SourcePosition {
  /** By its path in the upload. */
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Maps places of one bundle. */
export interface StackMap {
  /**
   * A text with every place in the bundle (`grove:site:1:234`) as `src/index.ts:12:5`, and without frames of Grove's own.
   * A place that is in no source keeps only the bundle's name. Texts beyond `limits.stack` are cut.
   */
  map(text: string): string
  /** The source of a place in the bundle, line and column from 1; undefined where there is none. */
  find(line: number, column: number): SourcePosition | undefined
}

const placePattern = new RegExp(`${siteFilename}:(\\d{1,9}):(\\d{1,9})`, 'g')
/** Frames that are not the site's: the prelude's, the engine's, and whatever is a file of this machine. */
const ourFramePattern = /^\s+at .*(?:grove:prelude|<isolated-vm|node:|file:\/\/|\((?:[A-Za-z]:)?[\\/])/

/** What the bundle is called where a place in it has no source. */
const bundleName = 'bundle'

/** A map of a bundle's stacks by its source map (JSON). It is parsed when the first place is asked for; one that is broken maps nothing. */
export function createStackMap(map: string): StackMap {
  let parsed: SourceMap | null | undefined

  const find = (line: number, column: number): SourcePosition | undefined => {
    parsed ??= parseMap(map)
    if (!parsed || line < 1 || column < 1) return undefined
    // Node's own reader of source maps: it counts from 0, and answers the entry before a place, be it on another line.
    const entry = parsed.findEntry(line - 1, column - 1)
    if (!('originalSource' in entry) || entry.generatedLine !== line - 1) return undefined
    if (typeof entry.originalSource !== 'string' || entry.originalSource === '') return undefined
    // A package's own map is part of ours, and says what it likes.
    return { file: toPlainText(entry.originalSource), line: entry.originalLine + 1, column: entry.originalColumn + 1 }
  }

  return {
    find,
    map(text) {
      const lines = text.slice(0, limits.stack.chars).split('\n').slice(0, limits.stack.lines)
      return lines
        .filter((line) => !ourFramePattern.test(line))
        .join('\n')
        .replace(placePattern, (_, line: string, column: string) => {
          const found = find(Number(line), Number(column))
          return found ? `${found.file}:${found.line}:${found.column}` : `${bundleName}:${line}:${column}`
        })
    },
  }
}

function parseMap(map: string): SourceMap | null {
  try {
    return new SourceMap(JSON.parse(map))
  } catch {
    return null
  }
}
