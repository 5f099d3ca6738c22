/** What a publisher should know about files that are in a version and have no effect. */

import type { TreeFile } from '../store/trees/tree-file.ts'

/** Files of other hosts, at the root of a tree, that nothing is done with yet. */
const withoutEffect: ReadonlySet<string> = new Set(['_headers', '_redirects'])

/** One sentence for each file of a tree that visitors never get and that does nothing. */
export function notServedNotes(files: readonly TreeFile[]): string[] {
  return files
    .filter(({ path }) => withoutEffect.has(path))
    .map(({ path }) => `${path} is kept in the version and is not served: its rules have no effect yet`)
}
