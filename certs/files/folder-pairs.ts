/**
 * Pairs of certificates and keys in a folder, by their names, as the tools that make them write them: `x.crt` and
 * `x.key`, `x.pem` and `x-key.pem`, one `x.pem` with both, and `fullchain.pem` with `privkey.pem` as ACME clients do.
 */

import type { Dirent } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { limits } from '../../core/limits.ts'
import { certificateFault } from '../certificate-fault.ts'
import { toFault } from './read-file.ts'

/** A certificate and its key. */
export interface FilePair {
  readonly cert: string
  /** The same file when there is no other. */
  readonly key: string
}

/** What lies in a folder. */
export interface FolderContent {
  readonly pairs: readonly FilePair[]
  /** Keys without a certificate. */
  readonly lone: readonly string[]
  /** The folder and those in it. */
  readonly folders: readonly string[]
}

const keyEnds = ['.key.pem', '-key.pem', '.key']
const certEnds = ['.crt.pem', '-cert.pem', '.crt', '.cert', '.cer', '.pem']

/**
 * What lies in a folder and in the folders in it, but no deeper; hidden names are passed over. Throws `ERR_CERT`: `file`
 * when the folder cannot be read, `size` when there is too much in it.
 */
export async function readPairs(folder: string): Promise<FolderContent> {
  const top = await namesIn(folder)
  const inner = top.folders.sort().map((name) => join(folder, name))
  if (inner.length > limits.certFiles.folders)
    throw certificateFault('size', `${folder} has more than ${limits.certFiles.folders} folders in it`)
  const pairs: FilePair[] = []
  const lone: string[] = []
  const add = (place: string, names: readonly string[]) => {
    const found = pairUp(names)
    pairs.push(...found.pairs.map(({ cert, key }) => ({ cert: join(place, cert), key: join(place, key) })))
    lone.push(...found.lone.map((name) => join(place, name)))
  }
  add(folder, top.files)
  for (const place of inner) add(place, (await namesIn(place)).files)
  return { pairs, lone, folders: [folder, ...inner] }
}

/** Brings names of one folder together. Pure; sorted by the certificate's name. */
export function pairUp(names: readonly string[]): { pairs: FilePair[]; lone: string[] } {
  const there = new Set(names)
  const pairs: FilePair[] = []
  const taken = new Set<string>()
  if (there.has('fullchain.pem') && there.has('privkey.pem')) {
    pairs.push({ cert: 'fullchain.pem', key: 'privkey.pem' })
    for (const name of ['fullchain.pem', 'privkey.pem', 'cert.pem', 'chain.pem']) taken.add(name)
  }
  const rest = [...there].filter((name) => !taken.has(name)).sort()
  /** Keyed by what stands before the end. */
  const keys = new Map(rest.flatMap((name) => stemOf(name, keyEnds).map((stem) => [stem, name])))
  const lone = new Set(keys.values())
  const stems = new Set<string>()
  for (const cert of rest) {
    const [stem] = lone.has(cert) ? [] : stemOf(cert, certEnds)
    if (stem === undefined || stems.has(stem)) continue
    stems.add(stem)
    pairs.push({ cert, key: keys.get(stem) ?? cert })
  }
  for (const { key } of pairs) lone.delete(key)
  return { pairs: pairs.sort((a, b) => (a.cert < b.cert ? -1 : 1)), lone: [...lone] }
}

function stemOf(name: string, ends: readonly string[]): string[] {
  const end = ends.find((one) => name.endsWith(one) && name.length > one.length)
  return end === undefined ? [] : [name.slice(0, -end.length)]
}

async function namesIn(folder: string): Promise<{ files: string[]; folders: string[] }> {
  const files: string[] = []
  const folders: string[] = []
  try {
    let count = 0
    for await (const entry of await opendir(folder)) {
      count += 1
      if (count > limits.certFiles.folderEntries)
        throw certificateFault('size', `${folder} has more than ${limits.certFiles.folderEntries} names in it`)
      if (entry.name.startsWith('.')) continue
      if (await isFolder(folder, entry)) folders.push(entry.name)
      else files.push(basename(entry.name))
    }
  } catch (cause) {
    throw toFault(folder, cause)
  }
  return { files, folders }
}

async function isFolder(folder: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  return stat(join(folder, entry.name)).then(
    (found) => found.isDirectory(),
    () => false, // It leads nowhere; if it has the name of a certificate, that is told of it.
  )
}
