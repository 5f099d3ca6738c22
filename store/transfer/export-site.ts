/**
 * Exporting a site: everything that a store knows of it for visitors and authors, in one plain file that needs no Grove
 * to be read. What stays behind belongs to the host: grants, the audit log, deliveries to plugins.
 */

import { createHash } from 'node:crypto'
import { GroveError, isGroveError } from '../../core/errors.ts'
import type { BlobHash } from '../../core/names.ts'
import { missingContents } from '../contents/content-file.ts'
import { objectKeys } from '../objects/keys.ts'
import { openStream } from '../segments/bare.ts'
import type { BareRef, Frame, SegmentRef } from '../segments/segment.ts'
import { filesOf } from '../trees/walk.ts'
import { openParts, type SiteVersionsOptions } from '../versions/open-versions.ts'
import { versionsPath } from '../versions/site-log.ts'
import type { SiteParts } from '../versions/site-parts.ts'
import type { VersionRecord } from '../versions/versions.ts'
import {
  aboutName,
  contentName,
  type ExportAbout,
  type ExportVersion,
  listLine,
  listName,
  versionsName,
} from './export-format.ts'
import { tarEnd, tarHeader, tarPadding } from './tar-write.ts'

/** How far an export or an import is. */
export interface TransferProgress {
  /** Contents that were moved, and how many there are. */
  readonly contents: number
  readonly of: number
  /** Of contents. */
  readonly bytes: number
}

/** What an export is made with. */
export type ExportOptions = SiteVersionsOptions & {
  readonly onProgress?: (progress: TransferProgress) => void
}

/** Of a list, at one time. */
const pieceChars = 65_536

/** A version's list, as it will be written. */
interface List {
  readonly record: VersionRecord
  readonly bytes: number
  readonly hash: BlobHash
}

/**
 * The bytes of a site's export, as it is at the call: it may be published and pruned meanwhile. A reader who does not see
 * the end has no export. Throws `ERR_SITE_UNKNOWN` when there is no version, `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`,
 * `ERR_OBJECTS`; then the file has no end, and is refused wherever it is read.
 */
export async function* exportSite(options: ExportOptions): AsyncGenerator<Buffer> {
  await requireLog(options)
  const parts = await openParts(options)
  const { log, env, name } = parts
  try {
    const { versions, live, lastVersion, pins } = log.state
    if (versions.length === 0) throw unknownSite(name)
    const atMs = env.now()
    /** Keyed by hash: lengths. */
    const wanted = new Map<BlobHash, number>()
    const lists: List[] = []
    for (const record of versions) lists.push(await listOf(parts, record, wanted))
    const bytes = [...wanted.values()].reduce((sum, length) => sum + length, 0)
    const about: ExportAbout = {
      ...{
        format: 'grove-export-1',
        site: name,
        store: options.store.id,
        atMs,
        lastVersion,
        live: live?.version ?? null,
      },
      versions: versions.length,
      pins: pins.flatMap(({ name, version, untilMs }) => (untilMs === undefined ? { name, version } : [])),
      ...{ contents: wanted.size, bytes },
    }
    yield* whole(aboutName, Buffer.from(`${JSON.stringify(about, undefined, 2)}\n`), atMs)
    yield* whole(versionsName, Buffer.from(lists.map((list) => `${JSON.stringify(lineOf(list))}\n`).join('')), atMs)
    for (const { record, bytes } of lists) {
      yield tarHeader(listName(record.version), bytes, atMs)
      yield* listPieces(parts, record)
      yield tarPadding(bytes)
    }
    yield* contentsOf(parts, wanted, { atMs, onProgress: options.onProgress })
    yield tarEnd()
  } finally {
    await log.close()
  }
}

/** Opening a site makes its log; asking for one that is not there must not. */
async function requireLog({ store, handle, owner, name }: ExportOptions): Promise<void> {
  try {
    await store.stat(handle, versionsPath(owner, name))
  } catch (error) {
    throw isGroveError(error, 'ERR_NOT_FOUND') ? unknownSite(name) : error
  }
}

