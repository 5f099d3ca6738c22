/**
 * Bundles site code from a folder of its author's, as `grove publish` and `grove dev` do it: with the packages, the
 * `tsconfig.json` and the links of the author's project. Where the files lie is not told in the bundle or its map.
 */

import { readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { OnResolveArgs, OnResolveResult, Plugin } from 'esbuild'
import type { Bundle, BundleOptions } from './bundle.ts'
import { importKey } from './bundle-faults.ts'
import { compileBundle } from './compile-bundle.ts'
import { loaders } from './loaders.ts'
import { foreignReason, packageReason } from './resolve-import.ts'
import { toSourceName } from './source-names.ts'
import { entryText, type Gathered, wasmNameOf, wasmText } from './tree-plugin.ts'

/** Bundles what begins with a file of a folder. Rejects with `ERR_CODE`. */
export async function bundleFolder(folder: string, options: BundleOptions): Promise<Bundle> {
  return bundle(folder, options)
}

/**
 * Bundles to one module, which can be bundled again without the packages that it was made of. Modules of WebAssembly stay
 * imports; `wasmPath` says from where, by their names. Its map is put into it. Rejects with `ERR_CODE`.
 */
export async function bundleModule(
  folder: string,
  options: BundleOptions,
  wasmPath: (name: string) => string,
): Promise<Bundle> {
  const made = await bundle(folder, options, wasmPath)
  const map = Buffer.from(made.map).toString('base64')
  return { ...made, code: `${made.code.trimEnd()}\n//# sourceMappingURL=data:application/json;base64,${map}\n` }
}

async function bundle(folder: string, options: BundleOptions, wasmPath?: (name: string) => string): Promise<Bundle> {
  const root = resolve(folder)
  const gathered: Gathered = { reasons: new Map(), wasm: new Map() }
  // Where the project says nothing of JSX it is as in an upload; the rest of its options esbuild reads by itself.
  const tsconfig = await readFile(join(root, 'tsconfig.json'), 'utf8').catch(() => '')
  const saysJsx = /"(?:jsx|extends)"/.test(tsconfig)
  return compileBundle({
    ...options,
    gathered,
    format: wasmPath ? 'esm' : 'iife',
    plugin: createFolderPlugin(root, options.entry, gathered, wasmPath),
    where: {
      entryPoints: ['entry'],
      absWorkingDir: root,
      conditions: ['workerd', 'worker', 'browser'],
      loader: { ...loaders },
      ...(!saysJsx && { jsx: 'automatic' }),
    },
  })
}

/** Marks questions that the plugin asks itself. */
const asked = Symbol('asked')

function createFolderPlugin(
  root: string,
  entry: string,
  { reasons, wasm }: Gathered,
  outerPath?: (name: string) => string,
): Plugin {
  return {
    name: 'grove-folder',
    setup(build) {
      const resolveHere = async (args: OnResolveArgs): Promise<OnResolveResult | undefined> => {
        const { path, importer, kind, resolveDir, pluginData } = args
        if (pluginData === asked) return undefined
        if (kind === 'entry-point') return { path: 'entry', namespace: 'entry' }
        const foreign = foreignReason(path)
        if (foreign && 'refused' in foreign) return { errors: [{ text: foreign.refused }] }
        const from = relative(root, importer)
        if (foreign && 'missing' in foreign) reasons.set(importKey(from, path), foreign.missing)
        else if (!path.startsWith('.')) reasons.set(importKey(from, path), packageReason(path))
        else reasons.set(importKey(from, path), `cannot import "${path}": there is no such file`)
        const wasmPath = path.replace(/\.wasm\?module$/, '.wasm')
        if (!wasmPath.endsWith('.wasm')) return undefined
        const found = await build.resolve(wasmPath, { resolveDir, kind, pluginData: asked })
        if (found.errors.length > 0) return undefined
        if (!outerPath) return { path: found.path, namespace: 'wasm' }
        const name = wasmNameOf(toSourceName(relative(root, found.path)))
        wasm.set(name, await readFile(found.path))
        return { path: outerPath(name), external: true }
      }
      build.onResolve({ filter: /.*/ }, resolveHere)
      build.onLoad({ filter: /.*/, namespace: 'entry' }, () => ({
        contents: entryText(`./${entry}`),
        loader: 'js',
        resolveDir: root,
      }))
      build.onLoad({ filter: /.*/, namespace: 'wasm' }, async ({ path }) => {
        const name = wasmNameOf(toSourceName(relative(root, path)))
        wasm.set(name, await readFile(path))
        return { contents: wasmText(name), loader: 'js', resolveDir: dirname(path), watchFiles: [path] }
      })
    },
  }
}
