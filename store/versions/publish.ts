/**
 * Publishing: what is wanted, on top of what is live; contents and nodes for good; then one entry.
 *
 * All that the entry names is durable before it is written, so a version is there whole or not at all. What a round that
 * came second has written is used by the next one as far as it fits, and is else left to the collector.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { missingContents } from '../contents/content-file.ts'
import { localItem, nodeItem, type PackedObjects, type PackItem } from '../contents/pack.ts'
import { objectKeys } from '../objects/keys.ts'
import { plainBare } from '../segments/bare.ts'
import { isBare } from '../segments/plan-segments.ts'
import type { BareRef, SegmentRef } from '../segments/segment.ts'
import type { Ts } from '../store.ts'
import { buildTree, changeTree } from '../trees/change.ts'
import { checkChange, checkFiles } from '../trees/check.ts'
import { diffTrees } from '../trees/difference.ts'
import type { MadeTree, ReadNode, TreeDifference, TreeFile } from '../trees/tree-file.ts'
import { deriveFiles } from './derive.ts'
import { differenceFromLive } from './difference.ts'
import { type Committed, changeOf, toSiteChange, toVersionRecord } from './entry.ts'
import { locate, takeSent } from './locate.ts'
import { type Made, noteMade, withMade } from './made.ts'
import { requireDisjoint } from './rebase.ts'
import type { Prepared } from './site-log.ts'
import type { SiteParts } from './site-parts.ts'
import type { Published, PublishInput, VersionRecord } from './versions.ts'

/** What a publish comes to on the present live version. */
interface Target {
  readonly made: MadeTree
  /** From the live tree to it. */
  readonly difference: TreeDifference
  /**
   * Files whose contents have to be there: those that changed, or all that were listed. So a site is whole after it was
   * published as a whole, whatever was lost before.
   */
  readonly needed: readonly TreeFile[]
  readonly rebased: boolean
  /** Files that were made from the tree: nobody had to send them. */
  readonly derived: readonly TreeFile[]
}

/** What all rounds of one publish have written. */
interface Written extends Made {
  readonly segments: SegmentRef[]
  readonly bare: BareRef[]
}

/** What can be said of a publish before its turn. Throws `ERR_PUBLISH_REFUSED`. */
export function checkPublish(input: PublishInput): void {
  if (input.message.length > limits.tree.messageChars)
    throw new GroveError('ERR_PUBLISH_REFUSED', `message of more than ${limits.tree.messageChars} characters`)
  if ('files' in input) checkFiles(input.files)
}

/** Publishes; see {@link SiteVersions.publish}. */
export function publish(parts: SiteParts, input: PublishInput): Promise<Published> {
  const { log, blobs } = parts
  return withMade(parts, async (made) => {
    const written: Written = { ...made, segments: [], bare: [] }
    const done = await log.change(input, () => prepare(parts, input, written))
    if (!done) return unchanged(log.state.live)
    if (!('committed' in done)) return longDone(parts, done.trimmedAt)
    if (done.committed.entry.kind === 'pack') {
      if ('files' in input) await blobs.settle(input.files.map(({ hash }) => hash))
      return unchanged(log.state.live)
    }
    const committed = ofPublish(done.committed, input.opId)
    await blobs.settle(committed.entry.put.map(([, hash]) => hash))
    return {
      record: toVersionRecord(committed),
      unchanged: false,
      rebased: committed.entry.rebased,
      change: toSiteChange(committed),
    }
  })
}

/**
 * One round: the entry that makes the version, or undefined when its tree is live already. When it is, but something of
 * it was lost and has come again, the entry that names its new place.
 */
async function prepare(parts: SiteParts, input: PublishInput, written: Written): Promise<Prepared | undefined> {
  const { live, lastVersion, versions, segments, bare } = parts.log.state
  if (versions.length >= 2 * limits.store.versionsKept)
    throw new GroveError('ERR_TOO_MANY', `site "${parts.name}" has ${versions.length} versions`, {
      hint: `grove site prune ${parts.name} forgets those that nothing keeps`,
    })
  parts.contents.use([...segments, ...written.segments], [...bare, ...written.bare])
  const target = await targetOf(parts, input)
  const { made, difference, rebased, derived } = target
  const { message, atMs } = input
  const isLive = live?.root === made.root
  const version = isLive ? lastVersion : lastVersion + 1
  const own = new Set(derived.map(({ hash }) => hash))
  const isSent = input.isSent && ((hash: BlobHash) => own.has(hash) || input.isSent?.(hash) === true)
  const objects = await writeNew(parts, { ...target, version, isSent }, written)
  if (isLive) {
    const isRepaired = objects.segments.length + objects.bare.length > 0
    return isRepaired ? { entry: { format: 2, kind: 'pack', atMs, drop: [], ...objects } } : undefined
  }
  const entry = {
    format: 2,
    kind: 'publish',
    atMs,
    version,
    parent: live?.version,
    root: made.root,
    message,
    files: made.files,
    bytes: made.bytes,
    rebased,
    ...objects,
    ...changeOf(difference),
  } as const
  const { added, changed, removed } = difference
  const counts = { added: added.length, changed: changed.length, removed: removed.length }
  const audit = { act: 'publish', version: entry.version, ...counts, ...(rebased && { rebased }) } as const
  return { entry, audit }
}

