/** Bundles an upload in this process. Not for uploads of strangers: see bundle-tree.ts. */

import type { Bundle, BundleOptions, ReadTree } from './bundle.ts'
import { compileBundle } from './compile-bundle.ts'
import { readTsconfig } from './site-tsconfig.ts'
import { createSourceReader } from './source-reader.ts'
import { createTreePlugin, type Gathered } from './tree-plugin.ts'

/** Bundles what begins with a file of an upload. Rejects with `ERR_CODE`. */
export async function bundleHere(options: BundleOptions, readTree: ReadTree): Promise<Bundle> {
  const reader = createSourceReader(readTree)
  const gathered: Gathered = { reasons: new Map(), wasm: new Map() }
  return compileBundle({
    ...options,
    gathered,
    plugin: createTreePlugin(options.entry, reader, gathered),
    where: { entryPoints: ['entry'], absWorkingDir: '/', tsconfigRaw: await readTsconfig(reader) },
  })
}
