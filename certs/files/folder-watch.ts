/**
 * Being told when something in folders changes. Folders are watched and not files, because editors and tools put a new
 * file in the place of the old one.
 *
 * What it tells may be too much, and it may miss something (network disks, links that lead elsewhere, too many watches):
 * whoever listens looks by themselves now and then.
 */

import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'

/** Watches folders. */
export interface FolderWatch extends Disposable {
  /** Watches exactly these from now on; a folder that was replaced by another is watched anew. Never rejects. */
  follow(folders: Iterable<string>): Promise<void>
}

interface Watched {
  readonly watcher: FSWatcher
  readonly inode: number
}

/** Watches nothing yet. `changed` is called often for one change. */
export function createFolderWatch(changed: () => void, log?: Logger): FolderWatch {
  const watched = new Map<string, Watched>()
  /** Folders that cannot be watched, so that it is told once. */
  const deaf = new Set<string>()
  let isClosed = false

  function drop(folder: string): void {
    watched.get(folder)?.watcher.close()
    watched.delete(folder)
  }

  async function look(folder: string): Promise<void> {
    try {
      const { ino } = await stat(folder)
      if (isClosed || watched.get(folder)?.inode === ino) return
      drop(folder)
      const watcher = watch(folder, { persistent: false }, changed)
      watcher.on('error', () => drop(folder))
      watched.set(folder, { watcher, inode: ino })
      deaf.delete(folder)
    } catch (error) {
      drop(folder)
      // One that is not there is told of by whoever reads it.
      if (deaf.has(folder) || (error as NodeJS.ErrnoException).code === 'ENOENT') return
      deaf.add(folder)
      log?.warn({ err: error, folder }, 'a folder with certificates cannot be watched; it is looked at now and then')
    }
  }

  return {
    async follow(folders) {
      const wanted = new Set(folders)
      for (const folder of [...watched.keys(), ...deaf]) {
        if (wanted.has(folder)) continue
        drop(folder)
        deaf.delete(folder)
      }
      for (const folder of wanted) await look(folder)
    },
    [Symbol.dispose]() {
      isClosed = true
      for (const folder of [...watched.keys()]) drop(folder)
    },
  }
}
