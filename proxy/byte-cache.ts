/**
 * Bytes in memory by key, bounded by their sum, for content that never changes under its key.
 *
 * What leaves first is decided by "second chance": entries stand in a queue, a hit marks one, and a marked one at the
 * head goes to the end once instead of leaving. It keeps what a least-recently-used list keeps, nearly, and a hit
 * costs one look-up and one store, where a list would have to be rearranged at each.
 */

interface CacheEntry {
  readonly content: Buffer
  isUsed: boolean
}

/** What an entry takes beside its content: some 400 bytes of heap (measured), and the allocator's share. */
const overheadBytes = 512

/** A cache of buffers. Whoever gets one must not write to it. */
export class ByteCache {
  readonly #maxBytes: number
  readonly #entries = new Map<string, CacheEntry>()
  #bytes = 0

  /** `maxBytes` bounds contents and what keeping them costs. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes held, with what keeping them costs. */
  get bytes(): number {
    return this.#bytes
  }

  /** The content of a key, if it is here. */
  get(key: string): Buffer | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    entry.isUsed = true
    return entry.content
  }

  /** Keeps a content, and lets others go until all fit. One that cannot fit alone is not kept. */
  set(key: string, content: Buffer): void {
    const cost = content.length + overheadBytes
    if (this.#entries.has(key) || cost > this.#maxBytes) return
    this.#bytes += cost
    this.#shrink()
    this.#entries.set(key, { content, isUsed: false })
  }

  /** Ends: a marked entry loses its mark at its first turn, so at the second it leaves. */
  #shrink(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return
      this.#entries.delete(key)
      if (entry.isUsed) {
        entry.isUsed = false
        this.#entries.set(key, entry)
      } else {
        this.#bytes -= entry.content.length + overheadBytes
      }
    }
  }
}
