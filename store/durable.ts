/** Folders and names in them that survive a power failure: a new name is durable when its folder was fsynced. */

import { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { diskHint } from '../core/disk-hint.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { forEachParallel } from '../core/parallel.ts'

/** Makes a folder (mode 0700) and those above it, durably. One that is there stays as it is. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  // Each new folder is a name in the one above it.
  const top = dirname(resolve(first))
  for (let folder = dirname(resolve(path)); folder.length >= top.length; folder = dirname(folder)) {
    await syncFolder(folder)
    if (folder === top) return
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** An error of the disk as `ERR_DATA_IO`, naming what could not be done; a {@link GroveError} stays as it is. */
export function toDiskError(what: string, thrown: unknown): GroveError {
  if (thrown instanceof GroveError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const hint = diskHint(thrown)
  return new GroveError('ERR_DATA_IO', `cannot ${what}: ${message}`, { cause: thrown, ...(hint && { hint }) })
}

/** Folders with names that are not durable yet. */
export interface FolderNames {
  /** Says that a name was given in a folder. To be called in the same turn in which others can see the name. */
  given(folder: string): void
  /**
   * Makes all names durable that were given until the call. Throws `ERR_DATA_IO`; from then on it always does, unless
   * it was only that the process has too many files open.
   */
  sync(): Promise<void>
}

/** Keeps account of folders. `unsynced`: those that the first sync takes in any case. */
export function createFolderNames(unsynced: readonly string[]): FolderNames {
  let folders = new Set(unsynced)
  let running = Promise.resolve()
  let broken: GroveError | undefined

  async function flush(): Promise<void> {
    if (broken) throw broken
    const some = folders
    folders = new Set()
    try {
      await forEachParallel(some, limits.store.folderSyncs, syncFolder)
    } catch (thrown) {
      for (const folder of some) folders.add(folder)
      // An fsync that failed once may lie the next time, and a folder that is gone has taken names with it.
      if (!isShortOfFiles(thrown)) broken = distrusted(thrown)
      throw toDiskError('make names durable', thrown)
    }
  }
  return {
    given: (folder) => void folders.add(folder),
    sync() {
      // One after the other: who finds nothing left to do still waits for the one that is doing it.
      const done = running.then(flush)
      running = done.catch(() => {})
      return done
    },
  }
}

function distrusted(cause: unknown): GroveError {
  const message = 'cannot make names durable: the disk failed to before, and is not believed again'
  return new GroveError('ERR_DATA_IO', message, { cause, hint: 'look to the disk, then start grove again' })
}

function isShortOfFiles(thrown: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(String((thrown as NodeJS.ErrnoException).code))
}
