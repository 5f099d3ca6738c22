/** The list of objects in a folder, in the order of their keys. */

import { join } from 'node:path'
import { limits } from '../../core/limits.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { isObjectKey } from './keys.ts'
import type { ObjectInfo } from './objects.ts'

/** A file or folder below the objects' folder, and what it sorts by. */
interface Found extends ObjectInfo {
  readonly isFolder: boolean
  readonly order: string
}

/**
 * Objects whose key begins with a prefix, sorted by key. Holds the names of one folder of each depth in memory. Rejects
 * with `ERR_DATA_IO`.
 */
export async function* listFolder(env: Environment, folder: string, prefix: string): AsyncGenerator<ObjectInfo> {
  yield* walk(env, folder, { above: '', prefix })
}

async function* walk(
  env: Environment,
  root: string,
  { above, prefix }: { readonly above: string; readonly prefix: string },
): AsyncGenerator<ObjectInfo> {
  const wanted = (key: string) => key.startsWith(prefix) || prefix.startsWith(`${key}/`)
  for (const { key, bytes, modifiedMs, isFolder } of await lookInto(env, root, { above, wanted })) {
    if (isFolder) yield* walk(env, root, { above: `${key}/`, prefix })
    else if (key.startsWith(prefix)) yield { key, bytes, modifiedMs }
  }
}

async function lookInto(
  env: Environment,
  root: string,
  { above, wanted }: { readonly above: string; readonly wanted: (key: string) => boolean },
): Promise<Found[]> {
  const found: Found[] = []
  try {
    const names = await env.files.list(join(root, above))
    const keys = names.map((name) => above + name).filter((key) => isObjectKey(key) && wanted(key))
    await forEachParallel(keys, limits.objects.parallel, async (key) => {
      const stat = await env.files.stat(join(root, key))
      // What follows in a folder's keys is a slash, so that is what it sorts by.
      if (stat) found.push({ ...stat, key, order: stat.isFolder ? `${key}/` : key })
    })
  } catch (error) {
    throw toDiskError(`list the objects in ${join(root, above)}`, error)
  }
  return found.sort((one, other) => (one.order < other.order ? -1 : 1))
}
