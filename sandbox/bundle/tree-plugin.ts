/** esbuild's imports and files, all of them taken from an upload: it never looks at a disk. */

import { hash } from 'node:crypto'
import type { OnLoadResult, OnResolveArgs, OnResolveResult, Plugin } from 'esbuild'
import { limits } from '../../core/limits.ts'
import { wasmName } from '../bridge.ts'
import { importKey } from './bundle-faults.ts'
import { loaderOf } from './loaders.ts'
import { type Resolved, resolveImport } from './resolve-import.ts'
import type { SourceReader } from './source-reader.ts'

/** What a plugin gathers while it works. */
export interface Gathered {
  /** Why imports led nowhere. Keyed by `importKey`. */
  readonly reasons: Map<string, string>
  /** Modules of WebAssembly. Keyed by name. */
  readonly wasm: Map<string, Uint8Array>
}

/** The module that stands before the entry: a site's code has a default export, or it cannot be bundled. */
export function entryText(specifier: string): string {
  return `export { default } from ${JSON.stringify(specifier)}`
}

/** What a module of WebAssembly is called that code imports from a path: the path, or its hash if it is long. */
export function wasmNameOf(path: string): string {
  return path.length <= limits.bundle.wasmNameChars ? path : `${hash('sha256', path)}.wasm`
}

/** The text of a module that gives a module of WebAssembly. */
export function wasmText(name: string): string {
  return `export default ${wasmName}(${JSON.stringify(name)})`
}

/** The entry, as the module before it imports it. */
const entrySpecifier = 'site:entry'

/** The plugin for a bundle that begins with the file `entry`. */
export function createTreePlugin(entry: string, reader: SourceReader, { reasons, wasm }: Gathered): Plugin {
  const resolve = async (args: OnResolveArgs): Promise<OnResolveResult | undefined> => {
    const { path, importer, kind, with: attributes } = args
    if (kind === 'entry-point') return { path: 'entry', namespace: 'entry' }
    const resolved = await whereTo(path, importer, kind === 'require-call' || kind === 'require-resolve')
    if ('path' in resolved) {
      const namespace = resolved.path.endsWith('.wasm') ? 'wasm' : 'tree'
      return {
        path: resolved.path,
        namespace,
        pluginData: attributes['type'],
        ...(resolved.isPure && { sideEffects: false }),
      }
    }
    if ('empty' in resolved) return { path: `${path} (empty)`, namespace: 'empty' }
    if ('refused' in resolved) return { errors: [{ text: resolved.refused }] }
    // esbuild's own error has the place, and is none where the code guards the import. It knows of no folder to look in.
    reasons.set(importKey(importer, path), resolved.missing)
    return undefined
  }

  const whereTo = (specifier: string, importer: string, isRequire: boolean): Promise<Resolved> =>
    specifier === entrySpecifier
      ? Promise.resolve({ path: entry, isPure: false })
      : resolveImport({ specifier, importer, isRequire }, reader)

  const load = async (path: string, type: unknown): Promise<OnLoadResult> => {
    const loader = loaderOf(path, typeof type === 'string' ? type : undefined)
    if (loader === undefined)
      return { errors: [{ text: `"${path}" is of no kind that code can import: import it with { type: 'text' }` }] }
    const contents = await reader.read(path)
    return contents ? { contents, loader } : { errors: [{ text: 'there is no such file' }] }
  }

  return {
    name: 'grove-tree',
    setup(build) {
      build.onResolve({ filter: /.*/ }, resolve)
      build.onLoad({ filter: /.*/, namespace: 'entry' }, () => ({ contents: entryText(entrySpecifier), loader: 'js' }))
      build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {}', loader: 'js' }))
      build.onLoad({ filter: /.*/, namespace: 'tree' }, ({ path, pluginData }) => load(path, pluginData))
      build.onLoad({ filter: /.*/, namespace: 'wasm' }, async ({ path }) => {
        const name = wasmNameOf(path)
        wasm.set(name, (await reader.read(path)) ?? new Uint8Array())
        return { contents: wasmText(name), loader: 'js' }
      })
    },
  }
}
