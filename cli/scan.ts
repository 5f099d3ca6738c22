/**
 * The files of a folder that is to be published, and everything about it that cannot be.
 *
 * Names are read as bytes, so one that is not UTF-8 is refused rather than guessed. A symbolic link to a file inside
 * the folder is that file; one that leads out, or to a folder, is refused: a planted link must not publish what lies
 * elsewhere on the author's disk. Control checks all names again; this scan is for telling all faults at once, before
 * anything is sent.
 */

import type { Dirent } from 'node:fs'
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { clashKey, refusedPathReason } from '../core/site-path.ts'

/** A file to publish. */
export interface ScannedFile {
  /** Path in the tree: `/` between segments, Unicode form NFC. */
  readonly path: string
  /** Where its content lies, with no symbolic link in the last segment. */
  readonly file: string
  /** Size when it was scanned. */
  readonly bytes: number
}

/** What a folder holds. */
export interface Scan {
  /** Sorted by path, in code unit order. */
  readonly files: readonly ScannedFile[]
  /** Paths left out because their name begins with a dot; folders end in `/`. */
  readonly skipped: readonly string[]
}

/** A path that cannot be published. */
export interface Refusal {
  readonly path: string
  readonly reason: string
}

/** What is scanned. */
export interface ScanOptions {
  /** Whether folders called `node_modules` are left out. @default false */
  readonly withoutPackages?: boolean
}

/** The one name with a dot that is published: RFC 8615 puts things there that must be served. */
const published = '.well-known'

/**
 * Scans a folder. Throws `ERR_NOT_FOUND` when it is not one, and `ERR_PUBLISH_REFUSED` that names every path that
 * cannot be published (`details.refused`, the first 100) or says that there is nothing to publish.
 */
export async function scanFolder(folder: string, { withoutPackages = false }: ScanOptions = {}): Promise<Scan> {
  const isFolder = await stat(folder).then(
    (stats) => stats.isDirectory(),
    () => false,
  )
  if (!isFolder)
    throw new GroveError('ERR_NOT_FOUND', `${folder} is not a folder`, {
      hint: 'name the folder that holds the files of the site',
    })
  const scan: Walk = {
    folder,
    withoutPackages,
    root: await realpath(folder),
    files: [],
    skipped: [],
    refused: [],
    refusals: 0,
    bytes: 0,
  }
  await walk(scan, scan.root, '')
  if (scan.bytes > limits.tree.totalBytes)
    refuse(scan, '.', `holds ${scan.bytes} bytes, more than ${limits.tree.totalBytes}`)
  if (scan.refusals > 0) throw refusedError(scan)
  if (scan.files.length === 0)
    throw new GroveError('ERR_PUBLISH_REFUSED', `${folder} has no files to publish`, {
      hint: 'to take a site away, use: grove site delete <name>',
    })
  scan.files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return scan
}

interface Walk {
  /** As the author named it. */
  readonly folder: string
  readonly withoutPackages: boolean
  readonly root: string
  readonly files: ScannedFile[]
  readonly skipped: string[]
  readonly refused: Refusal[]
  refusals: number
  bytes: number
}

async function walk(scan: Walk, folder: string, prefix: string): Promise<void> {
  const siblings = new Map<string, string>()
  for (const entry of await readFolder(scan, folder, prefix)) {
    const name = decodeName(entry.name)
    if (name === undefined) {
      refuse(scan, prefix + entry.name.toString('latin1'), 'has a name that is not valid UTF-8')
      continue
    }
    const path = prefix + name.normalize('NFC')
    if (name.startsWith('.') && name !== published) {
      scan.skipped.push(entry.isDirectory() ? `${path}/` : path)
      continue
    }
    if (scan.withoutPackages && name === 'node_modules') continue
    // Many disks, and some caches, would take the two for one; to look at siblings is enough, also for folders.
    const other = siblings.get(clashKey(name))
    siblings.set(clashKey(name), name)
    if (other !== undefined)
      refuse(scan, path, `differs only by case or Unicode form from ${JSON.stringify(prefix + other)}`)
    await visit(scan, entry, join(folder, name), path)
  }
}

/** With names as bytes: as strings, Node would replace what is not UTF-8 and then not find the file. */
async function readFolder(scan: Walk, folder: string, prefix: string): Promise<Dirent<Buffer>[]> {
  try {
    return await readdir(folder, { withFileTypes: true, encoding: 'buffer' })
  } catch (error) {
    refuse(scan, prefix, `cannot be read: ${(error as Error).message}`)
    return []
  }
}

function decodeName(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

async function visit(scan: Walk, entry: Dirent<Buffer>, file: string, path: string): Promise<void> {
  const reason = refusedPathReason(path)
  if (reason !== undefined) refuse(scan, path, reason)
  else if (entry.isSymbolicLink()) await addLink(scan, file, path)
  else if (entry.isDirectory()) await walk(scan, file, `${path}/`)
  else if (entry.isFile()) await add(scan, file, path)
  else refuse(scan, path, 'is not a file: a socket, pipe or device')
}

async function addLink(scan: Walk, link: string, path: string): Promise<void> {
  const target = await realpath(link).catch(() => undefined)
  if (target === undefined) refuse(scan, path, 'is a symbolic link that leads nowhere')
  else if (!target.startsWith(scan.root + sep)) refuse(scan, path, 'is a symbolic link that leads out of the folder')
  else if (!(await lstat(target)).isFile()) refuse(scan, path, 'is a symbolic link to something else than a file')
  else await add(scan, target, path)
}

async function add(scan: Walk, file: string, path: string): Promise<void> {
  const { size } = await lstat(file)
  if (size > limits.tree.fileBytes) refuse(scan, path, `has ${size} bytes, more than ${limits.tree.fileBytes}`)
  scan.bytes += size
  scan.files.push({ path, file, bytes: size })
  if (scan.files.length <= limits.tree.files) return
  refuse(scan, '.', `has more than ${limits.tree.files} files`)
  throw refusedError(scan) // Nothing that follows could make it right.
}

function refuse(scan: Walk, path: string, reason: string): void {
  scan.refusals += 1
  if (scan.refused.length < limits.cli.namesShown) scan.refused.push({ path, reason })
}

function refusedError({ folder, refused, refusals }: Walk): GroveError {
  const lines = refused.map(({ path, reason }) => `  ${JSON.stringify(path)} ${reason}`)
  if (refusals > refused.length) lines.push(`  and ${refusals - refused.length} more`)
  const count = refusals === 1 ? 'one thing' : `${refusals} things`
  return new GroveError(
    'ERR_PUBLISH_REFUSED',
    `${folder} has ${count} that cannot be published:\n${lines.join('\n')}`,
    {
      details: { refused, count: refusals },
      hint: 'nothing was sent',
    },
  )
}
