/**
 * Contents that were taken into the cache lately. Their files are not forced to disk one by one: a power failure may
 * leave one under its name with other bytes, and fronts do not hash what they send.
 *
 * So the names are noted first, in a file that is forced to disk; whoever starts after a crash checks what is noted, and
 * removes what is not whole. After some minutes, when the system has written the contents by itself, they are forced to
 * disk (which costs next to nothing by then) and the note is removed.
 */

import { join } from 'node:path'
import { blobFile, type Layout } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { isMissingFile, toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { isContent } from './content-file.ts'

/** Keeps note of what may not be on the disk yet. */
export interface FreshNames {
  /**
   * Notes contents, and then runs what gives them their names in the cache; they stay noted at least until that is over.
   * Answers what it answers. Rejects with `ERR_DATA_IO`, before it runs, or as it does.
   */
  note<T>(hashes: readonly BlobHash[], give: () => Promise<T>): Promise<T>
  /**
   * Forces what was noted to disk, and forgets it; what is getting its name just now follows by itself. What is not
   * flushed is checked at the next start.
   */
  flush(): Promise<void>
}

/** Contents that were noted in the same minutes, and the files that tell of them. */
interface Notes {
  readonly files: string[]
  readonly sinceMs: number
  readonly hashes: Set<BlobHash>
  /** How many are giving names to some of them. */
  underWay: number
  /** Nothing more is noted here: when nobody is under way it is forced to disk. */
  isEnded: boolean
}

/** Most contents that are noted before they are forced to disk, however early. */
const mostNoted = 200_000

/** Checks what an earlier process noted, and begins anew. Rejects with `ERR_DATA_IO`. */
export async function openFreshNames(env: Environment, layout: Layout): Promise<FreshNames> {
  await env.files.makeFolder(layout.fresh)
  // A note is no use when its folder is lost and what it tells of is not.
  await env.files.syncFolder(join(layout.fresh, '..')).catch((error: unknown) => {
    throw toDiskError('make the folder of notes', error)
  })
  const old = (await env.files.list(layout.fresh)).filter((name) => /^\d{1,15}$/.test(name)).sort(byNumber)
  for (const name of old) await checkNoted(env, layout, join(layout.fresh, name))
  return new NotedNames(env, layout, Number(old.at(-1) ?? 0))
}

class NotedNames implements FreshNames {
  readonly #env: Environment
  readonly #layout: Layout
  /** The number of the newest file. */
  #count: number
  #notes: Notes | undefined
  #line: Promise<void> = Promise.resolve()
  /** Contents that wait for the file that is being written. */
  #waiting: { readonly hashes: BlobHash[]; users: number; readonly done: Promise<Notes> } | undefined

  constructor(env: Environment, layout: Layout, count: number) {
    this.#env = env
    this.#layout = layout
    this.#count = count
  }

  async note<T>(hashes: readonly BlobHash[], give: () => Promise<T>): Promise<T> {
    if (hashes.length === 0) return give()
    const own = await this.#noted(hashes)
    try {
      return await give()
    } finally {
      this.#left(own)
    }
  }

  flush(): Promise<void> {
    return this.#inLine(() => this.#end())
  }

  /** Resolves when the contents are noted for good. */
  #noted(hashes: readonly BlobHash[]): Promise<Notes> {
    // What comes while a file is being written goes into the next one together.
    if (!this.#waiting) {
      const own: BlobHash[] = []
      const done = this.#inLine(() => {
        const users = this.#waiting?.users ?? 0
        this.#waiting = undefined
        return this.#write(own, users)
      })
      this.#waiting = { hashes: own, users: 0, done }
    }
    for (const hash of hashes) this.#waiting.hashes.push(hash)
    this.#waiting.users += 1
    return this.#waiting.done
  }

  /** `users`: how many will give names to them. */
  async #write(hashes: readonly BlobHash[], users: number): Promise<Notes> {
    const env = this.#env
    this.#count += 1
    const file = join(this.#layout.fresh, String(this.#count))
    try {
      await writeDurably(env, file, hashes.map((hash) => `${hash}\n`).join(''))
    } catch (error) {
      throw toDiskError('note contents of the cache', error)
    }
    this.#notes ??= { files: [], sinceMs: env.monotonic(), hashes: new Set(), underWay: 0, isEnded: false }
    const own = this.#notes
    own.files.push(file)
    for (const hash of hashes) own.hashes.add(hash)
    own.underWay += users
    if (env.monotonic() - own.sinceMs > limits.store.freshMs || own.hashes.size > mostNoted) await this.#end()
    return own
  }

  async #end(): Promise<void> {
    const ended = this.#notes
    this.#notes = undefined
    if (!ended) return
    ended.isEnded = true
    if (ended.underWay === 0) await settleNoted(this.#env, this.#layout, ended)
  }

  /** Names were given, or will not be. A content without its name cannot be forced to disk, so this comes first. */
  #left(own: Notes): void {
    own.underWay -= 1
    if (!own.isEnded || own.underWay > 0) return
    // They stay noted when it fails: the next start checks them.
    this.#inLine(() => settleNoted(this.#env, this.#layout, own)).catch(() => {})
  }

  /** One after the other; who fails holds up nobody. */
  #inLine<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#line.then(work)
    this.#line = done.then(
      () => {},
      () => {},
    )
    return done
  }
}

