/**
 * Small files that are written whole or not at all, and that only their owner reads: keys, certificates, key rings.
 *
 * A file is written beside its place, forced to disk and then renamed, so a process that is killed at any moment leaves
 * the old content or the new one, never a part. It defends against torn files and against other users of the machine;
 * not against root, nor against a disk that lies about a flush.
 */

import { randomBytes } from 'node:crypto'
import { chmod, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const leftoverPattern = /\.[0-9a-f]{16}\.tmp$/
const leftoverAgeMs = 60_000

/** Makes a folder, and those above it, that only its owner enters (mode 0700); takes rights of others away if it is there. */
export async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await chmod(folder, 0o700)
}

/** The text of a file, or undefined when there is no such file. */
export async function readIfThere(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch(ignoreMissing)
}

/** Puts `content` in the place of whatever the file was, durable when it resolves. `mode` is 0600 by default. */
export async function replaceFile(file: string, content: string, mode: number = 0o600): Promise<void> {
  const temporary = await writeBeside(file, content, mode)
  try {
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(file))
}

/**
 * Makes a file with mode 0600 unless it exists, durable when it resolves. Answers whether this call made it: of two
 * processes that try at once, one does.
 */
export async function createFile(file: string, content: string): Promise<boolean> {
  const temporary = await writeBeside(file, content, 0o600)
  try {
    // A link, unlike a rename, never takes the place of what is there.
    await link(temporary, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
  await syncFolder(dirname(file))
  return true
}

/** Removes what writers that were killed left in a folder more than a minute ago. Answers how many files that were. */
export async function removeLeftovers(folder: string): Promise<number> {
  let removed = 0
  for (const name of await readdir(folder)) {
    if (!leftoverPattern.test(name)) continue
    const file = join(folder, name)
    // A file that is gone by now had a writer that lived on.
    const { mtimeMs } = (await stat(file).catch(ignoreMissing)) ?? { mtimeMs: Number.POSITIVE_INFINITY }
    if (Date.now() - mtimeMs < leftoverAgeMs) continue
    await rm(file, { force: true })
    removed += 1
  }
  return removed
}

async function writeBeside(file: string, content: string, mode: number): Promise<string> {
  const temporary = `${file}.${randomBytes(8).toString('hex')}.tmp`
  try {
    await using handle = await open(temporary, 'wx', mode)
    await handle.chmod(mode) // open() lets the process's umask take bits away.
    await handle.writeFile(content)
    await handle.sync()
    return temporary
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** A name is durable only when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