function unknownSite(name: string): GroveError {
  return new GroveError('ERR_SITE_UNKNOWN', `there is no site "${name}" with a version to export`)
}

async function listOf(parts: SiteParts, record: VersionRecord, wanted: Map<BlobHash, number>): Promise<List> {
  const sha256 = createHash('sha256')
  let bytes = 0
  for await (const piece of listPieces(parts, record, wanted)) {
    sha256.update(piece)
    bytes += piece.length
  }
  return { record, bytes, hash: sha256.digest('hex') }
}

/** A version's list, so much at a time that neither memory nor the number of pieces is large. */
async function* listPieces(
  { contents, env }: SiteParts,
  { root }: VersionRecord,
  wanted?: Map<BlobHash, number>,
): AsyncGenerator<Buffer> {
  let piece = ''
  for await (const file of filesOf(contents.node, root, env.turn)) {
    wanted?.set(file.hash, file.bytes)
    piece += listLine(file)
    if (piece.length < pieceChars) continue
    yield Buffer.from(piece)
    piece = ''
  }
  yield Buffer.from(piece)
}

function lineOf({ record, hash }: List): ExportVersion {
  const { version, parent = null, message, atMs, files, bytes, added, changed, removed } = record
  return { version, parent, message, atMs, files, bytes, added, changed, removed, list: hash }
}

function* whole(name: string, content: Buffer, atMs: number): Generator<Buffer> {
  yield tarHeader(name, content.length, atMs)
  yield content
  yield tarPadding(content.length)
}

/** All contents, segment by segment, so that each object is read once. */
async function* contentsOf(
  parts: SiteParts,
  wanted: ReadonlyMap<BlobHash, number>,
  { atMs, onProgress }: { readonly atMs: number; readonly onProgress: ExportOptions['onProgress'] },
): AsyncGenerator<Buffer> {
  const { contents, env } = parts
  const { packed, large } = await placesOf(parts, wanted.keys())
  let done = 0
  let doneBytes = 0
  const told = (bytes: number) => {
    done += 1
    doneBytes += bytes
    onProgress?.({ contents: done, of: wanted.size, bytes: doneBytes })
  }
  for (const { ref, frames } of packed) {
    const read = contents.openWhole(ref)
    for (const frame of frames.sort((a, b) => a.offset - b.offset)) {
      yield* whole(contentName(frame.hash), await read(frame), atMs)
      told(frame.bytes)
      await env.turn()
    }
  }
  for (const ref of large) {
    yield tarHeader(contentName(ref.hash), ref.bytes, atMs)
    yield* largeContent(parts, ref)
    yield tarPadding(ref.bytes)
    told(ref.bytes)
  }
}

async function placesOf({ contents, env }: SiteParts, hashes: Iterable<BlobHash>) {
  /** Keyed by the segment's id. */
  const packed = new Map<BlobHash, { readonly ref: SegmentRef; readonly frames: Frame[] }>()
  const large: BareRef[] = []
  let looked = 0
  for (const hash of hashes) {
    const place = await contents.find(hash)
    if (!place) throw missingContents([hash])
    if (place.kind === 'large') large.push(place.ref)
    else {
      const { ref } = place.head
      const segment = packed.get(ref.id) ?? { ref, frames: [] }
      segment.frames.push(place.frame)
      packed.set(ref.id, segment)
    }
    looked += 1
    if (looked % 1_000 === 0) await env.turn()
  }
  return { packed: packed.values(), large }
}

function largeContent({ objects, keyring, owner, name }: SiteParts, ref: BareRef): AsyncIterable<Buffer> {
  const stored = objects.stream(objectKeys.large(owner, name, ref.id))
  return openStream({ ref, context: { owner, log: versionsPath(owner, name) }, keyring }, stored)
}
