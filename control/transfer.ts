/** Moving a site: its export to a file, and a site from such a file. */

import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { GroveError, toGroveError } from '../core/errors.ts'
import type { SiteName } from '../core/names.ts'
import { nodeEnvironment } from '../store/environment-node.ts'
import { exportSite } from '../store/transfer/export-site.ts'
import { type Imported, importSite } from '../store/transfer/import-site.ts'
import type { Activator } from './activate.ts'
import type { HostParts } from './host-parts.ts'
import type { ProgressLine } from './progress-lines.ts'
import { checkNewSiteName } from './site-names.ts'
import type { Turns } from './turns.ts'

const { files } = nodeEnvironment

/** What sites are moved with. */
export interface TransferOptions {
  readonly host: Pick<HostParts, 'registry' | 'siteOptions' | 'env'>
  readonly activator: Pick<Activator, 'request'>
  /** Lines of work, keyed by site. */
  readonly turns: Turns
}

/** Tells how far it is. */
type Say = (progress: ProgressLine) => void

/**
 * Writes a site's export into a new file, durable. A file that was not finished is removed. Throws `ERR_EXISTS`,
 * `ERR_SITE_UNKNOWN`, `ERR_DATA_IO`, and what reading the site throws.
 */
export async function exportToFile(
  { host }: Pick<TransferOptions, 'host'>,
  name: SiteName,
  file: string,
  say: Say,
): Promise<{ readonly file: string; readonly bytes: number }> {
  using _ = await host.registry.need(name)
  const target = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST')
      throw new GroveError('ERR_EXISTS', `${file} is there already`, { hint: 'name a file that is not there yet' })
    throw toGroveError(error)
  })
  let bytes = 0
  try {
    const onProgress = (progress: { readonly contents: number; readonly bytes: number }) =>
      say({ what: 'exporting', objects: progress.contents, bytes: progress.bytes })
    for await (const chunk of exportSite({ ...host.siteOptions(name), onProgress })) {
      await target.writeFile(chunk)
      bytes += chunk.length
    }
    await target.sync()
  } catch (error) {
    await rm(file, { force: true })
    throw error
  } finally {
    await target.close()
  }
  await files.syncFolder(dirname(file))
  return { file, bytes }
}

/**
 * Makes a site of an export and puts it live. Throws `ERR_SITE_EXISTS`, `ERR_SITE_NAME`, and what reading the file
 * throws; then there is no such site.
 */
export async function importFromFile(
  { host, activator, turns }: TransferOptions,
  name: SiteName,
  file: string,
  say: Say,
): Promise<Imported> {
  const { registry, env } = host
  const imported = await turns.run(name, async () => {
    checkNewSiteName(name)
    if (registry.serves(name))
      throw new GroveError('ERR_SITE_EXISTS', `there is a site "${name}" already`, {
        hint: 'give it another name with --site',
      })
    const onProgress = (progress: { readonly contents: number; readonly bytes: number }) =>
      say({ what: 'importing', objects: progress.contents, bytes: progress.bytes })
    const made = await importSite({ ...host.siteOptions(name), act: { atMs: env.now() }, onProgress }, contentsOf(file))
    await registry.create(name)
    return made
  })
  await activator.request(name)
  return imported
}

/** The bytes of a file that an operator named. */
async function* contentsOf(file: string): AsyncGenerator<Buffer> {
  try {
    yield* files.stream(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw toGroveError(error)
    throw new GroveError('ERR_NOT_FOUND', `${file} is not there`)
  }
}
