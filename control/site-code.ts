/**
 * Site code at publish: where the tree to come has any, it is made into one bundle, which becomes part of the version.
 * What was made of an earlier tree and is not any more goes.
 */

import type { PublishFile, PublishRequest } from '../core/admin-api.ts'
import { type CodeManifest, codeFiles, isMadePath, readCodeManifest } from '../core/code-manifest.ts'
import type { CodeRoute } from '../core/code-routes.ts'
import type { BlobHash, SiteName } from '../core/names.ts'
import type { SandboxLimits } from '../core/sandbox-limits.ts'
import type { Blobs } from '../store/contents/blobs.ts'
import { refuseFiles } from '../store/trees/refusal.ts'
import type { TreeChange, TreeFile } from '../store/trees/tree-file.ts'
import type { Derive, TreeToCome } from '../store/versions/versions.ts'

/** What the code of a tree comes to. */
export interface CompiledCode {
  readonly bundle: Uint8Array
  readonly map: Uint8Array | undefined
  /** Modules as they are to be run, checked. */
  readonly wasm: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  readonly routes: readonly CodeRoute[]
  /** Keyed by name. */
  readonly vars: Readonly<Record<string, string>>
  /** Undefined: every public host. */
  readonly allow: readonly string[] | undefined
  /** Files that it was made of and that are not to be served. */
  readonly sources: readonly string[]
  /** What the author should know, a sentence each. */
  readonly notes: readonly string[]
}

/**
 * Makes the code of a tree, or answers undefined where it has none. Throws `ERR_CODE` with the places of the faults. The
 * tools are another folder's, so they are given to control by whoever starts it.
 */
export type CompileCode = (tree: TreeToCome, limits: SandboxLimits) => Promise<CompiledCode | undefined>

/** What site code is published with. */
export interface SiteCodeOptions {
  readonly compile: CompileCode
  readonly blobs: Pick<Blobs, 'putBytes'>
  /** The limits of a site's tier. */
  readonly limitsOf: (site: SiteName) => SandboxLimits
}

/** What derives the code of one publish. */
export interface CodeDerivation {
  readonly derive: Derive
  /** What the author should know; complete when the publish is done. */
  readonly notes: readonly string[]
}

/** Makes what derives the code of a publish of a site. */
export function deriveCode({ compile, blobs, limitsOf }: SiteCodeOptions, site: SiteName): CodeDerivation {
  let notes: readonly string[] = []
  return {
    get notes() {
      return notes
    },
    async derive(tree) {
      const before = await madeBefore(tree)
      const code = await compile(tree, limitsOf(site))
      notes = code?.notes ?? []
      const put = code ? await filesOf(code, blobs) : []
      const paths = new Set(put.map(({ path }) => path))
      return { put, del: before.filter((path) => !paths.has(path)) }
    },
  }
}

/**
 * A publish without what is Grove's own: deletions of made files are passed over, since clients that list a version's
 * files need not know of them. Throws `ERR_PUBLISH_REFUSED` for one that puts such a file.
 */
export function withoutMade(request: PublishRequest): PublishRequest {
  refuseMade('files' in request ? request.files : request.put)
  return 'files' in request ? request : { ...request, del: request.del.filter((path) => !isMadePath(path)) }
}

function refuseMade(files: readonly PublishFile[]): void {
  const refused = files.filter(({ path }) => isMadePath(path))
  if (refused.length > 0)
    refuseFiles(refused.map(({ path }) => ({ path, reason: 'lies where only Grove itself puts files' })))
}

/** Paths that the manifest of a tree names, itself included. */
async function madeBefore(tree: TreeToCome): Promise<string[]> {
  const file = await tree.find(codeFiles.manifest)
  if (!file) return []
  const manifest = readCodeManifest(await tree.read(file))
  if (!manifest) return [codeFiles.manifest]
  const paths = [codeFiles.manifest, codeFiles.bundle, codeFiles.map, ...manifest.wasm.map((_, n) => codeFiles.wasm(n))]
  const found = await Promise.all(paths.map((path) => tree.find(path)))
  return found.flatMap((there) => there?.path ?? [])
}

async function filesOf(code: CompiledCode, blobs: Pick<Blobs, 'putBytes'>): Promise<TreeChange['put']> {
  const files: TreeFile[] = []
  const keep = async (path: string, bytes: Uint8Array): Promise<{ hash: BlobHash; bytes: number }> => {
    const content = { hash: await blobs.putBytes(bytes), bytes: bytes.length }
    files.push({ path, ...content })
    return content
  }
  const bundle = await keep(codeFiles.bundle, code.bundle)
  const map = code.map && (await keep(codeFiles.map, code.map))
  const wasm: CodeManifest['wasm'] = []
  for (const [place, { name, bytes }] of code.wasm.entries())
    wasm.push({ name, ...(await keep(codeFiles.wasm(place), bytes)) })
  const manifest: CodeManifest = {
    format: 'grove-code-1',
    bundle,
    ...(map && { map }),
    wasm,
    routes: [...code.routes],
    vars: { ...code.vars },
    ...(code.allow && { allow: [...code.allow] }),
    sources: [...code.sources].sort(),
  }
  await keep(codeFiles.manifest, Buffer.from(`${JSON.stringify(manifest)}\n`))
  return files
}
