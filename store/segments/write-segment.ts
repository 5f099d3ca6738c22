/** Writing a segment into a file; its bytes are told in format.ts. */

import { hash as digest } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { Environment } from '../environment.ts'
import { type Packed, pack, packIndex } from './codec.ts'
import * as format from './format.ts'
import type { Keyring } from './keyring.ts'
import { createOutput, type Output } from './output-file.ts'
import { keyBytes, seal } from './seal.ts'
import type { Frame, SegmentContext, SegmentIndex, SegmentItem, SegmentRef } from './segment.ts'

/** What a segment is made of. */
export interface WriteSegmentOptions {
  readonly env: Environment
  /** Where the file goes; on the disk of the data folder. */
  readonly folder: string
  readonly context: SegmentContext
  /** Each hash once; contents and nodes in any order: the nodes go to the end. See `planSegments`. */
  readonly items: readonly SegmentItem[]
  /** Seals the segment with the owner's current key. Default: it is plain. */
  readonly keyring?: Keyring | undefined
}

/** A segment in a file of its own, which belongs to the caller. */
export interface WrittenSegment {
  readonly ref: SegmentRef
  readonly file: string
  readonly index: SegmentIndex
}

/** A segment's key while it is written: in the clear, and wrapped as it goes into the file. */
interface FreshKey {
  readonly key: Buffer
  readonly wrapped: Buffer
}

/**
 * Packs contents and nodes into a new file and forces it to disk; its name there is not durable. In memory are a few
 * items that are packed ahead, at most `limits.segment.mostBytes` of them. An item whose bytes have another hash or
 * length than it says is refused. When it fails, no file stays behind. Equal items give equal bytes, but for the key.
 *
 * Throws `ERR_BLOB_CORRUPT`, `ERR_BAD_REQUEST` (no items, a hash twice), `ERR_TOO_LARGE`, what an item's `read` throws,
 * and the system's error of the disk.
 */
export async function writeSegment(options: WriteSegmentOptions): Promise<WrittenSegment> {
  const { env, folder, context, items } = options
  checkItems(items)
  const file = join(folder, `segment-${env.randomBytes(12).toString('hex')}`)
  const output = await createOutput(env, file)
  try {
    const freshKey = makeKey(options)
    const frames = await writeFrames(options, output, freshKey?.key)
    const footer = await writeEnd(context, output, frames, freshKey)
    await output.finish()
    const { tailOffset, indexOffset, indexHash } = footer
    const { lo, hi } = context
    const ref = { id: output.hash(), bytes: output.offset, tailOffset, indexOffset, indexHash, lo, hi }
    const index = { ref, seal: freshKey?.wrapped, frames: new Map(frames.map((frame) => [frame.hash, frame])) }
    return { ref, file, index }
  } catch (error) {
    await output.discard()
    throw error
  }
}

function checkItems(items: readonly SegmentItem[]): void {
  const { entries, mostBytes } = limits.segment
  if (items.length === 0) throw new GroveError('ERR_BAD_REQUEST', 'a segment of nothing')
  if (items.length > entries) throw new GroveError('ERR_TOO_LARGE', `a segment of more than ${entries} contents`)
  const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
  if (bytes > mostBytes) throw new GroveError('ERR_TOO_LARGE', `a segment of more than ${mostBytes} bytes`)
  if (new Set(items.map((item) => item.hash)).size < items.length)
    throw new GroveError('ERR_BAD_REQUEST', 'a segment with one content twice')
}

function makeKey({ env, context, keyring }: WriteSegmentOptions): FreshKey | undefined {
  if (!keyring) return undefined
  const key = env.randomBytes(keyBytes)
  const scope = { owner: context.owner, bound: format.boundKey(context), what: 'a new segment' }
  return { key, wrapped: keyring.wrap(env, scope, key) }
}

async function writeFrames(
  { env, context, items }: WriteSegmentOptions,
  output: Output,
  key: Buffer | undefined,
): Promise<Frame[]> {
  const frames: Frame[] = []
  await output.write(format.headMagic)
  const inOrder = [...items.filter(isContent), ...items.filter((item) => !isContent(item))]
  let sinceTurn = 0
  for await (const { item, packed } of packedAhead(inOrder)) {
    const { hash, kind, bytes } = item
    const known = { hash, kind, codec: packed.codec, ordinal: frames.length, bytes }
    const stored = key
      ? [seal({ key, nonce: format.frameNonce(known.ordinal), bound: format.boundFrame(context, known) }, packed.bytes)]
      : [packed.bytes, crcOf(packed.bytes)]
    const offset = output.offset
    for (const piece of stored) await output.write(piece)
    frames.push({ ...known, offset, length: output.offset - offset })
    sinceTurn += bytes
    if (sinceTurn < limits.segment.packInLineBytes) continue
    sinceTurn = 0
    await env.turn()
  }
  return frames
}

async function writeEnd(
  context: SegmentContext,
  output: Output,
  frames: readonly Frame[],
  freshKey: FreshKey | undefined,
): Promise<format.SegmentFooter> {
  const plain = format.encodeIndex(frames)
  const packed = packIndex(plain)
  const bound = format.boundIndex(context, plain.length)
  const section = freshKey
    ? Buffer.concat([freshKey.wrapped, seal({ key: freshKey.key, nonce: format.indexNonce(), bound }, packed)])
    : packed
  const indexOffset = output.offset
  const footer = {
    tailOffset: frames.find((frame) => frame.kind === 'node')?.offset ?? indexOffset,
    indexOffset,
    indexLength: section.length,
    indexBytes: plain.length,
    indexHash: digest('sha256', section),
    sealed: freshKey !== undefined,
  }
  await output.write(section)
  await output.write(format.encodeFooter(footer))
  return footer
}

/** Items read, checked and packed in their order, a few ahead of the one that is asked for. */
async function* packedAhead(
  items: readonly SegmentItem[],
): AsyncGenerator<{ readonly item: SegmentItem; readonly packed: Packed }> {
  const line: Promise<{ item: SegmentItem; packed: Packed }>[] = []
  let next = 0
  try {
    while (next < items.length || line.length > 0) {
      for (const item of items.slice(next, next + limits.segment.ahead - line.length)) {
        const packing = packItem(item)
        packing.catch(() => {}) // Whoever comes to it gets the error; until then it is not unhandled.
        line.push(packing)
        next += 1
      }
      const packing = line.shift()
      if (packing) yield await packing
    }
  } finally {
    // When it failed, nobody reads on after this.
    await Promise.allSettled(line)
  }
}

async function packItem(item: SegmentItem): Promise<{ item: SegmentItem; packed: Packed }> {
  const bytes = await item.read()
  const found: BlobHash = digest('sha256', bytes)
  if (found === item.hash && bytes.length === item.bytes) return { item, packed: await pack(bytes) }
  throw new GroveError(
    'ERR_BLOB_CORRUPT',
    `${item.kind} ${item.hash} of ${item.bytes} bytes reads as ${bytes.length} bytes of the hash ${found}`,
  )
}

function isContent({ kind }: SegmentItem): boolean {
  return kind === 'content'
}

function crcOf(bytes: Uint8Array): Buffer {
  const check = Buffer.alloc(format.crcBytes)
  check.writeUInt32BE(crc32(bytes))
  return check
}
