/**
 * Cleaning up at the start what is derived: compiled versions that nobody reads, and copies of contents that are gone.
 * It runs in the background, while authors publish. All of it can be made again, so what goes too early costs time.
 *
 * The look whether something is in use and its removal happen in one turn of the event loop.
 */

import { existsSync, statSync, unlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { blobFile, type Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { isBlobHash } from '../core/names.ts'
import type { CompiledTexts } from './compiled-texts.ts'

/** What a sweep is made with. */
export interface SweepOptions {
  readonly layout: Layout
  readonly texts: Pick<CompiledTexts, 'isHeld'>
  /** What is younger than this moment stays: it is this process's own. Unix milliseconds. */
  readonly olderThanMs: number
  readonly signal: AbortSignal
}

/** How much a sweep removed. */
export interface SweepResult {
  readonly compiled: number
  readonly variants: number
}

/** Sweeps once, or until the signal aborts. Throws what the disk throws. */
export async function sweep(options: SweepOptions): Promise<SweepResult> {
  return { compiled: await sweepCompiled(options), variants: await sweepVariants(options) }
}

function sweepCompiled({ layout, texts, olderThanMs, signal }: SweepOptions): Promise<number> {
  return sweepFolder(layout.compiled, signal, (file, name) => {
    return isBlobHash(name) && !texts.isHeld(name) && statSync(file).mtimeMs < olderThanMs
  })
}

/**
 * A copy may be in use though its original was evicted: visitors who take the copy do not need that. So it goes when the
 * original is gone and nobody has read it in a long time.
 */
function sweepVariants({ layout, olderThanMs, signal }: SweepOptions): Promise<number> {
  const unusedSinceMs = olderThanMs - limits.variant.unusedMs
  return sweepFolder(layout.variants, signal, (file, name) => {
    const hash = name.slice(0, 64)
    if (!isBlobHash(hash) || existsSync(blobFile(layout, hash))) return false
    const { atimeMs, mtimeMs } = statSync(file)
    return Math.max(atimeMs, mtimeMs) < unusedSinceMs
  })
}

/** Removes those files in the folders of a folder that have no use; answers how many. */
async function sweepFolder(
  folder: string,
  signal: AbortSignal,
  isUseless: (file: string, name: string) => boolean,
): Promise<number> {
  let removed = 0
  for (const part of await listFolder(folder))
    for (const name of await listFolder(join(folder, part))) {
      await nextTurn()
      if (signal.aborted) return removed
      const file = join(folder, part, name)
      if (!removeIf(file, () => isUseless(file, name))) continue
      removed += 1
    }
  return removed
}

function removeIf(file: string, isUseless: () => boolean): boolean {
  try {
    if (!isUseless()) return false
    unlinkSync(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false // Somebody else was faster.
    throw error
  }
}

async function listFolder(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [] // Nothing was ever made there.
    throw error
  })
}
