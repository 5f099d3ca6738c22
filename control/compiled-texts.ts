/**
 * The texts of compiled versions on the disk, heads and pieces, and how many versions hold each.
 *
 * Equal pieces of two versions, or of two sites, are one text. So a text is removed when the last that held it lets go,
 * and whoever is about to use one holds it before it looks whether it is there: between the look and the use nobody can
 * have removed it.
 */

import { createHash } from 'node:crypto'
import { unlinkSync } from 'node:fs'
import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { randomId } from '../core/ids.ts'
import { compiledFile, type Layout } from '../core/layout.ts'
import type { BlobHash } from '../core/names.ts'

/** Removals between two turns of others. */
const removedPerTurn = 64

/** Texts of compiled versions, held by whoever uses them. */
export class CompiledTexts {
  readonly #layout: Layout
  readonly #log: Logger
  /** How often each is held. */
  readonly #holds = new Map<BlobHash, number>()

  constructor(layout: Layout, log: Logger) {
    this.#layout = layout
    this.#log = log
  }

  /**
   * Sees to it that a text lies on the disk, holds it once more, and answers its name, its SHA-256.
   *
   * One that lies there whole is used as it is, so that a start needs no room on the disk. It is not synced to disk: it
   * can be made again, and its name tells whether it is whole. After a power cut a damaged one may lie there under its
   * name; that one is replaced.
   */
  async put(text: string): Promise<BlobHash> {
    const hash = hashOf(text)
    this.hold(hash)
    try {
      const target = compiledFile(this.#layout, hash)
      if (!(await isWhole(target, hash))) await this.#write(target, text)
      return hash
    } catch (error) {
      await this.release([hash])
      throw error
    }
  }

  /** Holds a text that is held already once more. */
  hold(hash: BlobHash): void {
    this.#holds.set(hash, (this.#holds.get(hash) ?? 0) + 1)
  }

  /** Whether somebody holds a text: then it may be read at any time. */
  isHeld(hash: BlobHash): boolean {
    return this.#holds.has(hash)
  }

  /** Lets go of texts, each once, and removes those that nobody holds any more. Never rejects. */
  async release(hashes: Iterable<BlobHash>): Promise<void> {
    let removed = 0
    for (const hash of hashes) {
      this.forget([hash])
      if (this.isHeld(hash)) continue
      this.#remove(hash)
      removed += 1
      if (removed % removedPerTurn === 0) await nextTurn()
    }
  }

  /** Lets go of texts, each once. Those that nobody holds any more stay on the disk until a sweep finds them. */
  forget(hashes: Iterable<BlobHash>): void {
    for (const hash of hashes) {
      const holds = (this.#holds.get(hash) ?? 0) - 1
      if (holds > 0) this.#holds.set(hash, holds)
      else this.#holds.delete(hash)
    }
  }

  /** In the same turn in which the last one let go, so that nobody finds the text there in between. */
  #remove(hash: BlobHash): void {
    try {
      unlinkSync(compiledFile(this.#layout, hash))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      this.#log.warn({ err: error }, 'a compiled version that nobody uses cannot be removed')
    }
  }

  async #write(target: string, text: string): Promise<void> {
    const temporary = join(this.#layout.temporary, `compiled-${randomId()}`)
    await mkdir(this.#layout.temporary, { recursive: true, mode: 0o700 })
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    try {
      await writeFile(temporary, text, { flag: 'wx', mode: 0o600 })
      await rename(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }
}

/** Whether a file has the content of its name. Marks it as of now, so that no sweep takes it for a leftover. */
async function isWhole(file: string, hash: BlobHash): Promise<boolean> {
  try {
    await utimes(file, new Date(), new Date())
    return hashOf(await readFile(file)) === hash
  } catch {
    return false
  }
}

function hashOf(text: string | Buffer): BlobHash {
  return createHash('sha256').update(text).digest('hex')
}
