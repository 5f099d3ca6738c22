/** Large contents: sealed into objects of their own, and opened again, whole or in part. Bytes: see bare-format.ts. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { Environment } from '../environment.ts'
import * as format from './bare-format.ts'
import { inBlocks } from './blocks.ts'
import { type Keyring, type KeyScope, unwrapKey } from './keyring.ts'
import { createOutput } from './output-file.ts'
import { keyBytes, seal, unseal } from './seal.ts'
import type { BareRef, SiteContext } from './segment.ts'

/** A large content to be sealed. */
export interface SealBareOptions {
  readonly env: Environment
  readonly keyring: Keyring
  readonly context: SiteContext
  readonly hash: BlobHash
  readonly bytes: number
}

/** A large content to be opened. */
export interface OpenBareOptions {
  readonly ref: BareRef
  readonly context: SiteContext
  readonly keyring?: Keyring | undefined
}

/** A part of a content or of an object, in bytes. */
interface Range {
  readonly offset: number
  readonly length: number
}

/** The reference of a large content that is not sealed: its object is the content. */
export function plainBare(hash: BlobHash, bytes: number): BareRef {
  return { id: hash, hash, bytes, storedBytes: bytes }
}

/**
 * Seals a large content with a fresh key. Answers the wrapped key at once, and the object's bytes as they are asked for,
 * once. The content is checked: the last block is given only when it had the hash and the length that were said, else
 * the stream throws `ERR_BLOB_CORRUPT`, and what it gave must not be named.
 */
export function sealStream(
  { env, keyring, context, hash, bytes }: SealBareOptions,
  source: AsyncIterable<Uint8Array>,
): { readonly seal: string; readonly storedBytes: number; readonly stream: AsyncIterable<Buffer> } {
  const key = env.randomBytes(keyBytes)
  const wrapped = keyring.wrap(env, scopeOf(context, { hash, bytes }), key)
  const bound = format.boundBlock(context, { hash, bytes })
  async function* sealed(): AsyncGenerator<Buffer> {
    let block = 0
    for await (const plain of inBlocks(checked(source, { hash, bytes }), limits.segment.blockBytes)) {
      yield seal({ key, nonce: format.blockNonce(bytes, block), bound }, plain)
      block += 1
    }
  }
  return { seal: wrapped.toString('base64'), storedBytes: format.storedBytesOf(bytes), stream: sealed() }
}

/**
 * Seals a large content into a new file in `folder` and forces it to disk; its name there is not durable. When it fails,
 * no file stays behind. Throws `ERR_BLOB_CORRUPT` for another content, and the system's error of the disk.
 */
export async function writeBare(
  options: SealBareOptions & { readonly folder: string },
  source: AsyncIterable<Uint8Array>,
): Promise<{ readonly ref: BareRef; readonly file: string }> {
  const { env, folder, hash, bytes } = options
  const file = join(folder, `bare-${env.randomBytes(12).toString('hex')}`)
  const output = await createOutput(env, file)
  try {
    const { seal: wrapped, storedBytes, stream } = sealStream(options, source)
    for await (const block of stream) await output.write(block)
    await output.finish()
    return { ref: { id: output.hash(), hash, bytes, storedBytes, seal: wrapped }, file }
  } catch (error) {
    await output.discard()
    throw error
  }
}

/**
 * A large content from its object's bytes, sealed or plain. Blocks of a sealed one are authentic as they come; the hash
 * and the length of the whole are checked at the end. Throws `ERR_BLOB_CORRUPT`, `ERR_KEY_MISSING`.
 */
export async function* openStream(options: OpenBareOptions, stored: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  yield* checked(options.ref.seal === undefined ? stored : openedBlocks(options, options.ref.seal, stored), options.ref)
}

/**
 * Which part of the object is needed for a part of the content: whole blocks of a sealed one. Throws `ERR_BAD_REQUEST`
 * for a part that does not lie in the content.
 */
export function storedRange(ref: BareRef, range: Range): Range {
  if (!(range.offset >= 0 && range.length >= 0 && range.offset + range.length <= ref.bytes))
    throw new GroveError('ERR_BAD_REQUEST', `content ${ref.hash} has no bytes ${range.offset} + ${range.length}`)
  if (ref.seal === undefined || range.length === 0) return range
  const { first, last } = blocksIn(range)
  const { offset } = format.storedBlock(ref.bytes, first)
  const end = format.storedBlock(ref.bytes, last)
  return { offset, length: end.offset + end.length - offset }
}

/**
 * A part of a content from the part of its object that {@link storedRange} names. Of a sealed one every block is
 * authentic; of a plain one nothing can be checked before the whole is there. Throws like {@link openStream}.
 */
export function openRange(options: OpenBareOptions, range: Range, stored: Buffer): Buffer {
  const { ref } = options
  const expected = storedRange(ref, range).length
  if (stored.length !== expected) throw corrupt(ref, `came as ${stored.length} bytes, expected ${expected}`)
  if (ref.seal === undefined || range.length === 0) return stored
  const open = openerOf(options, ref.seal)
  const { first, last } = blocksIn(range)
  const blocks: Buffer[] = []
  let at = 0
  for (let block = first; block <= last; block++) {
    const { length } = format.storedBlock(ref.bytes, block)
    blocks.push(open(block, stored.subarray(at, at + length)))
    at += length
  }
  const skipped = range.offset - first * limits.segment.blockBytes
  return Buffer.concat(blocks).subarray(skipped, skipped + range.length)
}

async function* openedBlocks(
  options: OpenBareOptions,
  wrapped: string,
  stored: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const open = openerOf(options, wrapped)
  let block = 0
  for await (const sealed of inBlocks(stored, format.storedBlockBytes)) {
    yield open(block, sealed)
    block += 1
  }
}

function openerOf(
  { ref, context, keyring }: OpenBareOptions,
  wrapped: string,
): (block: number, sealed: Buffer) => Buffer {
  const key = unwrapKey(keyring, scopeOf(context, ref), Buffer.from(wrapped, 'base64'))
  const bound = format.boundBlock(context, ref)
  return (block, sealed) => {
    const plain = unseal({ key, nonce: format.blockNonce(ref.bytes, block), bound }, sealed)
    if (plain) return plain
    throw corrupt(ref, `was changed in block ${block}`)
  }
}

/** The same bytes; at their end they have to have had this hash and length. Stops when there are too many. */
async function* checked(source: AsyncIterable<Uint8Array>, content: format.BareContent): AsyncGenerator<Buffer> {
  const sha256 = createHash('sha256')
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    if (bytes > content.bytes) break
    sha256.update(chunk)
    yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
  }
  if (bytes !== content.bytes || sha256.digest('hex') !== content.hash)
    throw corrupt(content, 'has other bytes than its hash and its length say')
}

function blocksIn({ offset, length }: Range): { readonly first: number; readonly last: number } {
  const { blockBytes } = limits.segment
  return { first: Math.floor(offset / blockBytes), last: Math.floor((offset + length - 1) / blockBytes) }
}

function scopeOf(context: SiteContext, content: format.BareContent): KeyScope {
  return { owner: context.owner, bound: format.boundBareKey(context, content), what: `content ${content.hash}` }
}

function corrupt({ hash }: format.BareContent, why: string): GroveError {
  return new GroveError('ERR_BLOB_CORRUPT', `content ${hash} ${why}`)
}
