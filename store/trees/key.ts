/**
 * Keys: what files of a tree are sorted by.
 *
 * In this order everything in a folder follows its name at once: a file and files under it would be neighbours, and so
 * would two paths that differ by case. That is how a change is checked by looking at the neighbours of what it brings.
 */

import { clashKey } from '../../core/site-path.ts'

/**
 * A path's key: its {@link clashKey} with U+0000 for `/`, which sorts it before every character that a path can have.
 * Keys are compared by UTF-16 code units, as JavaScript does. Two files of one tree never have equal keys.
 */
export type TreeKey = string

/** The key of a path. */
export function keyOf(path: string): TreeKey {
  return clashKey(path).replaceAll('/', '\0')
}

/** A key as it is written into a node. */
export function textOfKey(key: TreeKey): string {
  return key.replaceAll('\0', '/')
}

/** A key as it was written. */
export function keyOfText(text: string): TreeKey {
  return text.replaceAll('/', '\0')
}

/** Whether a key lies under another one, which would have to be a folder. */
export function liesUnder(key: TreeKey, folder: TreeKey): boolean {
  return key.length > folder.length && key[folder.length] === '\0' && key.startsWith(folder)
}

/** Below 0 if `a` comes first, above 0 if `b` does. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The place of the first item whose key is not less than `key`; the length if there is none. */
export function placeOf(items: readonly { readonly key: TreeKey }[], key: TreeKey): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && item.key < key) low = middle + 1
    else high = middle
  }
  return low
}
