/** Catalogs: where the files of a live version lie, as a root tells it, and as a cold machine takes it in. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { SegmentMemory } from '../contents/segment-memory.ts'
import type { SiteContents } from '../contents/site-contents.ts'
import type { Environment } from '../environment.ts'
import type { Frame, SegmentRef } from '../segments/segment.ts'
import { buildTree } from '../trees/change.ts'
import { checkFiles } from '../trees/check.ts'
import { filesOf } from '../trees/walk.ts'
import type { Catalog, Root } from './root.ts'
import type { SiteState } from './site-state.ts'

/** The catalog of a site's live version; undefined for a large one, and for none. */
export async function catalogOf(
  { live, segments }: Pick<SiteState, 'live' | 'segments'>,
  contents: SiteContents,
  env: Environment,
): Promise<Catalog | undefined> {
  if (!live || live.files > limits.store.rootFiles) return undefined
  const places = new Map(segments.map(({ id }, place) => [id, place]))
  const files: Catalog['files'] = []
  for await (const { path, hash, bytes } of filesOf(contents.node, live.root, env.turn)) {
    const found = await contents.find(hash)
    const place = found?.kind === 'frame' ? places.get(found.head.ref.id) : undefined
    if (found?.kind !== 'frame' || place === undefined) files.push([path, hash, bytes])
    else {
      const { ordinal, codec, offset, length } = found.frame
      files.push([path, hash, bytes, place, ordinal, codec === 'zstd' ? 1 : 0, offset, length])
    }
  }
  const seals: (string | null)[] = []
  for (const ref of segments) seals.push((await contents.index(ref)).seal?.toString('base64') ?? null)
  return { seals, files }
}

/**
 * Takes a catalog in: the nodes of the live tree, made anew from its files, and where their contents lie. The tree has to
 * be the one that the root names, so a catalog cannot tell of other files; where a content lies is only a hint, as
 * contents are checked when they are read. Throws `ERR_DATA_FORMAT`, `ERR_PUBLISH_REFUSED`.
 */
export async function takeCatalog(root: Root, memory: SegmentMemory, env: Environment): Promise<void> {
  const { catalog, versions, live, segments } = root
  const record = versions.find(({ version }) => version === live)
  if (!catalog || !record) return
  const files = catalog.files.map(([path, hash, bytes]) => ({ path, hash, bytes }))
  checkFiles(files)
  const made = await buildTree(files, env.turn)
  if (made.root !== record.root)
    throw new GroveError(
      'ERR_DATA_FORMAT',
      `the catalog of site "${root.site}" is not that of version ${record.version}`,
    )
  for (const [hash, bytes] of made.nodes) memory.nodes.set(hash, bytes)
  for (const [ref, frames] of framesOf(catalog, segments)) {
    const seal = catalog.seals[segments.indexOf(ref)]
    const index = { ref, seal: seal == null ? undefined : Buffer.from(seal, 'base64'), frames }
    memory.indexes.set(ref.id, { index, isWhole: false })
  }
}

function framesOf(catalog: Catalog, segments: readonly SegmentRef[]): Map<SegmentRef, Map<BlobHash, Frame>> {
  const bySegment = new Map<SegmentRef, Map<BlobHash, Frame>>()
  for (const file of catalog.files) {
    if (file.length === 3) continue
    const [, hash, bytes, place, ordinal, packed, offset, length] = file
    const ref = segments[place]
    // A frame that is said to reach out of its segment would be an error of the bucket instead of one of the root.
    if (!ref || offset + length > ref.indexOffset) continue
    const frames = bySegment.get(ref) ?? new Map<BlobHash, Frame>()
    frames.set(hash, { hash, kind: 'content', codec: packed === 1 ? 'zstd' : 'raw', ordinal, bytes, offset, length })
    bySegment.set(ref, frames)
  }
  return bySegment
}
