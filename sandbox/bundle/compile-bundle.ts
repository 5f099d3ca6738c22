/** esbuild, set to what site code runs in. */

import { type BuildOptions, type BuildResult, build, type Message, type Plugin } from 'esbuild'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { siteName } from '../bridge.ts'
import type { Bundle, BundleOptions } from './bundle.ts'
import { toCodeError, toWarnings } from './bundle-faults.ts'
import { toSourceName, withSourceNames } from './source-names.ts'
import type { Gathered } from './tree-plugin.ts'

/** What differs between bundles of an upload and of an author's folder. */
export interface CompileOptions extends BundleOptions {
  readonly plugin: Plugin
  readonly gathered: Gathered
  /** As a script that is loaded, or as a module that is bundled again. @default 'iife' */
  readonly format?: 'iife' | 'esm' | undefined
  /** Options of esbuild that say where sources are, and how they are read. */
  readonly where: Pick<BuildOptions, 'absWorkingDir' | 'conditions' | 'entryPoints' | 'jsx' | 'loader' | 'tsconfigRaw'>
}

/** Bundles. Rejects with `ERR_CODE` and all faults of the code, or that the bundle is too large. */
export async function compileBundle(options: CompileOptions): Promise<Bundle> {
  const { entry, gathered, bundleBytes } = options
  const result = await run(options)
  const code = textOf(result, '.js')
  const map = withSourceNames(textOf(result, '.map'))
  const bytes = Buffer.byteLength(code)
  if (bytes > bundleBytes) throw tooLarge(result, bytes, bundleBytes)
  if (map.length > limits.bundle.mapBytes)
    throw new GroveError('ERR_CODE', `the source map has more than ${limits.bundle.mapBytes} bytes`)
  const inputs = Object.keys(result.metafile.inputs).filter((path) => !/^(?:entry|empty):/.test(path))
  return {
    code,
    map,
    wasm: [...gathered.wasm].map(([name, content]) => ({ name, bytes: content })).sort(byName),
    inputs: [...new Set(inputs.map(toSourceName))].sort(),
    warnings: toWarnings(result.warnings, entry),
  }
}

type Built = BuildResult<{ metafile: true; write: false }>

async function run({
  plugin,
  where,
  mode = 'production',
  format = 'iife',
  entry,
  gathered,
}: CompileOptions): Promise<Built> {
  try {
    return await build({
      ...where,
      bundle: true,
      write: false,
      metafile: true,
      outfile: 'bundle.js',
      plugins: [plugin],
      format,
      ...(format === 'iife' && { globalName: siteName }),
      platform: 'browser',
      // What the oldest engine that Grove runs on has.
      target: 'node24',
      define: { 'process.env.NODE_ENV': JSON.stringify(mode), global: 'globalThis' },
      // Stacks and `fn.name` keep the names that the author gave.
      minifyWhitespace: true,
      minifySyntax: true,
      keepNames: true,
      charset: 'utf8',
      legalComments: 'none',
      sourcemap: 'external',
      sourcesContent: false,
      treeShaking: true,
      nodePaths: [],
      logLevel: 'silent',
      logLimit: 0,
    })
  } catch (error) {
    const { errors } = error as { readonly errors?: readonly Message[] }
    // No fault of the code that it could tell: code that is nested millions deep ends its process.
    if (!errors) throw new GroveError('ERR_CODE', 'the compiler cannot take this code', { cause: error })
    // Thrown by us while it asked for files: no fault of the code, and its place is one in our own sources.
    const ours = errors.map(({ detail }) => detail).find((detail) => detail instanceof Error)
    throw ours ?? toCodeError(errors, entry, gathered.reasons)
  }
}

function textOf({ outputFiles }: Built, extension: string): string {
  return outputFiles.find(({ path }) => path.endsWith(extension))?.text ?? ''
}

/** Too large a bundle, with the files that weigh most in it. */
function tooLarge({ metafile }: Built, bytes: number, most: number): GroveError {
  const output = Object.entries(metafile.outputs).find(([path]) => path.endsWith('.js'))?.[1]
  const heaviest = Object.entries(output?.inputs ?? {})
    .sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
    .slice(0, 5)
    .map(([path, { bytesInOutput }]) => `${toSourceName(path)} ${bytesInOutput}`)
  return new GroveError('ERR_CODE', `the bundle has ${bytes} bytes, more than ${most}`, {
    details: { limit: 'bundleBytes', bytes, most },
    hint: `the largest files in it: ${heaviest.join(', ')}`,
  })
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1
}
