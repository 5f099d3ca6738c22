/**
 * Copies of files in other codings, made in the background after a publish.
 *
 * A copy lies beside its original's hash and is made once, whatever site or version has the content. It is derived: a
 * lost one is made again. An empty file says that a copy is not worth having.
 */

import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { type Coding, codings } from '../core/compiled.ts'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import { type Layout, variantFile } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import { createTurnstile } from '../core/turnstile.ts'
import type { Blobs } from '../store/contents/blobs.ts'
import { decode, encode } from './encode.ts'
import { isCompressible } from './media-type.ts'

/** A content that copies are wanted of. `type` is its media type. */
export interface VariantSource {
  readonly hash: BlobHash
  readonly bytes: number
  readonly type: string
}

/** A copy that is worth sending. */
export interface FoundVariant {
  readonly coding: Coding
  readonly bytes: number
}

/** A copy that was there once. */
export interface LostVariant extends FoundVariant {
  readonly hash: BlobHash
  /** Media type of the original. */
  readonly type: string
}

/** Sees to it that an original lies on the local disk. */
export type EnsureContent = (hash: BlobHash) => Promise<void>

/** Makes copies in the background. */
export interface Variants {
  /**
   * Makes all copies of these contents that are not there, and resolves when that is done. A content that cannot be
   * copied (missing, damaged) is logged and passed over: it stays outstanding. Several requests share the work
   * fairly: a small publish does not wait for the rest of a large one. Rejects with `ERR_CLOSED` after {@link close}.
   */
  request(files: readonly VariantSource[], ensure: EnsureContent): Promise<void>
  /**
   * Makes a copy again that is not there any more, or not with the bytes that it had. Answers whether it is there with
   * these bytes now; another release of an encoder may make others.
   */
  remake(lost: LostVariant, ensure: EnsureContent): Promise<boolean>
  /** Stops what is under way, leaves no half copy, and resolves when nothing runs any more. */
  close(): Promise<void>
}

/** A copy has to be this much smaller than its original to be worth a second cache entry. */
const worthwhileShare = 0.95

/** Whether copies are made of files of a type and size at all. */
export function wantsVariants(type: string, bytes: number): boolean {
  return bytes >= limits.variant.minBytes && bytes <= limits.variant.maxBytes && isCompressible(type)
}

/**
 * The copies of a content that lie on disk, and whether it is settled for every coding if there is one. They are made
 * in the order of {@link codings}, so it looks no further than the first that is not there.
 */
export async function findVariants(
  layout: Layout,
  hash: BlobHash,
): Promise<{ readonly variants: readonly FoundVariant[]; readonly isComplete: boolean }> {
  const variants: FoundVariant[] = []
  for (const coding of codings) {
    const bytes = await sizeOf(variantFile(layout, hash, coding))
    if (bytes === undefined) return { variants, isComplete: false }
    if (bytes > 0) variants.push({ coding, bytes })
  }
  return { variants, isComplete: true }
}

/** A maker of copies. At most `limits.variant.parallel` contents are worked on at one time. */
export function createVariants(options: {
  readonly layout: Layout
  readonly blobs: Pick<Blobs, 'read'>
  readonly log: Logger
}): Variants {
  const { layout, blobs, log } = options
  const ended = new AbortController()
  const { parallel, inLine } = limits.variant
  const places = createTurnstile({ parallel, most: inLine, what: 'contents to be copied' })
  /** Keyed by hash: a content that two requests want is copied once. Each request has a few in here at a time. */
  const underWay = new Map<BlobHash, Promise<void>>()

  async function make(source: Pick<VariantSource, 'hash' | 'type'>, ensure: EnsureContent): Promise<void> {
    const read = async (hash: BlobHash) => {
      await ensure(hash)
      return blobs.read(hash) // Checked against its hash: a copy of damage would outlive its repair.
    }
    try {
      await places.run(() => makeVariants(layout, read, source, ended.signal), ended.signal)
    } catch (error) {
      if (!ended.signal.aborted) log.error({ err: error, hash: source.hash }, 'copies in other codings cannot be made')
    } finally {
      underWay.delete(source.hash)
    }
  }

  function makeOnce(source: Pick<VariantSource, 'hash' | 'type'>, ensure: EnsureContent): Promise<void> {
    const same = underWay.get(source.hash)
    if (same) return same
    const job = make(source, ensure)
    underWay.set(source.hash, job)
    return job
  }

  return {
    async request(files, ensure) {
      const wanted = files.filter(({ type, bytes }) => wantsVariants(type, bytes))
      await forEachParallel(wanted, parallel, (source) => makeOnce(source, ensure))
      if (ended.signal.aborted) throw new GroveError('ERR_CLOSED', 'copies are not made any more: control is stopping')
    },
    async remake({ hash, coding, bytes, type }, ensure) {
      const file = variantFile(layout, hash, coding)
      const found = await sizeOf(file)
      if (found !== undefined && found !== bytes) await rm(file, { force: true })
      if (found !== bytes) await makeOnce({ hash, type }, ensure)
      return (await sizeOf(file)) === bytes
    },
    async close() {
      ended.abort()
      await Promise.all(underWay.values())
    },
  }
}

/** Makes those copies of a content that are not there. */
async function makeVariants(
  layout: Layout,
  read: (hash: BlobHash) => Promise<Buffer>,
  { hash, type }: Pick<VariantSource, 'hash' | 'type'>,
  signal: AbortSignal,
): Promise<void> {
  const sizes = await Promise.all(codings.map((coding) => sizeOf(variantFile(layout, hash, coding))))
  const outstanding = codings.filter((_, index) => sizes[index] === undefined)
  if (outstanding.length === 0) return
  const content = await read(hash)
  for (const coding of outstanding) {
    const encoded = await encode(content, coding, type, signal)
    const isWorthwhile = encoded.length <= content.length * worthwhileShare
    // Decoding takes a hundredth of the time of encoding, and a wrong copy would be sent under its tag for ever.
    if (isWorthwhile && !content.equals(await decode(encoded, coding, content.length)))
      throw new GroveError('ERR_BLOB_CORRUPT', `copy of ${hash} in ${coding} does not decode to the original`)
    await writeVariant(layout, variantFile(layout, hash, coding), isWorthwhile ? encoded : Buffer.alloc(0))
  }
}

/**
 * Writes a copy whole or not at all. It is forced to disk before it has its name, because nobody checks a copy when it
 * is sent; that the name itself survives a power cut is not needed.
 */
async function writeVariant(layout: Layout, file: string, content: Buffer): Promise<void> {
  const temporary = join(layout.temporary, `variant-${randomId()}`)
  await mkdir(layout.temporary, { recursive: true, mode: 0o700 })
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  try {
    await writeFile(temporary, content, { flag: 'wx', mode: 0o600, flush: true })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