/** The tree that is wanted. Throws `ERR_PUBLISH_CONFLICT`, `ERR_PUBLISH_REFUSED`, `ERR_VERSION_UNKNOWN`. */
async function targetOf(parts: SiteParts, input: PublishInput): Promise<Target> {
  const { env, contents, log } = parts
  const { live } = log.state
  const read = contents.node
  if ('files' in input) {
    const listed = await buildTree(input.files, env.turn)
    const { made, put } = await deriveFiles(parts, listed, over(listed, read), input)
    const difference = await differenceFromLive(over(made, read), live?.root, made.root, env.turn)
    return { made, difference, needed: [...input.files, ...put], rebased: false, derived: put }
  }
  const rebased = input.base !== (live?.version ?? 0)
  if (rebased) {
    const base = baseOf(parts, input.base)
    const theirs = await diffTrees(read, base?.root, live?.root, env.turn)
    requireDisjoint(theirs, input.change, { site: parts.name, base: input.base, live: live?.version })
  }
  await checkChange(read, live?.root, input.change, env.turn)
  const changed = await changeTree(read, live?.root, input.change, env.turn)
  const { made, put } = await deriveFiles(parts, changed, over(changed, read), input)
  const difference = await diffTrees(over(made, read), live?.root, made.root, env.turn)
  return { made, difference, needed: [...difference.added, ...difference.changed], rebased, derived: put }
}

function baseOf({ log, name }: SiteParts, base: number): VersionRecord | undefined {
  if (base === 0) return undefined
  const found = log.state.versions.find(({ version }) => version === base)
  if (found) return found
  throw new GroveError(
    'ERR_VERSION_UNKNOWN',
    `site "${name}" has no version ${base} any more, which the change was made from`,
    {
      hint: 'publish again from the version that is live now',
    },
  )
}

/** Nodes of a tree that was made just now, and those of the store. */
function over({ nodes }: MadeTree, read: ReadNode): ReadNode {
  return async (hash) => nodes.get(hash) ?? read(hash)
}

/** Writes what is new in a version for good, and answers the objects that the version needs beside the site's. */
async function writeNew(
  parts: SiteParts,
  {
    made,
    needed,
    version,
    isSent,
  }: Pick<Target, 'made' | 'needed'> & Pick<PublishInput, 'isSent'> & { readonly version: number },
  written: Written,
): Promise<{ segments: SegmentRef[]; bare: BareRef[] }> {
  const { blobs, contents, log } = parts
  written.releases.push(blobs.hold(needed.map(({ hash }) => hash)))
  const items: PackItem[] = await contentItems(parts, needed, isSent, written)
  for (const [hash, bytes] of made.nodes) if (!(await contents.find(hash))) items.push(nodeItem(hash, bytes))
  if (items.length > 0) take(written, await contents.pack({ items, lo: version, hi: version }))
  const { segments, bare } = log.state
  contents.use([...segments, ...written.segments], [...bare, ...written.bare])
  return neededOf(parts, [...needed.map(({ hash }) => hash), ...made.nodes.keys()], written)
}

/** The contents that are in no object yet. Throws `ERR_BLOB_MISSING`, `ERR_PUBLISH_REFUSED`. */
async function contentItems(
  parts: SiteParts,
  files: readonly TreeFile[],
  isSent: PublishInput['isSent'],
  written: Written,
): Promise<PackItem[]> {
  const { blobs, owner, name } = parts
  const { local, sent, missing } = await locate(parts, files, isSent)
  if (missing.length > 0) throw missingContents(missing)
  if (sent.length === 0) return local.map((file) => localItem(parts, file))
  written.releases.push(await blobs.reservations.reserve(sent.map(({ hash }) => objectKeys.large(owner, name, hash))))
  const wrong = await takeSent(parts, sent)
  if (wrong.length > 0) throw missingContents(wrong)
  // What is too large for a segment is an object already, and was read and checked just now.
  for (const { hash, bytes } of sent) if (isBare(bytes)) written.bare.push(plainBare(hash, bytes))
  return [...local, ...sent.filter(({ bytes }) => !isBare(bytes))].map((file) => localItem(parts, file))
}

function take(written: Written, packed: PackedObjects): void {
  written.segments.push(...packed.segments)
  written.bare.push(...packed.bare)
  noteMade(written, packed)
}

/** Those of the objects that were written which hold something of a version. */
async function neededOf(
  { contents }: SiteParts,
  hashes: readonly BlobHash[],
  written: Written,
): Promise<{ segments: SegmentRef[]; bare: BareRef[] }> {
  const ids = new Set<BlobHash>()
  if (written.segments.length + written.bare.length > 0)
    for (const hash of hashes) {
      const place = await contents.find(hash)
      if (place) ids.add(place.kind === 'large' ? place.ref.id : place.head.ref.id)
    }
  const isNeeded = ({ id }: { readonly id: BlobHash }) => ids.has(id)
  return { segments: written.segments.filter(isNeeded), bare: written.bare.filter(isNeeded) }
}

function unchanged(live: VersionRecord | undefined): Published {
  if (!live) throw new GroveError('ERR_INTERNAL', 'a tree that is live, and no version that is')
  return { record: live, unchanged: true, rebased: false, change: undefined }
}

/** A publish so long ago that its entry was trimmed: what is left of it is its version. */
function longDone({ log, name }: SiteParts, ts: Ts): Published {
  const record = log.state.versions.find((candidate) => candidate.ts === ts)
  if (record) return { record, unchanged: false, rebased: false, change: undefined }
  throw new GroveError(
    'ERR_VERSION_UNKNOWN',
    `the version of site "${name}" that this operation made is not kept any more`,
  )
}

function ofPublish({ entry, ...rest }: Committed, opId: string): Committed<Committed['entry'] & { kind: 'publish' }> {
  if (entry.kind === 'publish') return { entry, ...rest }
  throw new GroveError('ERR_BAD_REQUEST', `operation id ${opId} was used for another operation`)
}
