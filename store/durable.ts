/** Folders and names in them that survive a power failure: a new name is durable when its folder was fsynced. */

import { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { GroveError } from '../core/errors.ts'

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
  const full = /ENOSPC|EDQUOT|disk is full/.test(message)
  return new GroveError('ERR_DATA_IO', `cannot ${what}: ${message}`, {
    cause: thrown,
    ...(full && { hint: 'free some space on the disk of the data folder' }),
  })
}
