/**
 * A backup: a copy of a running host's data folder that is whole, and can be served as it is.
 *
 * The store is copied first, at one moment. Objects are never changed and not removed within a day of losing their last
 * use, so those that lie there afterwards include all that the copy refers to. Contents, copies in other codings and
 * compiled versions are derived from these and left out.
 */

import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { GroveError, toGroveError } from '../core/errors.ts'
import { siteOwner } from '../core/grant-api.ts'
import { type Layout, layoutOf } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { createFile } from '../core/private-file.ts'
import type { BackupResult } from '../core/store-api.ts'
import { nodeEnvironment } from '../store/environment-node.ts'
import type { Objects } from '../store/objects/objects.ts'
import type { Store } from '../store/store.ts'
import type { ProgressLine } from './progress-lines.ts'

/** What a backup is made of. */
export interface BackupOptions {
  readonly layout: Layout
  readonly store: Store
  readonly objects: Objects
  /** Where it goes: a folder that is empty or not there yet. */
  readonly folder: string
  /** Also what lies in a bucket; what lies in the data folder is always part of it. */
  readonly withContents: boolean
  /** Where the vault lies when it is not in the data folder. It may be that of several machines, and is left out. */
  readonly vaultFolder?: string | undefined
  readonly now: () => number
  /** Told how far it is. */
  readonly say?: (progress: ProgressLine) => void
  readonly signal?: AbortSignal
}

const { files } = nodeEnvironment

/** What a backup's own file tells; `grove-backup.json` is written last, so a backup without it is not whole. */
export const backupFile = 'grove-backup.json'

/**
 * Makes a backup. Throws `ERR_EXISTS` for a folder with something in it, `ERR_BAD_REQUEST` for one inside the data folder,
 * `ERR_DATA_IO`, and the signal's reason.
 */
export async function backUp(options: BackupOptions): Promise<BackupResult> {
  const { layout, store, objects, vaultFolder, now, say, signal } = options
  const target = layoutOf(await openTarget(layout, options.folder))
  const atMs = now()
  await store.copyTo(store.root, target.database)
  let count = 0
  let bytes = 0
  if (!objects.isRemote || options.withContents) {
    const folders = new Set<string>([target.objects])
    // Of what else lies in a bucket nothing is ours.
    for await (const { key, bytes: length } of objects.list(`${siteOwner}/`)) {
      signal?.throwIfAborted()
      const file = join(target.objects, key)
      if (!(await copyObject(objects, key, file))) continue
      for (let folder = dirname(file); folder.length >= target.root.length; folder = dirname(folder))
        folders.add(folder)
      count += 1
      bytes += length
      say?.({ what: 'copying', objects: count, bytes })
    }
    for (const folder of folders) await files.syncFolder(folder).catch(ignoreMissing)
  }
  await copySecrets(layout, target)
  const inBucket = objects.isRemote && !options.withContents
  const elsewhere = vaultFolder === undefined ? {} : { vaultElsewhere: vaultFolder }
  const result = { folder: target.root, objects: count, bytes, inBucket, ...elsewhere }
  const about = { format: 'grove-backup-1', storeId: store.id, atMs, ...result, folder: undefined }
  await createFile(join(target.root, backupFile), `${JSON.stringify(about, undefined, 2)}\n`)
  return result
}

/** The folder of a backup, made. */
async function openTarget(layout: Layout, named: string): Promise<string> {
  const folder = resolve(named)
  if (`${folder}${sep}`.startsWith(`${resolve(layout.root)}${sep}`))
    throw new GroveError('ERR_BAD_REQUEST', `${folder} lies in the data folder itself`, {
      hint: 'name a folder on another disk',
    })
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw toGroveError(error)
  })
  if (names.length > 0)
    throw new GroveError('ERR_EXISTS', `${folder} is not empty`, { hint: 'a backup goes into a new or empty folder' })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** Copies one object; answers false when it has been collected meanwhile, which only what nothing refers to is. */
async function copyObject(objects: Objects, key: string, file: string): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await using copy = await open(file, 'wx', 0o600)
  try {
    for await (const chunk of objects.stream(key)) await copy.writeFile(chunk)
  } catch (error) {
    if (!(error instanceof GroveError && error.code === 'ERR_NOT_FOUND')) throw error
    await rm(file)
    return false
  }
  await copy.sync()
  return true
}

/** Keys of sessions and the host's own certificates: without them visitors are signed out and browsers warn. */
async function copySecrets(from: Layout, to: Layout): Promise<void> {
  for (const [source, target] of [
    [from.keys, to.keys],
    [from.certs, to.certs],
  ] as const) {
    const found = await stat(source).catch(ignoreMissing)
    if (found) await copyDurably(source, target, found.isDirectory())
  }
}

async function copyDurably(source: string, target: string, isFolder: boolean): Promise<void> {
  if (!isFolder) {
    const content = await readFile(source)
    await using copy = await open(target, 'wx', 0o600)
    await copy.writeFile(content)
    return await copy.sync()
  }
  await mkdir(target, { mode: 0o700, recursive: true })
  const copied = new Set<string>()
  for (let looks = 1; ; looks += 1) {
    let isMissing = false
    for (const entry of await readdir(source, { withFileTypes: true })) {
      if (copied.has(entry.name)) continue
      try {
        await copyDurably(join(source, entry.name), join(target, entry.name), entry.isDirectory())
        copied.add(entry.name)
      } catch (error) {
        // The newer record of the vault is there before the older one goes: whoever misses that looks again.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || looks >= limits.managed.backupLooks) throw error
        isMissing = true
      }
    }
    if (!isMissing) break
  }
  await files.syncFolder(target)
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw toGroveError(error)
}
