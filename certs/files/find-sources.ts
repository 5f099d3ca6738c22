/** What there is to load: the sources that the config names, and those that lie in its folders. */

import { realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { limits } from '../../core/limits.ts'
import { certificateFault } from '../certificate-fault.ts'
import { type CertificateFileSpec, type CertificateSource, filesOf, mainFileOf } from './file-specs.ts'
import { type FolderContent, readPairs } from './folder-pairs.ts'
import { signatureOf } from './read-file.ts'

/** A place where something is wrong that is no source: a folder that cannot be read, a key without a certificate. */
export interface PlaceFault {
  readonly file: string
  readonly error: Error
}

/** What there is at one moment. */
export interface Found {
  /** Keyed by the main file, in the order of the config. */
  readonly sources: ReadonlyMap<string, CertificateSource>
  /** Tells one content of a source's files from another. Keyed as {@link Found.sources}. */
  readonly signatures: ReadonlyMap<string, string>
  readonly faults: readonly PlaceFault[]
  /** Folders in which a change matters. */
  readonly folders: ReadonlySet<string>
}

/**
 * Looks at everything that the specs name; reads no file. `before`: sources of the look before. One that lay in a folder
 * stays as long as one of its files is there, or the folder cannot be read: then something is wrong with it, and it was
 * not taken away.
 */
export async function findSources(
  specs: readonly CertificateFileSpec[],
  before: ReadonlyMap<string, CertificateSource>,
): Promise<Found> {
  const sources = new Map<string, CertificateSource>()
  const faults: PlaceFault[] = []
  const folders = new Set<string>()
  const kept = async (folder: string, isGone: (source: CertificateSource) => Promise<boolean>) => {
    for (const [file, source] of before)
      if (!sources.has(file) && file.startsWith(`${folder}/`) && !(await isGone(source))) sources.set(file, source)
  }
  for (const spec of specs) {
    if ('cert' in spec) sources.set(spec.cert, { kind: 'pair', ...spec })
    else if ('pkcs12' in spec) sources.set(spec.pkcs12, { kind: 'pkcs12', file: spec.pkcs12, password: spec.password })
    else {
      folders.add(spec.folder)
      let content: FolderContent
      try {
        content = await readPairs(spec.folder)
      } catch (error) {
        faults.push({ file: spec.folder, error: error as Error })
        await kept(spec.folder, async () => false)
        continue
      }
      for (const folder of content.folders) folders.add(folder)
      for (const pair of content.pairs.slice(0, limits.certFiles.pairs))
        sources.set(pair.cert, { kind: 'pair', ...pair, password: spec.password })
      faults.push(...faultsIn(spec.folder, content))
      await kept(spec.folder, areGone)
    }
  }
  const signatures = new Map<string, string>()
  for (const [file, source] of sources) {
    const files = filesOf(source)
    signatures.set(file, (await Promise.all(files.map(signatureOf))).join('; '))
    for (const one of files) {
      folders.add(dirname(one))
      // A link is changed where it is, or where it leads.
      folders.add(dirname(await realpath(one).catch(() => one)))
    }
  }
  return { sources, signatures, faults, folders }
}

function faultsIn(folder: string, { pairs, lone }: FolderContent): PlaceFault[] {
  const most = limits.certFiles.pairs
  const faults = lone.map((file) => ({
    file,
    error: certificateFault('file', `${file} is a key without a certificate beside it`),
  }))
  if (pairs.length > most)
    faults.push({ file: folder, error: certificateFault('size', `${folder} has more than ${most} certificates in it`) })
  return faults
}

async function areGone(source: CertificateSource): Promise<boolean> {
  const files = source.kind === 'pair' ? [source.cert, source.key] : [mainFileOf(source)]
  const signatures = await Promise.all(files.map(signatureOf))
  return signatures.every((signature) => signature === 'ENOENT' || signature === 'ENOTDIR')
}
