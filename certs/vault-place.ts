/**
 * Where records lie: a folder, which several processes and machines may share, or a bucket. Both know `create`, which
 * makes an object unless there is one of that name; all that the vault promises rests on it.
 */

import { join } from 'node:path'
import { makePrivateFolder } from '../core/private-file.ts'
import { toDiskError } from '../store/disk-error.ts'
import type { Environment } from '../store/environment.ts'
import { folderObjects } from '../store/objects/folder-objects.ts'
import type { Objects } from '../store/objects/objects.ts'

/** What the vault needs of a place. Lists are sorted by key. */
export interface VaultPlace
  extends Pick<Objects, 'name' | 'create' | 'replace' | 'read' | 'stat' | 'remove' | 'list'>,
    AsyncDisposable {
  /** Keys that begin with a prefix, sorted: cheaper than {@link Objects.list} where each object would be looked at. */
  keys(prefix: string): AsyncIterable<FoundKey>
}

/** A key, and what a place tells with it for nothing. */
export interface FoundKey {
  readonly key: string
  /** The time of the last change, in milliseconds since the epoch; undefined where it has to be asked for. */
  readonly modifiedMs?: number
}

/** No site and no owner has a name with a dot, so in a bucket nothing else begins so. */
const inBucket = 'grove.certs/'

/** A folder of this machine, or one that several share; made when missing, mode 0700, its files 0600. */
export async function folderPlace(env: Environment, folder: string): Promise<VaultPlace> {
  try {
    await makePrivateFolder(folder)
  } catch (error) {
    throw toDiskError(`open the vault in ${folder}`, error)
  }
  const objects = await folderObjects(env, folder, { isShared: true })
  return { ...objects, keys: (prefix) => folderKeys(env, folder, prefix) }
}

/** A part of a bucket that the caller goes on to own. */
export function bucketPlace(objects: Objects): VaultPlace {
  async function* list(prefix: string) {
    for await (const info of objects.list(`${inBucket}${prefix}`))
      yield { ...info, key: info.key.slice(inBucket.length) }
  }
  return {
    name: objects.name,
    create: (key, source) => objects.create(inBucket + key, source),
    replace: (key, bytes) => objects.replace(inBucket + key, bytes),
    read: (key, range) => objects.read(inBucket + key, range),
    stat: async (key) => {
      const found = await objects.stat(inBucket + key)
      return found && { ...found, key }
    },
    remove: (keys) => objects.remove(keys.map((key) => inBucket + key)),
    list,
    keys: list,
    async [Symbol.asyncDispose]() {},
  }
}

/** The keys of a folder. Objects have a dot in their names and folders have none, so neither has to be looked at. */
export async function* folderKeys(env: Environment, root: string, prefix: string): AsyncGenerator<FoundKey> {
  const slash = prefix.lastIndexOf('/') + 1
  const above = prefix.slice(0, slash)
  for (const name of await namesIn(env, join(root, above), prefix.slice(slash)))
    if (name.endsWith('/')) yield* folderKeys(env, root, `${above}${name}`)
    else yield { key: `${above}${name}` }
}

/** Sorted as keys are: folders with a slash after their names. */
async function namesIn(env: Environment, folder: string, start: string): Promise<string[]> {
  try {
    const names = (await env.files.list(folder)).filter((name) => name.startsWith(start) && !name.startsWith('.'))
    return names.map((name) => (name.includes('.') ? name : `${name}/`)).sort()
  } catch (error) {
    // A file that somebody else put there.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return []
    throw toDiskError(`list the vault in ${folder}`, error)
  }
}