async function writeDurably(env: Environment, file: string, text: string): Promise<void> {
  const writer = await env.files.create(file)
  try {
    await writer.write(Buffer.from(text))
    await writer.sync()
  } finally {
    await writer.close()
  }
  await env.files.syncFolder(join(file, '..'))
}

/**
 * Forces noted contents to disk, and then the names under which they are, or are not any more; then the notes go. A
 * content that the disk does not take goes. Without their names, a power failure could bring back an earlier file of the
 * same name, one that was evicted before it was on the disk, with nothing that tells of it.
 */
async function settleNoted(
  env: Environment,
  layout: Layout,
  { files, hashes }: Pick<Notes, 'files' | 'hashes'>,
): Promise<void> {
  const contents = Array.from(hashes, (hash) => blobFile(layout, hash))
  const folders = new Set(contents.map((content) => join(content, '..')))
  try {
    await forEachParallel(contents, limits.store.folderSyncs, (content) => forceOrRemove(env, content))
    await forEachParallel(folders, limits.store.folderSyncs, (folder) => syncNames(env, folder))
    for (const file of files) await env.files.remove(file)
  } catch (error) {
    throw toDiskError('put contents of the cache on the disk', error)
  }
}

async function forceOrRemove(env: Environment, file: string): Promise<void> {
  try {
    await env.files.syncFile(file)
  } catch (error) {
    if (!isMissingFile(error)) await env.files.remove(file)
  }
}

async function syncNames(env: Environment, folder: string): Promise<void> {
  try {
    await env.files.syncFolder(folder)
  } catch (error) {
    if (!isMissingFile(error)) throw error
  }
}

/** Checks every content of a note that was left behind, removes what is not whole, and then the note. */
async function checkNoted(env: Environment, layout: Layout, file: string): Promise<void> {
  try {
    const hashes = new Set((await env.files.read(file)).toString('latin1').split('\n').filter(isBlobHash))
    let left: number = limits.store.freshCheckedBytes
    // The newest first: they are the likeliest to be asked for.
    for (const hash of [...hashes].reverse()) {
      const content = blobFile(layout, hash)
      const bytes = (await env.files.stat(content))?.bytes
      if (bytes === undefined) continue
      left -= bytes
      if (left < 0 || !(await isContent(env, content, hash))) await env.files.remove(content)
    }
    await settleNoted(env, layout, { files: [file], hashes })
  } catch (error) {
    throw toDiskError('check contents of the cache', error)
  }
}

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b)
}
