/**
 * The simulated disk of one machine: it outlives the machine's processes. Every call is one step of the disk, done at
 * once; at any of them the power may fail ({@link PowerLoss}) or the disk may answer an error, as its faults say.
 */

import { dirname } from 'node:path'
import { createInode, type Inode } from './inode.ts'
import { createNames, type Names } from './names.ts'
import type { Random } from './random.ts'

/** How often a disk fails: probabilities of one call. All of it can be changed at any time. */
export interface DiskFaults {
  read: number
  write: number
  sync: number
  /** Creating, renaming, linking, removing. */
  name: number
  /** Bytes that have room; a write beyond them takes what fits and answers ENOSPC. */
  capacityBytes: number
  /** Calls until the power fails. */
  stepsToCrash: number
}

/** Faults of a disk that has none. */
export const noFaults: Readonly<DiskFaults> = {
  read: 0,
  write: 0,
  sync: 0,
  name: 0,
  capacityBytes: Number.POSITIVE_INFINITY,
  stepsToCrash: Number.POSITIVE_INFINITY,
}

/** The process is gone: nothing that it still does has any effect. */
export class PowerLoss extends Error {
  override readonly name = 'PowerLoss'
}

/** A simulated disk. Paths are absolute, with `/` between their parts. */
export interface Disk {
  readonly faults: DiskFaults
  /** Calls so far. */
  readonly steps: number
  /** The file of a path. Throws ENOENT, EISDIR. */
  file(path: string): Inode
  has(path: string): 'file' | 'folder' | undefined
  /** Whether a folder has nothing in it, or is not there. */
  isEmpty(folder: string): boolean
  /** Throws EIO. */
  read(inode: Inode): Buffer
  /** Throws EIO or ENOSPC; then some of it may be written. */
  write(inode: Inode, offset: number, bytes: Uint8Array): void
  /** Throws EIO; then what was not on the platter may be lost, and the next sync says OK all the same. */
  sync(inode: Inode): void
  /** A new file. Throws EEXIST, ENOENT. */
  create(path: string): Inode
  rename(from: string, to: string): void
  link(from: string, to: string): void
  remove(path: string): boolean
  list(folder: string): string[]
  /** A folder and those above it. */
  makeFolder(path: string): void
  removeFolder(path: string): void
  syncFolder(path: string): void
  /** From now on each call throws {@link PowerLoss}: the process is gone. */
  fail(): void
  /**
   * Another process may begin. After `power` what was not synced is lost, torn or kept; after `kill`, the end of a
   * process alone, all is as it was, with what is not synced still in the cache.
   */
  recover(from: 'power' | 'kill'): void
}

/** An empty disk. `now`: its clock, for times of change; `failed` is called when the power fails at one of its steps. */
export function createDisk(random: Random, now: () => number, failed: () => void): Disk {
  const names = createNames()
  const faults: DiskFaults = { ...noFaults }
  let steps = 0
  let isFailed = false

  function step(call: string, probability: number): void {
    if (isFailed) throw new PowerLoss(call)
    steps += 1
    faults.stepsToCrash -= 1
    if (faults.stepsToCrash < 0) {
      isFailed = true
      failed()
      throw new PowerLoss(call)
    }
    if (probability > 0 && random.chance(probability)) throw diskError('EIO', call)
  }

  const disk: Disk = {
    faults,
    get steps() {
      return steps
    },
    file(path) {
      const named = names.get(path)
      if (named === undefined) throw diskError('ENOENT', path)
      if (named === 'folder') throw diskError('EISDIR', path)
      return named
    },
    has(path) {
      const named = names.get(path)
      return named === undefined || named === 'folder' ? named : 'file'
    },
    isEmpty: (folder) => names.isEmpty(folder),
    read(inode) {
      step('read', faults.read)
      return inode.content()
    },
    write(inode, offset, bytes) {
      const fits = bytesThatFit(names, faults.capacityBytes, inode, offset + bytes.length) - offset
      try {
        step('write', faults.write)
      } catch (error) {
        if (!isFailed) inode.write(offset, bytes.subarray(0, random.below(bytes.length + 1)))
        throw error
      }
      inode.write(offset, bytes.subarray(0, Math.max(0, fits)))
      inode.modifiedMs = now()
      if (fits < bytes.length) throw diskError('ENOSPC', 'write')
    },
    sync(inode) {
      try {
        step('fsync', faults.sync)
      } catch (error) {
        if (!isFailed) inode.failSync(random)
        throw error
      }
      inode.sync()
    },
    create(path) {
      step('create', faults.name)
      requireFree(names, path)
      const inode = createInode(now())
      names.change([path, inode])
      return inode
    },
    rename(from, to) {
      step('rename', faults.name)
      const inode = disk.file(from)
      requireParent(names, to)
      if (names.get(to) === 'folder') throw diskError('EISDIR', to)
      if (from !== to) names.change([to, inode], [from, undefined])
    },
    link(from, to) {
      step('link', faults.name)
      requireFree(names, to)
      names.change([to, disk.file(from)])
    },
    remove(path) {
      step('remove', faults.name)
      if (names.get(path) === undefined) return false
      disk.file(path)
      names.change([path, undefined])
      return true
    },
    list(folder) {
      step('list', faults.read)
      return names.in(folder).map((path) => path.slice(dirname(path) === '/' ? 1 : dirname(path).length + 1))
    },
    makeFolder(path) {
      step('make folder', faults.name)
      if (names.get(path) === 'folder') return
      if (names.get(path)) throw diskError('EEXIST', path)
      if (names.get(dirname(path)) !== 'folder') disk.makeFolder(dirname(path))
      names.change([path, 'folder'])
    },
    removeFolder(path) {
      step('remove folder', faults.name)
      for (const below of [...names.below(path), path]) if (names.get(below)) names.change([below, undefined])
    },
    syncFolder(path) {
      step('fsync', faults.sync)
      if (names.get(path) !== 'folder') throw diskError('ENOENT', path)
      names.sync(path)
    },
    fail() {
      isFailed = true
    },
    recover(from) {
      if (from === 'power') {
        names.crash(random)
        for (const inode of names.files()) inode.crash(random)
      }
      faults.stepsToCrash = Number.POSITIVE_INFINITY
      isFailed = false
    },
  }
  return disk
}

function requireParent(names: Names, path: string): void {
  if (names.get(dirname(path)) !== 'folder') throw diskError('ENOENT', path)
}

function requireFree(names: Names, path: string): void {
  requireParent(names, path)
  if (names.get(path) !== undefined) throw diskError('EEXIST', path)
}

/** How long the file may grow. */
function bytesThatFit(names: Names, capacityBytes: number, inode: Inode, wantedBytes: number): number {
  if (capacityBytes === Number.POSITIVE_INFINITY || wantedBytes <= inode.bytes) return wantedBytes
  let others = 0
  for (const file of names.files()) if (file !== inode) others += file.bytes
  return Math.min(wantedBytes, Math.max(inode.bytes, capacityBytes - others))
}

/** An error as the system makes it, with its `code`. */
export function diskError(code: 'EIO' | 'ENOENT' | 'EEXIST' | 'EISDIR' | 'ENOSPC', call: string): Error {
  return Object.assign(new Error(`${code}: ${call}`), { code, syscall: call })
}
