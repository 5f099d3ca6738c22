/**
 * Cleaning up at the start: contents that no version refers to, compiled versions that nobody reads, and copies of
 * contents that are gone. It runs in the background, while authors publish.
 *
 * Nothing that a version needs may go. A content is only removed when no version refers to it, no publish of this
 * process has asked for it, and no publish is being committed at that very moment. The look and the removal happen in
 * one turn of the event loop, so nothing can come between them.
 */

import { existsSync, statSync, unlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { blobFile, compiledFile, type Layout } from '../core/layout.ts'
import { type BlobHash, isBlobHash } from '../core/names.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Activator } from './activate.ts'
import type { SiteRegistry } from './site-registry.ts'

/** Keeps a sweep away from what publishes rely on. */
export class SweepGuard {
  #touched: Set<BlobHash> | undefined = new Set()
  #committing = 0

  /** Says that a publish relies on some contents. Costs nothing once the sweep is over. */
  touch(hashes: Iterable<BlobHash>): void {
    if (this.#touched) for (const hash of hashes) this.#touched.add(hash)
  }

  /** Runs a commit; nothing is removed meanwhile. `root` tells the tree of what it made. */
  async committing<T>(commit: () => Promise<T>, root: (made: T) => BlobHash): Promise<T> {
    this.#committing += 1
    try {
      const made = await commit()
      this.touch([root(made)])
      return made
    } finally {
      this.#committing -= 1
    }
  }

  /** Whether a content must stay. */
  keeps(hash: BlobHash): boolean {
    return this.#committing > 0 || this.#touched === undefined || this.#touched.has(hash)
  }

  /** Ends the watch: from now on everything stays. */
  end(): void {
    this.#touched = undefined
  }
}

/** What a sweep is made with. */
export interface SweepOptions {
  readonly layout: Layout
  readonly blobs: Blobs
  readonly registry: Pick<SiteRegistry, 'all'>
  readonly activator: Pick<Activator, 'uses' | 'paused'>
  readonly guard: SweepGuard
  /** What is younger than this moment stays: it is this process's own. Unix milliseconds. */
  readonly olderThanMs: number
  readonly log: Logger
  readonly signal: AbortSignal
}

/** How much a sweep removed. */
export interface SweepResult {
  readonly blobs: number
  readonly bytes: number
  readonly compiled: number
  readonly variants: number
}

/** Sweeps once. Throws, and has removed nothing, when a version's tree cannot be read. */
export async function sweep(options: SweepOptions): Promise<SweepResult> {
  const { blobs, guard, olderThanMs, signal } = options
  try {
    const referred = await referredBlobs(options)
    const ageMs = Math.max(0, Date.now() - olderThanMs)
    const keep = (hash: BlobHash) => referred.has(hash) || guard.keeps(hash)
    const swept = await blobs.sweep(keep, { olderThanMs: ageMs, signal })
    const compiled = await options.activator.paused(() => sweepCompiled(options))
    return { blobs: swept.removed, bytes: swept.bytes, compiled, variants: await sweepVariants(options) }
  } finally {
    guard.end()
  }
}

/** The trees of all versions and every content in them. */
async function referredBlobs({ registry, signal }: SweepOptions): Promise<Set<BlobHash>> {
  const referred = new Set<BlobHash>()
  for (const { versions } of registry.all()) {
    for (const { version, root } of versions.versions) {
      if (referred.has(root)) continue
      signal.throwIfAborted()
      referred.add(root)
      for (const { hash } of await versions.tree(version)) referred.add(hash)
      await nextTurn()
    }
  }
  return referred
}

/** Runs while no version is being put live, so that none is found on the disk and taken away before it is in use. */
async function sweepCompiled({ layout, activator, olderThanMs }: SweepOptions): Promise<number> {
  let removed = 0
  for (const name of await listFolder(layout.compiled)) {
    const file = compiledFile(layout, name)
    if (!isBlobHash(name) || activator.uses(name) || statSync(file).mtimeMs >= olderThanMs) continue
    unlinkSync(file)
    removed += 1
  }
  return removed
}

async function sweepVariants({ layout, signal }: SweepOptions): Promise<number> {
  let removed = 0
  for (const folder of await listFolder(layout.variants)) {
    await nextTurn()
    for (const name of await listFolder(join(layout.variants, folder))) {
      if (signal.aborted) return removed
      const hash = name.slice(0, 64)
      if (!isBlobHash(hash) || existsSync(blobFile(layout, hash))) continue
      unlinkSync(join(layout.variants, folder, name))
      removed += 1
    }
  }
  return removed
}

async function listFolder(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] // Nothing was ever made there.
    throw error
  })
}
