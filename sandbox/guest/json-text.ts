/**
 * JSON for the bridge, of plain values that the prelude made. `JSON.stringify` would call a `toJSON` that a site has put on
 * `Object.prototype` or `Array.prototype`; this looks at nothing but the values themselves.
 */

import { arrays, json, objects } from './primordials.ts'

/** JSON of strings, finite numbers, booleans, null, arrays and plain objects of these; members that are undefined are left out. */
export function jsonOf(value: unknown): string {
  if (typeof value === 'string') return json.stringify(value)
  if (typeof value !== 'object' || value === null) return `${value as number | boolean | null}`
  if (arrays.isArray(value)) return listText(value)
  const keys = objects.keys(value)
  let text = '{'
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string
    const member = (value as Readonly<Record<string, unknown>>)[key]
    if (member !== undefined) text += `${text === '{' ? '' : ','}${json.stringify(key)}:${jsonOf(member)}`
  }
  return `${text}}`
}

function listText(list: readonly unknown[]): string {
  let text = '['
  for (let index = 0; index < list.length; index++)
    text += index === 0 ? jsonOf(list[index]) : `,${jsonOf(list[index])}`
  return `${text}]`
}
