/** Taking in an export: all of it is read, and what it says is held against itself, before it counts for anything. */

import { isUtf8 } from 'node:buffer'
import { hash as digest } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, toSiteName } from '../../core/names.ts'
import type { Blobs } from '../contents/blobs.ts'
import type { Environment } from '../environment.ts'
import { buildTree } from '../trees/change.ts'
import { checkFiles } from '../trees/check.ts'
import type { TreeFile } from '../trees/tree-file.ts'
import { checkPinName } from '../versions/retention.ts'
import {
  aboutName,
  aboutSchema,
  contentOf,
  type ExportAbout,
  type ExportVersion,
  listName,
  parseJson,
  parseList,
  versionSchema,
  versionsName,
} from './export-format.ts'
import type { TransferProgress } from './export-site.ts'
import { readTar, refused, type TarFile } from './tar-read.ts'

/** An export that was read to its end. */
export interface TakenExport {
  readonly about: ExportAbout
  /** Oldest first. `root`: of its tree. */
  readonly versions: readonly (ExportVersion & { readonly root: BlobHash })[]
  /** Of all trees, keyed by hash. */
  readonly nodes: ReadonlyMap<BlobHash, Uint8Array>
  /** Keyed by hash: a file that has the content. The contents are among those that were sent. */
  readonly contents: ReadonlyMap<BlobHash, TreeFile>
}

/** Where an export is taken to. */
export interface TakeOptions {
  readonly env: Environment
  readonly blobs: Blobs
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined
}

type TarFiles = AsyncGenerator<TarFile>

/**
 * Reads an export to its end. Throws `ERR_BAD_REQUEST` for what is not one, `ERR_PUBLISH_REFUSED` for paths that no site
 * can have, `ERR_BLOB_MISMATCH`, `ERR_TOO_LARGE`, `ERR_DATA_IO`, and what the source throws.
 */
export async function takeExport(options: TakeOptions, source: AsyncIterable<Uint8Array>): Promise<TakenExport> {
  const files = readTar(source)
  try {
    const about = parseJson(aboutSchema, aboutName, await textOf(files, aboutName, limits.transfer.aboutBytes))
    const text = await textOf(files, versionsName, limits.transfer.versionsBytes)
    const versions = versionsOf(about, text)
    const trees = await takeLists(options, files, versions)
    await takeContents(options, files, trees.contents)
    return {
      about,
      versions: versions.map((version, place) => ({ ...version, root: trees.roots[place] ?? '' })),
      ...trees,
    }
  } finally {
    await files.return(undefined)
  }
}

/** The lines of the versions, which have to agree with what the first file tells. */
function versionsOf(about: ExportAbout, text: string): ExportVersion[] {
  toSiteName(about.site)
  const lines = text.split('\n')
  if (lines.pop() !== '') throw refused(`${versionsName} ends in the middle of a line`)
  if (lines.length !== about.versions)
    throw refused(`${versionsName} has ${lines.length} lines, and ${aboutName} tells of ${about.versions}`)
  const versions = lines.map((line, place) => parseJson(versionSchema, `line ${place + 1} of ${versionsName}`, line))
  const known = new Set(versions.map(({ version }) => version))
  for (const [place, { version }] of versions.entries())
    if (version <= (versions[place - 1]?.version ?? 0)) throw refused(`version ${version} is out of order`)
  if ((versions.at(-1)?.version ?? 0) > about.lastVersion)
    throw refused(`it has a version after the last one, ${about.lastVersion}`)
  if (about.live !== null && !known.has(about.live)) throw refused(`version ${about.live}, the live one, is not in it`)
  const names = new Set<string>()
  for (const { name, version } of about.pins) {
    checkPinName(name)
    if (names.has(name) || !known.has(version)) throw refused(`pin ${JSON.stringify(name)} cannot be`)
    names.add(name)
  }
  return versions
}

async function takeLists({ env }: TakeOptions, files: TarFiles, versions: readonly ExportVersion[]) {
  const nodes = new Map<BlobHash, Uint8Array>()
  const contents = new Map<BlobHash, TreeFile>()
  const roots: BlobHash[] = []
  let nodesBytes = 0
  for (const version of versions) {
    const name = listName(version.version)
    const text = await wholeOf(files, name, limits.transfer.listBytes)
    if (digest('sha256', text) !== version.list)
      throw refused(`${name} is not the list that version ${version.version} names`)
    const list = parseList(name, text)
    checkFiles(list)
    const tree = await buildTree(list, env.turn)
    if (tree.files !== version.files || tree.bytes !== version.bytes)
      throw refused(`${name} has ${tree.files} files of ${tree.bytes} bytes, ${versionsName} tells others`)
    roots.push(tree.root)
    for (const [hash, bytes] of tree.nodes) {
      if (!nodes.has(hash)) nodesBytes += bytes.length
      nodes.set(hash, bytes)
    }
    for (const file of list) {
      if ((contents.get(file.hash)?.bytes ?? file.bytes) !== file.bytes)
        throw refused(`content ${file.hash} has two lengths`)
      contents.set(file.hash, file)
    }
    if (nodesBytes > limits.transfer.nodesBytes || contents.size > limits.transfer.contents)
      throw new GroveError('ERR_TOO_LARGE', `an export of ${contents.size} contents is too large to be taken at once`, {
        hint: 'prune the site before it is exported, so that fewer versions are in it',
      })
  }
  return { nodes, contents, roots }
}

async function takeContents(
  { env, blobs, onProgress }: TakeOptions,
  files: TarFiles,
  contents: ReadonlyMap<BlobHash, TreeFile>,
): Promise<void> {
  const taken = new Set<BlobHash>()
  let bytes = 0
  for (let next = await files.next(); !next.done; next = await files.next()) {
    const { name, bytes: length, body } = next.value
    const hash = contentOf(name)
    if (hash === undefined) throw refused(`${quoted(name)} is not a part of it`)
    if (!contents.has(hash)) throw refused(`no version has content ${hash}`)
    if (taken.has(hash)) throw refused(`content ${hash} is there twice`)
    if (contents.get(hash)?.bytes !== length)
      throw refused(`content ${hash} has ${length} bytes, the lists tell others`)
    await blobs.put(hash, body, length)
    taken.add(hash)
    bytes += length
    onProgress?.({ contents: taken.size, of: contents.size, bytes })
    await env.turn()
  }
  if (taken.size < contents.size) {
    const missing = contents.keys().find((hash) => !taken.has(hash))
    throw refused(`it lacks ${contents.size - taken.size} contents, ${missing} first`)
  }
}

async function textOf(files: TarFiles, name: string, most: number): Promise<string> {
  const bytes = await wholeOf(files, name, most)
  if (!isUtf8(bytes)) throw refused(`${name} is not UTF-8`)
  return bytes.toString('utf8')
}

/** The next file, which has to have this name and is short enough to be in memory. */
async function wholeOf(files: TarFiles, name: string, most: number): Promise<Buffer> {
  const { value, done } = await files.next()
  if (done) throw refused(`it ends before ${name}`)
  if (value.name !== name) throw refused(`${quoted(value.name)} stands where ${name} should`)
  if (value.bytes > most) throw new GroveError('ERR_TOO_LARGE', `${name} has ${value.bytes} bytes; at most ${most}`)
  return Buffer.concat(await Array.fromAsync(value.body))
}

/** A name from a stranger, for a message: no character of it can steer a terminal. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 100)).replace(
    /[\x7f-\xff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
