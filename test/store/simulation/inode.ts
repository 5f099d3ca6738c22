/**
 * The content of one simulated file: what processes see (the page cache), and what is on the platter. They differ in
 * dirty pages until a sync, and stay different where a sync failed and the pages were given up.
 */

import type { Random } from './random.ts'

/** Small, so that a small file has several and can be torn. */
export const pageBytes = 512

/** One simulated file. */
export interface Inode {
  /** What a process reads now. */
  content(): Buffer
  readonly bytes: number
  modifiedMs: number
  /** Writes so far: who remembers it sees whether anybody else has written. */
  readonly writes: number
  write(offset: number, bytes: Uint8Array): void
  /** All that was written is on the platter, except pages that were given up. */
  sync(): void
  /**
   * A sync that failed: of the dirty pages each is kept dirty, or is given up and still read until the power fails, or
   * is given up and gone from the cache at once. The next sync says OK in each case.
   */
  failSync(random: Random): void
  /** The power failed: of what was not synced nothing, all, a beginning or any of the pages survive. */
  crash(random: Random): void
}

/** An empty file. */
export function createInode(modifiedMs: number): Inode {
  let cached: Buffer = Buffer.alloc(0)
  let durable: Buffer = Buffer.alloc(0)
  const dirty = new Set<number>()
  let writes = 0

  function keepPage(page: number): void {
    const from = page * pageBytes
    durable = overlay(durable, from, cached.subarray(from, from + pageBytes))
  }

  return {
    modifiedMs,
    content: () => Buffer.from(cached),
    get bytes() {
      return cached.length
    },
    get writes() {
      return writes
    },
    write(offset, bytes) {
      writes += 1
      if (bytes.length === 0) return
      // A hole before the offset is written, too.
      const first = Math.min(offset, cached.length)
      cached = overlay(cached, offset, bytes)
      for (let page = Math.floor(first / pageBytes); page * pageBytes < offset + bytes.length; page += 1)
        dirty.add(page)
    },
    sync() {
      for (const page of dirty) keepPage(page)
      dirty.clear()
    },
    failSync(random) {
      const fate = random.pick(['dirty', 'given up', 'gone'] as const)
      if (fate === 'dirty') return
      dirty.clear()
      if (fate === 'gone') cached = Buffer.from(durable)
    },
    crash(random) {
      const fate = random.pick(['nothing', 'all', 'beginning', 'pages'] as const)
      const pages = [...dirty].sort((one, other) => one - other)
      const cut = random.below(pages.length + 1)
      for (const [index, page] of pages.entries()) {
        if (fate === 'all' || (fate === 'beginning' && index < cut) || (fate === 'pages' && random.chance(0.5)))
          keepPage(page)
      }
      cached = Buffer.from(durable)
      dirty.clear()
    },
  }
}

/** Bytes with others put over them; what lies between their end and the offset is zero. */
function overlay(under: Buffer, offset: number, over: Uint8Array): Buffer {
  const whole = Buffer.alloc(Math.max(under.length, offset + over.length))
  whole.set(under)
  whole.set(over, offset)
  return whole
}
