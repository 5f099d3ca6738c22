/** Site code at publish, by the tools of sandbox/: what control is given, since it does not know them. */

import { dirname } from 'node:path/posix'
import type { CodeTools } from '../control/code-tools.ts'
import type { CompileCode, CompiledCode } from '../control/site-code.ts'
import { isMadePath } from '../core/code-manifest.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SandboxLimits } from '../core/sandbox-limits.ts'
import type { Bundle, BundleOptions } from '../sandbox/bundle/bundle.ts'
import { bundleTree } from '../sandbox/bundle/bundle-tree.ts'
import { compilePatterns } from '../sandbox/egress/host-pattern.ts'
import { defaultEntry, emptySiteFile, readSiteFile, type SiteFile, siteFileName } from '../sandbox/site-file.ts'
import { createStackMap } from '../sandbox/stack-map.ts'
import { validateModule } from '../sandbox/wasm/validate.ts'
import type { TreeToCome } from '../store/versions/versions.ts'
import { formatBytes, formatCount } from './human-text.ts'

/** Where code lies that no file tells of, the first that is there. */
const defaultEntries = [defaultEntry, '_worker.ts']

/** Everything that control needs for site code. */
export const codeTools: CodeTools = { compile: compileCode, checkHosts: compilePatterns, createStackMap }

/** What code is made from: a tree to come, or an author's folder. */
export interface CodeOrigin {
  /** Whether there is a file, by its path from the root. */
  has(path: string): Promise<boolean>
  read(path: string): Promise<Uint8Array | undefined>
  bundle(options: BundleOptions): Promise<Bundle>
}

/** Makes the code of a tree. Throws `ERR_CODE` with the places of the faults, and what reading the tree throws. */
async function compileCode(tree: TreeToCome, siteLimits: SandboxLimits): ReturnType<CompileCode> {
  const read = (path: string) => readFrom(tree, path)
  const has = async (path: string) => (await tree.find(path)) !== undefined
  return compileFrom({ has, read, bundle: (options) => bundleTree({ ...options, readTree: read }) }, siteLimits)
}

/**
 * Makes the code that lies somewhere, or answers undefined where there is none. Throws `ERR_CODE` with the places of the
 * faults, and what the origin throws.
 */
export async function compileFrom(origin: CodeOrigin, siteLimits: SandboxLimits): ReturnType<CompileCode> {
  const siteFile = await readSiteFileOf(origin, siteLimits)
  const entry = await findEntry(origin, siteFile)
  if (entry === undefined) return undefined
  const { bundleBytes } = siteLimits
  const { code, map, wasm: imported, inputs, warnings } = await origin.bundle({ entry, bundleBytes })
  const modules = new Map(imported.map(({ name, bytes }) => [name, bytes]))
  for (const [name, path] of Object.entries(siteFile.wasm)) modules.set(name, await needed(origin, path))
  if (modules.size > limits.sandboxCode.modules)
    throw new GroveError('ERR_CODE', `${modules.size} modules of WebAssembly; at most ${limits.sandboxCode.modules}`)
  const { wasm, notes } = await checkModules(modules, siteLimits)
  const bundle = Buffer.from(code)
  const { routes, vars, allow } = siteFile
  return {
    bundle,
    map: Buffer.from(map),
    wasm,
    routes,
    vars,
    allow,
    sources: sourcesOf(siteFile.code, inputs),
    notes: [`code: ${formatBytes(bundle.length)} from ${formatCount(inputs.length, 'file')}`, ...notes, ...warnings],
  }
}

/** What was made of an earlier version is no source of the next. */
async function readFrom(tree: TreeToCome, path: string): Promise<Uint8Array | undefined> {
  const file = isMadePath(path) ? undefined : await tree.find(path)
  return file && (await tree.read(file))
}

/** What a site says itself. */
export async function readSiteFileOf({ read }: Pick<CodeOrigin, 'read'>, siteLimits: SandboxLimits): Promise<SiteFile> {
  const bytes = await read(siteFileName)
  return bytes ? readSiteFile(bytes, siteLimits) : emptySiteFile
}

/** The module that a site's code begins with; undefined where it has none. Throws `ERR_CODE` where that is not there. */
export async function findEntry({ has }: Pick<CodeOrigin, 'has'>, { code }: SiteFile): Promise<string | undefined> {
  for (const path of code === undefined ? defaultEntries : [code]) if (await has(path)) return path
  if (code === undefined) return undefined
  throw new GroveError('ERR_CODE', `${siteFileName}: code: there is no file ${JSON.stringify(code)}`)
}

async function needed({ read }: CodeOrigin, path: string): Promise<Uint8Array> {
  const bytes = await read(path)
  if (bytes) return bytes
  throw new GroveError('ERR_CODE', `${siteFileName}: wasm: there is no file ${JSON.stringify(path)}`)
}

async function checkModules(
  modules: ReadonlyMap<string, Uint8Array>,
  siteLimits: SandboxLimits,
): Promise<Pick<CompiledCode, 'wasm' | 'notes'>> {
  const wasm: CompiledCode['wasm'][number][] = []
  const notes: string[] = []
  for (const [name, bytes] of modules) {
    const info = await validateModule(bytes, siteLimits).catch((error: unknown) => {
      throw error instanceof GroveError && error.code === 'ERR_CODE'
        ? new GroveError('ERR_CODE', `${name}: ${error.message}`, { cause: error })
        : error
    })
    // What comes from another process is whatever its messages make of bytes.
    wasm.push({ name, bytes: Buffer.from(info.bytes) })
    if (info.isRewritten) notes.push(`${name}: its memory may grow to ${siteLimits.wasmMemoryMiB} MiB and no further`)
  }
  return { wasm, notes }
}

/**
 * Of the files that a code was made of, those that are the server's: packages, and where the site says what its code is,
 * what lies in the folder of that and below. All others may be for browsers as well.
 */
export function sourcesOf(code: string | undefined, inputs: readonly string[]): string[] {
  const folder = code === undefined ? undefined : dirname(code)
  const prefix = folder === '.' ? '' : `${folder}/`
  const isOwn = (path: string) => folder !== undefined && path.startsWith(prefix)
  return inputs.filter((path) => isOwn(path) || /(?:^|\/)node_modules\//.test(path))
}
