/** Folders below one root that are there after a power failure too, with the names in them. */

import { dirname, join, relative, sep } from 'node:path'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../environment.ts'

/** Makes folders and names durable. Calls reject with the disk's error. */
export interface DurableFolders {
  /** Makes a folder of the root, and those between, durably. Costs nothing for one that was made by this before. */
  make(folder: string): Promise<void>
  /**
   * Makes the names in a folder durable. When the disk failed to once, it rejects with `ERR_DATA_IO` ever after: an
   * fsync that failed may lie the next time. That the process has too many files open is no failure of the disk.
   */
  sync(folder: string): Promise<void>
}

/** Keeps account of the folders below a root. */
export function createDurableFolders(env: Environment, root: string): DurableFolders {
  const known = new Set<string>()
  let broken: GroveError | undefined

  async function sync(folder: string): Promise<void> {
    if (broken) throw broken
    try {
      await env.files.syncFolder(folder)
    } catch (error) {
      if (!isShortOfFiles(error)) broken = distrusted(error)
      throw error
    }
  }
  return {
    sync,
    async make(folder) {
      if (known.has(folder)) return
      if (known.size >= limits.objects.foldersKnown) known.clear()
      const below = relative(root, folder)
      const names = below === '' ? [] : below.split(sep)
      for (let made = root; ; made = join(made, names.shift() ?? '')) {
        if (!known.has(made)) {
          await env.files.makeFolder(made)
          await sync(dirname(made))
          known.add(made)
        }
        if (names.length === 0) return
      }
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
