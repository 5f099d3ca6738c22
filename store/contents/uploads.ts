/** Contents that were sent: moved into the cache once they are published, removed when nobody publishes them. */

import { join } from 'node:path'
import { type Layout, uploadFile } from '../../core/layout.ts'
import { type BlobHash, isBlobHash } from '../../core/names.ts'
import { isMissingFile, toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { isContent, moveIntoCache } from './content-file.ts'
import type { HashLocks } from './hash-locks.ts'

/** Most uploads whose lengths are known; beyond it they are checked again when they are published. */
const mostKnown = 1_000_000

/** Uploads that this process has written, so that they are known to be right: their lengths, keyed by hash. */
export type KnownUploads = Map<BlobHash, number>

/** Notes that an upload was written by this process. */
export function rememberUpload(known: KnownUploads, hash: BlobHash, bytes: number): void {
  if (known.size >= mostKnown) known.clear()
  known.set(hash, bytes)
}

/** An upload that is published. */
export interface UploadMove {
  readonly hash: BlobHash
  readonly upload: string
  readonly cached: string
  /** Its length, if this process has written it. One of an earlier process may have been torn by a power failure. */
  readonly knownBytes: number | undefined
}

/** Moves an upload into the cache and answers its length; 0 when it is not there, or damaged: then it is removed. */
export async function moveUpload(env: Environment, { hash, upload, cached, knownBytes }: UploadMove): Promise<number> {
  if (knownBytes === undefined && (await isContent(env, upload, hash)) === false) {
    await env.files.remove(upload)
    return 0
  }
  try {
    const bytes = knownBytes ?? (await env.files.stat(upload))?.bytes ?? 0
    await moveIntoCache(env, upload, cached)
    return bytes
  } catch (error) {
    if (isMissingFile(error)) return 0
    throw toDiskError(`take content ${hash} into the cache`, error)
  }
}

/** What a removal of uploads is made with. */
export interface UploadSweep {
  readonly env: Environment
  readonly layout: Layout
  readonly locks: HashLocks
  readonly isHeld: (hash: BlobHash) => boolean
  readonly olderThanMs: number
}

/** Removes uploads that nobody holds and nobody asked for in the last `olderThanMs`. */
export async function removeUploads(
  { env, layout, locks, isHeld, olderThanMs }: UploadSweep,
  signal: AbortSignal | undefined,
): Promise<{ files: number; bytes: number }> {
  const done = { files: 0, bytes: 0 }
  for (const folder of (await env.files.list(layout.uploads)).filter((name) => /^[0-9a-f]{2}$/.test(name))) {
    await env.turn()
    for (const hash of (await env.files.list(join(layout.uploads, folder))).filter(isBlobHash)) {
      if (signal?.aborted) return done
      const file = uploadFile(layout, hash)
      // Whoever asks for it meanwhile waits at the lock, and then marks it as used or finds that it is gone.
      await locks.run(hash, async () => {
        const found = await env.files.stat(file)
        if (!found || isHeld(hash) || env.now() - found.modifiedMs < olderThanMs) return
        if (!(await env.files.remove(file))) return
        done.files += 1
        done.bytes += found.bytes
      })
    }
  }
  return done
}
