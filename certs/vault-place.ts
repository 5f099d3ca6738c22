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
  /** The keys alone, sorted within a folder: cheaper than {@link Objects.list} where each object would be looked at. */
  keys(prefix: string): AsyncIterable<string>
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
  return { ...objects, keys: (prefix) => walk(env, folder, prefix) }
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
    async *keys(prefix) {
      for await (const { key } of list(prefix)) yield key
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** Objects have a dot in their names and folders have none, so neither has to be looked at. `prefix` ends with a slash. */
async function* walk(env: Environment, root: string, prefix: string): AsyncGenerator<string> {
  let names: string[]
  try {
    names = await env.files.list(join(root, prefix))
  } catch (error) {
    throw toDiskError(`list the vault in ${join(root, prefix)}`, error)
  }
  for (const name of names.sort()) {
    if (name.startsWith('.')) continue
    if (name.includes('.')) yield `${prefix}${name}`
    else yield* walk(env, root, `${prefix}${name}/`)
  }
}
