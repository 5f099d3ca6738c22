/**
 * The data folder itself, which only its owner may enter.
 *
 * Its rights are taken from everybody else. So a folder that somebody named by mistake, such as `/tmp` or one with their
 * work in it, is not taken: it would be closed to all who use it.
 */

import { readdir, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { GroveError } from '../core/errors.ts'
import type { Layout } from '../core/layout.ts'
import { makePrivateFolder } from '../core/private-file.ts'

/**
 * Makes the data folder, or takes one that is empty, was a data folder before, or is its owner's alone already. Throws
 * `ERR_DATA_FORMAT` for another.
 */
export async function openDataFolder(layout: Layout): Promise<void> {
  const own = new Set([layout.database, layout.blobs, layout.certs, layout.keys].map((path) => basename(path)))
  const names = await readdir(layout.root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  if (names.some(isOfSomebody) && !names.some((name) => own.has(name)) && !(await isPrivate(layout.root)))
    throw new GroveError('ERR_DATA_FORMAT', `${layout.root} is no data folder of grove, and other things are in it`, {
      hint: 'name a folder that is empty or not there yet with --data',
    })
  await makePrivateFolder(layout.root)
}

async function isPrivate(folder: string): Promise<boolean> {
  return ((await stat(folder)).mode & 0o077) === 0
}

/** What makes a folder a used one: not what a new file system or a desktop leaves in each. */
function isOfSomebody(name: string): boolean {
  return !name.startsWith('.') && name !== 'lost+found'
}
