/**
 * `console.table`: the rows of an object as lines of columns.
 */

import { bounds } from './bounds.ts'
import { isObject, toDOMString, toSequence } from './convert.ts'
import { inspect } from './inspect.ts'
import { arrays, maps, numbers, objects, strings } from './primordials.ts'

const indexTitle = '(index)'
const valuesTitle = 'Values'
const cellChars = 100

/** A table of at most `maxChars`, or undefined when there is nothing to lay out. `only` are the columns that are wanted. */
export function consoleTable(data: object, only: unknown, maxChars: number): string | undefined {
  const wanted = only === undefined ? undefined : toSequence(only, toDOMString, 'the columns of a table')
  const keys = objects.keys(data)
  const titles = [indexTitle]
  const known = new Map<string, number>()
  for (let index = 0; wanted !== undefined && index < wanted.length; index++) addColumn(wanted[index] as string)
  let hasValues = false
  const rows: { readonly key: string; readonly cells: Map<string, string>; readonly value: string | undefined }[] = []
  for (let index = 0; index < keys.length && index < bounds.inspectEntries; index++) {
    const key = keys[index] as string
    const row = (data as Record<string, unknown>)[key]
    const cells = new Map<string, string>()
    const names = isObject(row) ? objects.keys(row) : []
    for (let place = 0; place < names.length && place < bounds.inspectEntries; place++) {
      const name = names[place] as string
      if (wanted === undefined) addColumn(name)
      if (maps.has(known, name)) maps.set(cells, name, cell((row as Record<string, unknown>)[name]))
    }
    const value = isObject(row) ? undefined : cell(row)
    hasValues ||= value !== undefined
    arrays.push(rows, { key, cells, value })
  }
  if (rows.length === 0) return undefined
  const head = arrays.slice(titles)
  if (hasValues) arrays.push(head, valuesTitle)
  const lines = [head]
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]
    if (row === undefined) continue
    const line = [strings.slice(row.key, 0, cellChars)]
    for (let place = 1; place < titles.length; place++)
      arrays.push(line, maps.get(row.cells, titles[place] as string) ?? '')
    if (hasValues) arrays.push(line, row.value ?? '')
    arrays.push(lines, line)
  }
  return strings.slice(layOut(lines), 0, maxChars)

  function addColumn(name: string): void {
    if (maps.has(known, name) || titles.length > bounds.inspectEntries) return
    maps.set(known, name, titles.length)
    arrays.push(titles, name)
  }
}

function cell(value: unknown): string {
  const text = typeof value === 'string' ? `'${strings.slice(value, 0, cellChars)}'` : inspect(value, cellChars, 0)
  return arrays.join(strings.split(text, '\n'), ' ')
}

function layOut(lines: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (let row = 0; row < lines.length; row++)
    for (let column = 0; column < (lines[row]?.length ?? 0); column++)
      widths[column] = numbers.max(widths[column] ?? 0, lines[row]?.[column]?.length ?? 0)
  const texts: string[] = []
  for (let row = 0; row < lines.length; row++) {
    const cells: string[] = []
    for (let column = 0; column < widths.length; column++)
      arrays.push(cells, pad(lines[row]?.[column] ?? '', widths[column] ?? 0))
    arrays.push(texts, `│ ${arrays.join(cells, ' │ ')} │`)
  }
  return arrays.join(texts, '\n')
}

function pad(text: string, width: number): string {
  return text + strings.repeat(' ', width - text.length)
}
