/** Files of a process on a simulated disk: each call takes virtual time, and happens at its end in one step. */

import type { Files, FileWriter } from '../../../store/environment.ts'
import { type Disk, PowerLoss } from './disk.ts'

/**
 * Waits and then does one thing; never settles when the process has ended meanwhile. `weight`: how much longer than the
 * shortest call it takes.
 */
export type Operate = <T>(weight: number, act: () => T) => Promise<T>

/** What files need to know of their process. */
export interface ProcessClock {
  now(): number
  isAlive(): boolean
}

const streamBytes = 16_384

/** The files of one process. What changes nothing and finds nothing takes no time: there is much of it. */
export function filesOn(disk: Disk, operate: Operate, { now, isAlive }: ProcessClock): Files {
  /** At once, unless the process has ended. */
  const atOnce = <T>(answer: T): Promise<T> => (isAlive() ? Promise.resolve(answer) : new Promise(() => {}))
  const readRange: Files['readRange'] = (path, offset, length) =>
    operate(2, () => disk.read(disk.file(path)).subarray(offset, offset + length))
  return {
    read: (path) => operate(2, () => disk.read(disk.file(path))),
    readRange,
    async *stream(path) {
      const inode = await operate(1, () => disk.file(path))
      for (let offset = 0; ; offset += streamBytes) {
        const chunk = await operate(1, () => disk.read(inode).subarray(offset, offset + streamBytes))
        if (chunk.length > 0) yield chunk
        if (chunk.length < streamBytes) return
      }
    },
    stat: (path) =>
      operate(1, () => {
        const found = disk.has(path)
        if (found === undefined) return undefined
        if (found === 'folder') return { bytes: 0, modifiedMs: 0, isFolder: true }
        const { bytes, modifiedMs } = disk.file(path)
        return { bytes, modifiedMs, isFolder: false }
      }),
    create: async (path) => writerOf(disk, operate, await operate(2, () => disk.create(path))),
    rename: (from, to) => operate(2, () => disk.rename(from, to)),
    link: (from, to) => operate(2, () => disk.link(from, to)),
    remove: (path) => operate(2, () => disk.remove(path)),
    list: (folder) => (disk.isEmpty(folder) ? atOnce([]) : operate(2, () => disk.list(folder))),
    makeFolder: (path) => (disk.has(path) === 'folder' ? atOnce(undefined) : operate(2, () => disk.makeFolder(path))),
    removeFolder: (path) => operate(4, () => disk.removeFolder(path)),
    touch: (path) =>
      operate(1, () => {
        disk.file(path).modifiedMs = now()
      }),
    syncFile: (path) => operate(10, () => disk.sync(disk.file(path))),
    syncFolder: (path) => operate(10, () => disk.syncFolder(path)),
  }
}

function writerOf(disk: Disk, operate: Operate, inode: ReturnType<Disk['create']>): FileWriter {
  let offset = 0
  let isClosed = false
  return {
    write: (bytes) => {
      if (isClosed) return Promise.reject(Object.assign(new Error('EBADF: write'), { code: 'EBADF' }))
      // The caller may use its buffer again only when this resolves, so it is taken as it is then.
      return operate(2, () => {
        disk.write(inode, offset, bytes)
        offset += bytes.length
      })
    },
    sync: () => operate(10, () => disk.sync(inode)),
    async close() {
      isClosed = true
    },
  }
}

/** Whether something thrown is the end of the process rather than an answer. */
export function isEnd(thrown: unknown): boolean {
  return thrown instanceof PowerLoss
}
