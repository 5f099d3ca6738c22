/**
 * Compiling a version: from its tree to what fronts serve. Everything that can be decided about a file is decided here,
 * once, so that a static hit runs no plugin and reads no rule.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CompiledFile, CompiledVersion } from '../core/compiled.ts'
import { getHeader, type HeaderList, withoutHeaders } from '../core/headers.ts'
import { randomId } from '../core/ids.ts'
import { compiledFile, type Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { FileInfo, Plugin, SiteInfo } from '../core/plugin.ts'
import type { TreeFile } from '../store/tree.ts'
import { mergeHeaders, pluginHeaders } from './file-headers.ts'
import { isCompressible, isHtml, mediaTypeOf } from './media-type.ts'
import { findVariants, wantsVariants } from './variants.ts'

/** What a version is compiled from. */
export interface CompileInput {
  readonly site: SiteInfo
  readonly version: number
  readonly files: readonly TreeFile[]
  /** Whether the site has an upstream: then its HTML is personal. */
  readonly hasUpstream: boolean
  /** In the order of the config. */
  readonly plugins: readonly Plugin[]
  readonly layout: Layout
}

/** A compiled version, and whether every copy in another coding that will ever be made of its files is there. */
export interface CompileResult {
  readonly compiled: CompiledVersion
  readonly encoded: boolean
}

/** Files at the root of a tree that tell a host something, of Grove or of others. They are never served. */
const unservedPaths: ReadonlySet<string> = new Set(['_headers', '_redirects', '_worker.js', 'grove.json'])

/** It stands in a compiled file by itself. */
const contentType: ReadonlySet<string> = new Set(['content-type'])

/** Files that are dealt with before others get a turn. */
const batchFiles = 500

/** Whether a file of a tree is served at all. */
export function isServed(path: string): boolean {
  return !unservedPaths.has(path)
}

/**
 * Compiles a version. Calls the plugins' `headers` once for each file. Throws `ERR_PLUGIN`, which names plugin, path
 * and header, when one of them throws or says what it may not.
 */
export async function compileVersion(input: CompileInput): Promise<CompileResult> {
  const served = input.files.filter((file) => isServed(file.path)).sort((a, b) => (a.path < b.path ? -1 : 1))
  const files: CompiledFile[] = []
  for (const [index, file] of served.entries()) {
    files.push(compileFile(file, input))
    if (index % batchFiles === batchFiles - 1) await nextTurn()
  }
  const encoded = await addVariants(files, input.layout)
  return { compiled: { site: input.site.name, version: input.version, files }, encoded }
}

/**
 * Sees to it that a compiled version lies in the folder of compiled ones and answers its name, the SHA-256 of its text.
 *
 * One that lies there whole is used as it is, so that a start needs no room on the disk. It is not synced to disk: it
 * can be made again, and its name tells whether it is whole. After a power cut a damaged one may lie there under its
 * name; that one is replaced.
 */
export async function writeCompiled(layout: Layout, compiled: CompiledVersion): Promise<BlobHash> {
  const hash = await hashOf(serialize(compiled))
  const target = compiledFile(layout, hash)
  if (await isWhole(target, hash)) return hash
  const temporary = join(layout.temporary, `compiled-${randomId()}`)
  await mkdir(layout.temporary, { recursive: true, mode: 0o700 })
  await mkdir(layout.compiled, { recursive: true, mode: 0o700 })
  try {
    {
      await using file = await open(temporary, 'wx', 0o600)
      for (const text of serialize(compiled)) await file.writeFile(text)
    }
    await rename(temporary, target)
    return hash
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Whether a file has the content of its name. Marks it as of now, so that no sweep takes it for a leftover. */
async function isWhole(file: string, hash: BlobHash): Promise<boolean> {
  try {
    await utimes(file, new Date(), new Date())
    return (await hashOf(createReadStream(file))) === hash
  } catch {
    return false
  }
}

async function hashOf(pieces: Iterable<string> | AsyncIterable<Buffer>): Promise<BlobHash> {
  const digest = createHash('sha256')
  for await (const piece of pieces) {
    digest.update(piece)
    await nextTurn()
  }
  return digest.digest('hex')
}

/** The text of a compiled version in pieces. Canonical: one version has one text, whatever the objects' key order. */
function* serialize({ site, version, files }: CompiledVersion): Generator<string> {
  yield `${JSON.stringify({ format: 'grove-compiled-1', site, version, files: files.length })}\n`
  for (let start = 0; start < files.length; start += batchFiles)
    yield files
      .slice(start, start + batchFiles)
      .map(serializeFile)
      .join('')
}

function serializeFile(file: CompiledFile): string {
  const { path, hash, bytes, type, personal, compressible, headers } = file
  const variants = file.variants.map(({ coding, bytes }) => ({ coding, bytes }))
  return `${JSON.stringify({ path, hash, bytes, type, personal, compressible, headers, variants })}\n`
}

/**
 * One file with everything but its copies. A plugin may name another Content-Type; what is personal follows from both
 * names, so that calling a page something else never hands it to the wrong visitor, and neither does the opposite.
 */
function compileFile(file: TreeFile, { site, hasUpstream, plugins }: CompileInput): CompiledFile {
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

/** Fills in the copies that lie on disk; answers whether none is outstanding. */
async function addVariants(files: CompiledFile[], layout: Layout): Promise<boolean> {
  let encoded = true
  await forEachParallel(files.entries(), limits.variant.lookups, async ([index, file]) => {
    if (!wantsVariants(file.type, file.bytes)) return
    const found = await findVariants(layout, file.hash)
    files[index] = { ...file, variants: found.variants }
    encoded &&= found.isComplete
  })
  return encoded
}
