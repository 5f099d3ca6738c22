/**
 * Keeping the cache of contents within its size: what was used longest ago goes. The files are not kept account of one
 * by one: they are looked at when there may be too much, in small steps, and counted by age.
 */

import { join } from 'node:path'
import type { Layout } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import type { Environment } from '../environment.ts'

/** What an eviction is made with. */
export interface EvictionOptions {
  readonly env: Environment
  readonly layout: Layout
  readonly maxBytes: number
  /** Whether a content must stay. */
  readonly isHeld: (hash: BlobHash) => boolean
  /** Removes a file, unless it came into use meanwhile; answers whether it did. */
  readonly remove: (hash: BlobHash, file: string) => Promise<boolean>
}

/** What an eviction did. */
export interface Evicted {
  readonly files: number
  readonly bytes: number
  /** What is left. */
  readonly keptBytes: number
}

/** A content of the cache. */
interface Cached {
  readonly hash: BlobHash
  readonly file: string
  readonly bytes: number
  /** Of the age at which it was used last; see {@link ageClass}. */
  readonly ageClass: number
}

/** Brings the cache down to nine tenths of its size, if it is larger than that size. Stops early when `signal` aborts. */
export async function evict(options: EvictionOptions, signal: AbortSignal): Promise<Evicted> {
  const { maxBytes, isHeld, remove } = options
  const nowMs = options.env.now()
  /** Bytes by age class. */
  const byAge: number[] = []
  let total = 0
  for await (const { hash, bytes, ageClass } of cached(options, nowMs, signal)) {
    if (!isHeld(hash)) byAge[ageClass] = (byAge[ageClass] ?? 0) + bytes
    total += bytes
  }
  const done = { files: 0, bytes: 0 }
  if (total > maxBytes && !signal.aborted) {
    const excess = total - maxBytes * 0.9
    const { cutoff, older } = cutoffOf(byAge, excess)
    let ofCutoff = excess - older
    for await (const { hash, file, bytes, ageClass } of cached(options, nowMs, signal)) {
      if (ageClass < cutoff || (ageClass === cutoff && ofCutoff <= 0) || isHeld(hash)) continue
      if (!(await remove(hash, file))) continue
      if (ageClass === cutoff) ofCutoff -= bytes
      done.files += 1
      done.bytes += bytes
    }
  }
  return { ...done, keptBytes: total - done.bytes }
}

/** The age class some of which has to go, and the bytes of all older ones, which go whole. */
function cutoffOf(byAge: readonly number[], excess: number): { cutoff: number; older: number } {
  let older = 0
  for (let cutoff = byAge.length - 1; cutoff > 0; cutoff -= 1) {
    const bytes = byAge[cutoff] ?? 0
    if (older + bytes >= excess) return { cutoff, older }
    older += bytes
  }
  return { cutoff: 0, older }
}

/** Each class is nine percent longer than the one before: 400 are enough for any age. */
function ageClass(ageMs: number): number {
  return Math.min(400, Math.floor(Math.log2(Math.max(0, ageMs) + 1) * 8))
}

/** All contents of the cache, a folder at a time. */
async function* cached({ env, layout }: EvictionOptions, nowMs: number, signal: AbortSignal): AsyncGenerator<Cached> {
  for (const name of await env.files.list(layout.blobs)) {
    if (!/^[0-9a-f]{2}$/.test(name)) continue
    const folder = join(layout.blobs, name)
    const found: Cached[] = []
    const hashes = (await env.files.list(folder)).filter(isBlobHash)
    await forEachParallel(hashes, limits.store.blobLookups, async (hash) => {
      const file = join(folder, hash)
      const stat = await env.files.stat(file)
      if (!stat) return
      const usedMs = Math.max(stat.modifiedMs, stat.accessedMs ?? 0)
      found.push({ hash, file, bytes: stat.bytes, ageClass: ageClass(nowMs - usedMs) })
    })
    yield* found
    await env.turn()
    if (signal.aborted) return
  }
}
