/**
 * How inspected values are written: brackets, lines and quotes.
 */

import { arrays, numbers, strings } from './primordials.ts'

/** What is longer, or has several lines, is broken into lines. */
const lineChars = 72

/** Items in brackets: on one line if they fit, else one a line. */
export function frame(prefix: string, open: string, items: readonly string[], close: string): string {
  if (items.length === 0) return `${prefix}${open}${close}`
  let size = prefix.length
  let lines = false
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as string
    size += item.length + 2
    if (strings.includes(item, '\n')) lines = true
  }
  if (!lines && size <= lineChars) return `${prefix}${open} ${arrays.join(items, ', ')} ${close}`
  return `${prefix}${open}\n  ${indent(arrays.join(items, ',\n'))}\n${close}`
}

/** Every line but the first set in. */
export function indent(text: string): string {
  return strings.includes(text, '\n') ? arrays.join(strings.split(text, '\n'), '\n  ') : text
}

/** A string as a literal, in the quotes that it does not contain, with control characters escaped. */
export function quote(text: string): string {
  const mark = !strings.includes(text, "'") ? "'" : !strings.includes(text, '"') ? '"' : '`'
  let result = ''
  let from = 0
  for (let index = 0; index < text.length; index++) {
    const unit = strings.charCodeAt(text, index)
    const escaped =
      unit === 0x0a ? '\\n' : unit === 0x0d ? '\\r' : unit === 0x09 ? '\\t' : unit === 0x5c ? '\\\\' : undefined
    const control = escaped ?? (unit < 0x20 || unit === 0x7f ? `\\x${hex(unit)}` : undefined)
    if (control === undefined) continue
    result += strings.slice(text, from, index) + control
    from = index + 1
  }
  return `${mark}${result}${strings.slice(text, from)}${mark}`
}

function hex(unit: number): string {
  return strings.padStart(numbers.toString(unit, 16), 2, '0')
}
