/** What a publisher should know about files that are in a version and are never served. */

import type { TreeFile } from '../store/trees/tree-file.ts'
import { isServed } from './compile.ts'

/** One sentence for each file of a tree that visitors never get. */
export function notServedNotes(files: readonly TreeFile[]): string[] {
  return files
    .filter(({ path }) => !isServed(path))
    .map(({ path }) => `${path} is kept in the version and is not served: its rules have no effect yet`)
}
