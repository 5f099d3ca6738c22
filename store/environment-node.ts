/** The environment of a real process. The one file of `store/` that may use Node's clock, randomness and disk. */

import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, readFile, rename, rm, stat, unlink, utimes } from 'node:fs/promises'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { Environment, Files, FileWriter } from './environment.ts'

const files: Files = {
  read: (path) => readFile(path),
  async readRange(path, offset, length) {
    await using file = await open(path, 'r')
    const buffer = Buffer.allocUnsafeSlow(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  },
  stream: (path) => createReadStream(path, { highWaterMark: 262_144 }),
  async stat(path) {
    try {
      const found = await stat(path)
      return { bytes: found.size, modifiedMs: found.mtimeMs, accessedMs: found.atimeMs, isFolder: found.isDirectory() }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  },
  async create(path) {
    return toWriter(await open(path, 'wx', 0o600))
  },
  rename,
  link,
  async remove(path) {
    try {
      await unlink(path)
      return true
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  },
  async list(folder) {
    try {
      return await readdir(folder)
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  },
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o700 })
  },
  removeFolder: (path) => rm(path, { recursive: true, force: true }),
  async touch(path) {
    const now = new Date()
    await utimes(path, now, now)
  },
  async syncFile(path) {
    await using file = await open(path, 'r')
    await file.sync()
  },
  async syncFolder(path) {
    await using folder = await open(path, 'r')
    await folder.sync()
  },
}

/** Node's clock, randomness and disk. */
export const nodeEnvironment: Environment = {
  now: Date.now,
  monotonic: () => performance.now(),
  randomBytes,
  async sleep(ms, signal) {
    await pause(ms, undefined, signal && { signal })
  },
  async turn() {
    await nextTurn()
  },
  files,
}

function toWriter(file: Awaited<ReturnType<typeof open>>): FileWriter {
  let isClosed = false
  return {
    write: (bytes) => file.writeFile(bytes),
    sync: () => file.sync(),
    async close() {
      if (isClosed) return
      isClosed = true
      await file.close()
    },
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
