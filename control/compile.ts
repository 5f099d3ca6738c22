/**
 * Compiling files: from those of a tree to what fronts serve. Everything that can be decided about a file is decided
 * here, once, so that a static hit runs no plugin and reads no rule.
 */

import { isMadePath } from '../core/code-manifest.ts'
import type { CompiledFile } from '../core/compiled.ts'
import { getHeader, type HeaderList, withoutHeaders } from '../core/headers.ts'
import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { FileInfo, Plugin, SiteInfo } from '../core/plugin.ts'
import type { TreeFile } from '../store/trees/tree-file.ts'
import { mergeHeaders, pluginHeaders } from './file-headers.ts'
import { isCompressible, isHtml, mediaTypeOf } from './media-type.ts'
import { findVariants, type VariantSource, wantsVariants } from './variants.ts'

/** What decides about files besides themselves. */
export interface CompileSettings {
  readonly site: SiteInfo
  /** Whether the site has an upstream: then its HTML is personal. */
  readonly hasUpstream: boolean
  /** In the order of the config. */
  readonly plugins: readonly Plugin[]
  readonly layout: Layout
  /** Files that are not served though they could be: what the site's code was made of. @default none */
  readonly hidden?: ReadonlySet<string> | undefined
}

/** Compiled files, and those of them whose copies in other codings are not all there yet. */
export interface CompiledFiles {
  readonly files: readonly CompiledFile[]
  readonly toEncode: readonly VariantSource[]
}

/** Files at the root of a tree that tell a host something, of Grove or of others. They are never served. */
const unservedPaths: ReadonlySet<string> = new Set(['_headers', '_redirects', '_worker.js', '_worker.ts', 'grove.json'])

/** It stands in a compiled file by itself. */
const contentType: ReadonlySet<string> = new Set(['content-type'])

/** Whether a file of a tree is served at all. */
export function isServed(path: string): boolean {
  return !unservedPaths.has(path) && !isMadePath(path)
}

/**
 * Compiles those of some files that are served, in their order. Calls the plugins' `headers` once for each. Throws
 * `ERR_PLUGIN`, which names plugin, path and header, when one of them throws or says what it may not.
 */
export async function compileFiles(files: readonly TreeFile[], settings: CompileSettings): Promise<CompiledFiles> {
  const { hidden } = settings
  const served = files.filter(({ path }) => isServed(path) && !hidden?.has(path))
  const compiled = served.map((file) => compileFile(file, settings))
  const toEncode: VariantSource[] = []
  await forEachParallel(compiled.entries(), limits.variant.lookups, async ([index, file]) => {
    const { hash, bytes, type } = file
    if (!wantsVariants(type, bytes)) return
    const { variants, isComplete } = await findVariants(settings.layout, hash)
    compiled[index] = { ...file, variants }
    if (!isComplete) toEncode.push({ hash, bytes, type })
  })
  return { files: compiled, toEncode }
}

/**
 * What two calls of {@link compileFiles} must agree on to make the same of the same files, as a text that can be
 * compared while this process lives.
 */
export function settingsKey({ site, hasUpstream, plugins, hidden }: CompileSettings): string {
  const heard = plugins.filter(({ headers }) => headers)
  const paths = [...(hidden ?? [])].sort()
  // Without plugins a file says the same on every site.
  return JSON.stringify(heard.length === 0 ? [hasUpstream, paths] : [hasUpstream, paths, heard.map(numberOf), site])
}

/** Code cannot be compared, but plugins are made anew at each reload: each has a number. */
const numbers = new WeakMap<Plugin, number>()
let numbered = 0

function numberOf(plugin: Plugin): number {
  const known = numbers.get(plugin)
  if (known !== undefined) return known
  numbered += 1
  numbers.set(plugin, numbered)
  return numbered
}

/**
 * One file with everything but its copies. A plugin may name another Content-Type; what is personal follows from both
 * names, so that calling a page something else never hands it to the wrong visitor, and neither does the opposite.
 */
export function compileFile(
  file: TreeFile,
  { site, hasUpstream, plugins }: Pick<CompileSettings, 'site' | 'hasUpstream' | 'plugins'>,
): CompiledFile {
  const { path, hash, bytes } = file
  const guessed = mediaTypeOf(path)
  const info: FileInfo = { path, hash, bytes, type: guessed, personal: hasUpstream && isHtml(guessed) }
  const given: HeaderList[] = []
  for (const plugin of plugins) if (plugin.headers) given.push(pluginHeaders(plugin, info, site))
  const type = given.map((list) => getHeader(list, 'content-type')).findLast((named) => named !== undefined) ?? guessed
  const personal = hasUpstream && (isHtml(guessed) || isHtml(type))
  const compressible = isCompressible(type)
  const headers = withoutHeaders(mergeHeaders({ personal, compressible }, given), contentType)
  return { path, hash, bytes, type, personal, compressible, headers, variants: [] }
}
