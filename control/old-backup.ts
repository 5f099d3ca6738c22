/**
 * A backup beside a bucket that has gone on.
 *
 * The logs of a backup end at its moment. Started on the bucket it would go on from there: it would put its checkpoints
 * in place of newer ones, and a day later the collection would remove what was published since. Nothing in the logs
 * shows that; what the bucket's checkpoints say of the same store does.
 */

import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { GroveError, isGroveError, toGroveError } from '../core/errors.ts'
import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { isSiteName, type SiteName } from '../core/names.ts'
import { objectKeys } from '../store/objects/keys.ts'
import type { Objects } from '../store/objects/objects.ts'
import type { Keyring } from '../store/segments/keyring.ts'
import type { Store } from '../store/store.ts'
import { decodeRoot } from '../store/versions/root.ts'
import { versionsPath } from '../store/versions/site-log.ts'
import { backupFile } from './backup.ts'

/** What is compared. */
export interface OldBackupOptions {
  readonly layout: Layout
  readonly store: Store
  readonly objects: Objects
  readonly owner: string
  readonly keyring: Keyring | undefined
}

const aboutSchema = z.object({ atMs: z.number() })

/**
 * Throws `ERR_FENCED` when the data folder is a backup and the bucket tells of something later that the same store has
 * done. Looks at nothing in any other data folder. Throws what reading roots throws.
 */
export async function refuseOldBackup(options: OldBackupOptions): Promise<void> {
  const { layout, store, objects, owner, keyring } = options
  const atMs = await madeAtMs(layout)
  if (atMs === undefined) return
  const prefix = objectKeys.ownerRoots(owner)
  for await (const { key, modifiedMs } of objects.list(prefix)) {
    const name = key.slice(prefix.length).split('/')[0] ?? ''
    // The bucket's clock may be behind ours by a little.
    if (!isSiteName(name) || modifiedMs < atMs - limits.store.rootMarginMs) continue
    const root = decodeRoot(keyring, { owner, site: name, key }, await objects.read(key))
    if (root.store === store.id && root.head > (await headOf(store, owner, name)))
      throw goneOn(layout, objects, atMs, name)
  }
}

/** Says that a data folder that came from a backup is in service: from now on it is no backup any more. */
export async function forgetBackup(layout: Layout): Promise<void> {
  await rm(join(layout.root, backupFile), { force: true })
}

/** When the backup was made; undefined for a data folder that is none. */
async function madeAtMs({ root }: Layout): Promise<number | undefined> {
  const file = join(root, backupFile)
  try {
    return aboutSchema.parse(JSON.parse(await readFile(file, 'utf8'))).atMs
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (error instanceof SyntaxError || error instanceof z.ZodError)
      throw new GroveError('ERR_DATA_FORMAT', `${file} does not say what a backup says`, { cause: error })
    throw toGroveError(error)
  }
}

/** Up to where the store knows a site; the least of all texts for one that it does not know. */
async function headOf(store: Store, owner: string, name: SiteName): Promise<string> {
  try {
    return (await store.stat(store.root, versionsPath(owner, name))).head ?? ''
  } catch (error) {
    if (isGroveError(error, 'ERR_NOT_FOUND')) return ''
    throw error
  }
}

function goneOn({ root }: Layout, objects: Objects, atMs: number, name: SiteName): GroveError {
  const when = new Date(atMs).toISOString()
  return new GroveError(
    'ERR_FENCED',
    `${root} is a backup of ${when}, and ${objects.name} has gone on since: site "${name}" was changed`,
    {
      details: { site: name, atMs },
      hint: 'start with an empty data folder, which takes everything from the bucket; or start a backup that has contents without the bucket',
    },
  )
}
