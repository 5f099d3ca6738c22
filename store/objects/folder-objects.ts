/**
 * Objects in a folder of this machine: each is a file under its key.
 *
 * A new one is written to a file of no key in the same folder, forced to disk and then linked to its name, so under its
 * name it is whole or not there, and of two creators one wins. The file system has to know hard links.
 */

import { dirname, join } from 'node:path'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { isMissingFile, toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { createDurableFolders, type DurableFolders } from './durable-folders.ts'
import { listFolder } from './folder-list.ts'
import { checkKey, checkPrefix } from './keys.ts'
import { checkRange, checkReadBytes, noObject, shortObject, takenObject } from './object-errors.ts'
import { factsOf, hasHash, piecesOf } from './object-source.ts'
import type { ByteRange, FileSource, ObjectInfo, ObjectSource, Objects } from './objects.ts'

/** No key begins with a dot. */
const newFolder = '.new'

/** What the calls below share. */
interface Place {
  readonly env: Environment
  readonly folder: string
  readonly folders: DurableFolders
}

/** How a folder of objects is opened. */
export interface FolderOptions {
  /**
   * Other processes and machines have it open too. Then only what one of them began long ago is removed at the opening;
   * `limits.objects.abandonedMs`. @default false, so that this process is the only one
   */
  readonly isShared?: boolean
}

/**
 * Opens a folder of objects, makes it when it is not there, and removes what an earlier process had not finished.
 * Rejects with `ERR_DATA_IO`.
 */
export async function folderObjects(
  env: Environment,
  folder: string,
  { isShared = false }: FolderOptions = {},
): Promise<Objects> {
  const place: Place = { env, folder, folders: createDurableFolders(env, folder) }
  try {
    if (!isShared) await env.files.removeFolder(join(folder, newFolder))
    await place.folders.make(join(folder, newFolder))
    if (isShared) await removeAbandoned(place)
  } catch (error) {
    throw toDiskError(`open the objects in ${folder}`, error)
  }
  return {
    name: folder,
    isRemote: false,
    create: async (key, source) => create(place, checkKey(key), source),
    replace: async (key, bytes) => replace(place, checkKey(key), bytes),
    read: async (key, range) => read(place, checkKey(key), range && checkRange(range)),
    stream: (key, range) => stream(place, checkKey(key), range && checkRange(range)),
    stat: async (key) => stat(place, checkKey(key)),
    async remove(keys) {
      for (const key of keys) checkKey(key)
      await forEachParallel(keys, limits.objects.parallel, async (key) => {
        await env.files.remove(join(folder, key)).catch((error) => {
          if (!isNoFile(error)) throw toDiskError(`remove object ${key}`, error)
        })
      })
    },
    list: (prefix) => listFolder(env, folder, checkPrefix(prefix)),
    presign: undefined,
    requests: {},
    async [Symbol.asyncDispose]() {},
  }
}

async function create(place: Place, key: string, source: ObjectSource): Promise<'created' | 'exists'> {
  const { folder, folders } = place
  const target = join(folder, key)
  try {
    await folders.make(dirname(target))
    const isMade = (await takeFile(place, target, source)) || (await writeNew(place, target, source))
    if (!isMade && !(await isSame(place, key, source))) throw takenObject(folder, key)
    // Also for one that was there: who made it may not have come so far.
    await folders.sync(dirname(target))
    return isMade ? 'created' : 'exists'
  } catch (error) {
    throw toDiskError(`create object ${key}`, error)
  }
}

/** Gives a file that is durable already a second name. Answers false where that cannot be, or the name is taken. */
async function takeFile({ env }: Place, target: string, source: ObjectSource): Promise<boolean> {
  if (!('file' in source && source.isDurable)) return false
  await checkLength(env, source)
  try {
    await env.files.link(source.file, target)
    return true
  } catch {
    // Another file system, one without links, too many of them, a name that is taken: a copy shows what it is.
    return false
  }
}

async function checkLength(env: Environment, { file, length }: FileSource): Promise<void> {
  const found = (await env.files.stat(file))?.bytes
  if (found === length) return
  const message = `${file} is not what it was said to be: it has ${found ?? 'no'} bytes, expected ${length}`
  throw new GroveError('ERR_BLOB_MISMATCH', message)
}

/** Writes an object and gives it its name. Answers false when the name is taken. */
async function writeNew(place: Place, target: string, source: ObjectSource): Promise<boolean> {
  const { env } = place
  if ((await env.files.stat(target)) !== undefined) return false
  const temporary = await writeTemporary(place, source)
  try {
    await env.files.link(temporary, target)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await discard(place, temporary)
  }
}

async function replace(place: Place, key: string, bytes: Uint8Array): Promise<void> {
  const { env, folder, folders } = place
  const target = join(folder, key)
  try {
    await folders.make(dirname(target))
    const temporary = await writeTemporary(place, { bytes })
    try {
      await env.files.rename(temporary, target)
    } catch (error) {
      await discard(place, temporary)
      throw error
    }
    await folders.sync(dirname(target))
  } catch (error) {
    throw toDiskError(`replace object ${key}`, error)
  }
}

/** A file without a key, whole and on the disk. */
async function writeTemporary(place: Place, source: ObjectSource): Promise<string> {
  const { env, folder } = place
  const temporary = join(folder, newFolder, env.randomBytes(16).toString('hex'))
  const writer = await env.files.create(temporary)
  try {
    for await (const piece of piecesOf(env, source)) await writer.write(piece)
    await writer.sync()
    await writer.close()
    return temporary
  } catch (error) {
    await writer.close().catch(() => {}) // The first error tells more.
    await discard(place, temporary)
    throw error
  }
}

/** Removes what nobody is writing any more. Age is told by the disk's own clock: that of a machine may be any. */
async function removeAbandoned(place: Place): Promise<void> {
  const { env, folder } = place
  const names = await env.files.list(join(folder, newFolder))
  if (names.length === 0) return
  const probe = await writeTemporary(place, { bytes: Buffer.alloc(0) })
  const nowMs = (await env.files.stat(probe))?.modifiedMs ?? 0
  await discard(place, probe)
  for (const name of names) {
    const file = join(folder, newFolder, name)
    const found = await env.files.stat(file)
    if (found && nowMs - found.modifiedMs > limits.objects.abandonedMs) await discard(place, file)
  }
}

/** What stays in spite of this goes at a later opening. */
async function discard({ env }: Place, temporary: string): Promise<void> {
  await env.files.remove(temporary).catch(() => {})
}

async function isSame(place: Place, key: string, source: ObjectSource): Promise<boolean> {
  const { length, sha256 } = factsOf(source)
  const found = await stat(place, key)
  return found?.bytes === length && (await hasHash(stream(place, key, { offset: 0, length }), sha256))
}

async function stat({ env, folder }: Place, key: string): Promise<ObjectInfo | undefined> {
  try {
    const found = await env.files.stat(join(folder, key))
    return found && !found.isFolder ? { key, bytes: found.bytes, modifiedMs: found.modifiedMs } : undefined
  } catch (error) {
    if (isNoFile(error)) return undefined
    throw toDiskError(`look for object ${key}`, error)
  }
}

async function read(place: Place, key: string, range: ByteRange | undefined): Promise<Buffer> {
  const found = await stat(place, key)
  if (found === undefined) throw noObject(place.folder, key)
  const { offset, length } = range ?? { offset: 0, length: found.bytes }
  checkReadBytes(place.folder, key, length)
  if (offset + length > found.bytes) throw shortObject(place.folder, key, { offset, length }, found.bytes)
  return length === 0 ? Buffer.alloc(0) : readPart(place, key, { offset, length })
}

async function* stream(place: Place, key: string, range: ByteRange | undefined): AsyncGenerator<Buffer> {
  const found = await stat(place, key)
  if (found === undefined) throw noObject(place.folder, key)
  const { offset, length } = range ?? { offset: 0, length: found.bytes }
  if (offset + length > found.bytes) throw shortObject(place.folder, key, { offset, length }, found.bytes)
  for (let at = offset; at < offset + length; at += limits.objects.pieceBytes) {
    const piece = Math.min(limits.objects.pieceBytes, offset + length - at)
    yield await readPart(place, key, { offset: at, length: piece })
  }
}

async function readPart({ env, folder }: Place, key: string, range: ByteRange): Promise<Buffer> {
  let bytes: Buffer
  try {
    bytes = await env.files.readRange(join(folder, key), range.offset, range.length)
  } catch (error) {
    if (isNoFile(error)) throw noObject(folder, key)
    throw toDiskError(`read object ${key}`, error)
  }
  if (bytes.length < range.length) throw shortObject(folder, key, range, undefined)
  return bytes
}

/** There is no such file; also when a part of its path is a file, or it is a folder. */
function isNoFile(error: unknown): boolean {
  return isMissingFile(error) || ['ENOTDIR', 'EISDIR'].includes(String((error as NodeJS.ErrnoException).code))
}
