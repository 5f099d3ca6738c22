/** Verifying one site: its segments, its large contents, and that every file of every version is in them. */

import { createHash } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, type SiteName, versionLabel } from '../../core/names.ts'
import { WeightedLru } from '../contents/weighted-lru.ts'
import { objectKeys } from '../objects/keys.ts'
import { openStream } from '../segments/bare.ts'
import { nodesOfTail, openFrame, verifySegment } from '../segments/read-segment.ts'
import type { BareRef, Frame, SegmentIndex, SegmentRef } from '../segments/segment.ts'
import { openTree } from '../trees/reader.ts'
import type { ReadNode, TreeFile } from '../trees/tree-file.ts'
import { nodesOf } from '../trees/walk.ts'
import { versionsPath } from '../versions/site-log.ts'
import type { SiteState } from '../versions/site-state.ts'
import type { VersionRecord } from '../versions/versions.ts'
import type { Findings } from './report.ts'
import type { VerifyOptions } from './verify-options.ts'

/** A site that is verified. */
interface Site {
  readonly options: VerifyOptions
  readonly findings: Findings
  readonly name: SiteName
  /** Keyed by hash: where contents and nodes lie. */
  readonly frames: Map<BlobHash, { readonly index: SegmentIndex; readonly frame: Frame }>
  /** Keyed by hash: lengths of large contents. */
  readonly large: Map<BlobHash, number>
  readonly nodes: WeightedLru<Uint8Array>
}

const lostHint =
  'put the object back from a backup or another copy of the bucket, or publish the files again: what cannot be read is refused, and the other files are served'

/** Verifies what a site's state names. Throws `ERR_OBJECTS` for a bucket that cannot be reached. */
export async function verifySite(
  options: VerifyOptions,
  findings: Findings,
  { name, state }: { readonly name: SiteName; readonly state: SiteState },
): Promise<void> {
  const nodes = new WeightedLru<Uint8Array>(limits.verify.nodesBytes, ({ length }) => length)
  const site: Site = { options, findings, name, frames: new Map(), large: new Map(), nodes }
  for (const ref of state.segments) {
    options.signal?.throwIfAborted()
    await verifyPacked(site, ref).catch((error) => findings.addError(`segment ${ref.id} of ${name}`, error, lostHint))
    tellObjects(site)
  }
  for (const ref of state.bare) {
    options.signal?.throwIfAborted()
    await verifyLarge(site, ref).catch((error) => findings.addError(`content ${ref.hash} of ${name}`, error, lostHint))
    tellObjects(site)
  }
  /** Nodes whose files are all there. */
  const whole = new Set<BlobHash>()
  for (const record of state.versions) {
    options.signal?.throwIfAborted()
    const where = versionLabel(name, record.version)
    await verifyVersion(site, record, whole).catch((error) => findings.addError(where, error, lostHint))
  }
}

function tellObjects({ options, findings: { counts } }: Site): void {
  const done = counts.segments + counts.largeContents
  options.onProgress?.({ what: 'objects', done, of: undefined, bytes: counts.bytes })
}

function contextOf({ options, name }: Site) {
  return { owner: options.owner, log: versionsPath(options.owner, name) }
}

async function verifyPacked(site: Site, ref: SegmentRef): Promise<void> {
  const { options, findings, frames, nodes } = site
  const { env, objects, keyring, owner } = options
  const bytes = await objects.read(objectKeys.segment(owner, site.name, ref.id))
  findings.counts.segments += 1
  findings.counts.bytes += bytes.length
  const context = contextOf(site)
  const index = await verifySegment({ env, ref, bytes, context, keyring })
  findings.counts.frames += index.frames.size
  for (const [hash, frame] of index.frames) frames.set(hash, { index, frame })
  for await (const node of nodesOfTail(index, bytes.subarray(ref.tailOffset), context, keyring))
    nodes.set(node.hash, node.bytes)
}

async function verifyLarge(site: Site, ref: BareRef): Promise<void> {
  const { options, findings, large } = site
  const { objects, keyring, owner } = options
  const sha256 = createHash('sha256')
  let storedBytes = 0
  async function* stored() {
    for await (const chunk of objects.stream(objectKeys.large(owner, site.name, ref.id))) {
      sha256.update(chunk)
      storedBytes += chunk.length
      yield chunk
    }
  }
  for await (const _ of openStream({ ref, context: contextOf(site), keyring }, stored()))
    options.signal?.throwIfAborted()
  findings.counts.largeContents += 1
  findings.counts.bytes += storedBytes
  if (storedBytes !== ref.storedBytes || sha256.digest('hex') !== ref.id)
    throw new GroveError('ERR_BLOB_CORRUPT', `object ${ref.id} has another content than its name says`)
  large.set(ref.hash, ref.bytes)
}

/** Walks through a version's tree as far as no other version has shown it to be whole. */
async function verifyVersion(site: Site, record: VersionRecord, whole: Set<BlobHash>): Promise<void> {
  const { options, findings } = site
  findings.counts.versions += 1
  const read = readNodeOf(site)
  const { root } = await openTree(read, record.root)
  if (root.files !== record.files || root.bytes !== record.bytes)
    throw new GroveError(
      'ERR_DATA_FORMAT',
      `the log tells of ${record.files} files of ${record.bytes} bytes, the tree of ${root.files} of ${root.bytes}`,
    )
  const seen: BlobHash[] = []
  const missing: TreeFile[] = []
  for await (const { hash, files } of nodesOf(read, record.root, (hash) => whole.has(hash), options.env.turn)) {
    seen.push(hash)
    findings.counts.nodes += 1
    for (const file of files ?? []) if (!isThere(site, file)) missing.push(file)
  }
  if (missing.length === 0) {
    for (const hash of seen) whole.add(hash)
    return
  }
  const names = missing.slice(0, limits.verify.names).map(({ path }) => JSON.stringify(path))
  const more = missing.length > names.length ? ` and ${missing.length - names.length} more` : ''
  throw new GroveError('ERR_BLOB_MISSING', `no object holds the content of ${names.join(', ')}${more}`)
}

function isThere({ frames, large }: Site, { hash, bytes }: TreeFile): boolean {
  return (frames.get(hash)?.frame.bytes ?? large.get(hash)) === bytes
}

function readNodeOf({ options, frames, nodes, name, ...site }: Site): ReadNode {
  const { objects, keyring, owner } = options
  return async (hash) => {
    const known = nodes.get(hash)
    if (known) return known
    const found = frames.get(hash)
    if (!found) throw new GroveError('ERR_BLOB_MISSING', `no object holds node ${hash}`)
    const { index, frame } = found
    const { offset, length } = frame
    const stored = await objects.read(objectKeys.segment(owner, name, index.ref.id), { offset, length })
    const node = await openFrame(index, frame, stored, contextOf({ options, frames, nodes, name, ...site }), keyring)
    nodes.set(hash, node)
    return node
  }
}
