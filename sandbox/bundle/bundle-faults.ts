/** What esbuild says of site code, as errors for its author. Pure. */

import type { Message } from 'esbuild'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { toPlainText } from '../../core/plain-text.ts'
import { codeFrame } from './code-frame.ts'
import { toSourceName } from './source-names.ts'

/** Why imports could not be resolved, better than esbuild can say it. Keyed by {@link importKey}. */
export type ImportReasons = ReadonlyMap<string, string>

/** One fault, for machines. */
export interface CodeFault {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  readonly text: string
}

/** The key of an import: who imports, and what. */
export function importKey(importer: string, specifier: string): string {
  return `${toSourceName(importer)}\0${specifier}`
}

/**
 * All faults as one `ERR_CODE`: `file:line:column: what`, and the line with a mark under the place, for each. `details`:
 * `{ faults }`, a list of {@link CodeFault}. `entry`: the module that the site's code begins with.
 */
export function toCodeError(messages: readonly Message[], entry: string, reasons: ImportReasons): GroveError {
  const shown = messages.slice(0, limits.bundle.faults)
  const more = messages.length - shown.length
  const texts = shown.map((message) => describe(message, entry, reasons))
  if (more > 0) texts.push(`and ${more} more`)
  const faults = shown.map((message) => toFault(message, entry, reasons))
  return new GroveError('ERR_CODE', texts.join('\n'), { details: { faults } })
}

/** Warnings, each as one text with its place. At most `limits.bundle.faults`. */
export function toWarnings(messages: readonly Message[], entry: string): string[] {
  return messages.slice(0, limits.bundle.faults).map((message) => describe(message, entry, new Map()))
}

function describe(message: Message, entry: string, reasons: ImportReasons): string {
  const { file, line, column, text } = toFault(message, entry, reasons)
  const { location } = message
  if (!location || line === 0) return `${file}: ${text}`
  const place = { line, column: column - 1, length: location.length }
  return `${file}:${line}:${column}: ${text}\n${codeFrame(location.lineText, place)}`
}

function toFault(message: Message, entry: string, reasons: ImportReasons): CodeFault {
  const { location } = message
  // The module that stands before the entry is ours; what is wrong there is that the entry exports nothing, or is not there.
  const isOurs = !location || location.file.startsWith('entry:')
  const file = isOurs ? entry : toSourceName(location.file)
  const place = isOurs ? { line: 0, column: 0 } : { line: location.line, column: charsOf(location) + 1 }
  return { file: toPlainText(file), ...place, text: toPlainText(textOf(message, isOurs, reasons)) }
}

/** esbuild counts columns in bytes of UTF-8; people, editors and the frame count characters. */
function charsOf({ lineText, column }: NonNullable<Message['location']>): number {
  return Buffer.from(lineText).subarray(0, column).toString('utf8').length
}

function textOf({ text, location }: Message, isOurs: boolean, reasons: ImportReasons): string {
  if (isOurs && text.startsWith('No matching export'))
    return 'it has no default export: expected "export default { async fetch(request, env, ctx) { … } }"'
  if (isOurs && text.startsWith('Could not resolve')) return 'there is no such file'
  const specifier = /^Could not resolve "(.*)"$/s.exec(text)?.[1]
  const reason = specifier === undefined ? undefined : reasons.get(importKey(location?.file ?? '', specifier))
  if (reason !== undefined) return reason
  if (text.startsWith('Could not resolve import(')) return 'an import whose path is put together cannot be bundled'
  if (text.includes('Top-level await'))
    return 'await at the top of a module is not available: await inside of the handler'
  const plain = text.replaceAll(/(?:tree|wasm|entry):/g, '').slice(0, 1_000)
  return plain.charAt(0).toLowerCase() + plain.slice(1)
}
