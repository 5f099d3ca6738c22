/** Moving a site: its export to a file, and a site from such a file. */

import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { GroveError, toGroveError } from '../core/errors.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { nodeEnvironment } from '../store/environment-node.ts'
import { exportSite } from '../store/transfer/export-site.ts'
import { type Imported, importSite } from '../store/transfer/import-site.ts'
import type { Activator } from './activate.ts'
import type { HostParts } from './host-parts.ts'
import type { Outbox } from './outbox.ts'
import type { ProgressLine } from './progress-lines.ts'
import { checkNewSiteName } from './site-names.ts'
import type { Turns } from './turns.ts'

const { files } = nodeEnvironment

/** What sites are moved with. */
export interface TransferOptions {
  readonly host: Pick<HostParts, 'registry' | 'siteOptions' | 'env'>
  readonly activator: Pick<Activator, 'request'>
  /** The outbox in force. */
  readonly outbox: () => Pick<Outbox, 'poke'>
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
 * throws; then there is no such site. From the moment on at which it has versions it is a site like any other: if grove
 * ends before one is live, `rollback` makes one so.
 */
export async function importFromFile(
  { host, activator, outbox, turns }: TransferOptions,
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
    const act = { atMs: env.now() }
    const begin = () => registry.create(name)
    const activate = async (version: VersionNumber) => {
      using site = await registry.need(name)
      await site.versions.activate(version, act)
    }
    try {
      const options = { ...host.siteOptions(name), act, onProgress, begin, activate }
      const made = await importSite(options, contentsOf(file))
      await lookInto(registry, name)
      return made
    } catch (error) {
      await lookInto(registry, name).catch(() => {}) // The first error tells more.
      throw error
    }
  })
  await activator.request(name)
  outbox().poke(name, imported.live)
  return imported
}

/** The site may have been open for long: it has to see what was imported beside it. One without a version was not made. */
async function lookInto(registry: HostParts['registry'], name: SiteName): Promise<void> {
  using site = await registry.get(name)
  if (!site) return
  await site.versions.refresh()
  if (site.versions.versions.length === 0) await registry.delete(name)
}

/** The bytes of a file that an operator named. */
async function* contentsOf(file: string): AsyncGenerator<Buffer> {
  try {
    yield* files.stream(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw toGroveError(error)
    throw new GroveError('ERR_NOT_FOUND', `${file} is not there`, { hint: 'name a file that grove store export wrote' })
  }
}
