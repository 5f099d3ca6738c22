/**
 * Certificates that the operator brings: loaded from files, watched, and loaded anew when the files change.
 *
 * What is faulty is named with its reason, and whatever was in use before stays in use until its end. A change is read
 * once the files were left alone for a moment, so that of two files that belong together not one is read without the
 * other.
 */

import type { Logger } from 'pino'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../../store/environment.ts'
import type { Certificate } from '../certificate.ts'
import { certificateFault } from '../certificate-fault.ts'
import type { CertificateFileSpec } from './file-specs.ts'
import { type Found, findSources } from './find-sources.ts'
import { createFolderWatch } from './folder-watch.ts'
import { createHeldFiles, type FileState } from './held-files.ts'

/** Bounds that tests make smaller; see `limits.certFiles`. */
export type CertFilesBounds = { readonly [Bound in 'settleMs' | 'settleMostMs' | 'pollMs']: number }

/** What files are opened with. */
export interface CertificateFilesOptions {
  readonly environment: Pick<Environment, 'now' | 'monotonic' | 'sleep'>
  readonly log?: Logger | undefined
  /** Called after what is in use, or what is wrong, has changed; not for the first load. */
  readonly changed?: (() => void) | undefined
  readonly bounds?: Partial<CertFilesBounds> | undefined
}

/** Certificates in files. */
export interface CertificateFiles extends AsyncDisposable {
  /**
   * Certificates for a name in lower case, those that name it before those with a wildcard, the one that lasts longest
   * first. None that has ended.
   */
  find(name: string): Certificate[]
  /** Every file with a certificate, and every place where something is wrong, in the order of the config. */
  list(): FileState[]
  /** Looks at all files now, and resolves when what has changed is in use. */
  reload(): Promise<void>
  /** Ends the watching. What was found stays. */
  close(): Promise<void>
}

/**
 * Opens files, loads what is in them and watches them. Rejects only with `ERR_CERT` (`size`) for more than
 * `limits.certFiles.specs` of them: everything else is told by {@link CertificateFiles.list}.
 */
export async function openCertificateFiles(
  specs: readonly CertificateFileSpec[],
  options: CertificateFilesOptions,
): Promise<CertificateFiles> {
  const { environment, log, changed } = options
  const bounds: CertFilesBounds = { ...limits.certFiles, ...options.bounds }
  if (specs.length > limits.certFiles.specs)
    throw certificateFault('size', `more than ${limits.certFiles.specs} entries of certificates in files`)
  const ended = new AbortController()
  const { signal } = ended
  const held = createHeldFiles(environment, log)
  const { reload, idle } = inTurn(refresh, signal)
  const watch = createFolderWatch(() => void reload('settled'), log)
  let isOpen = false

  /**
   * Waits until two looks in a row see the same, or there is nothing new. Before each look comes a pause: in a folder
   * where much is written, most of it is nothing of ours.
   */
  async function settle(): Promise<Found> {
    const beganMs = environment.monotonic()
    for (let last = held.found; ; ) {
      await environment.sleep(bounds.settleMs, signal)
      const next = await findSources(specs, held.found.sources)
      const isOver = environment.monotonic() - beganMs >= bounds.settleMostMs
      if (isOver || looksOf(next) === looksOf(last)) return next
      last = next
    }
  }

  async function refresh(how: How): Promise<void> {
    try {
      const found = how === 'now' ? await findSources(specs, held.found.sources) : await settle()
      const isChanged = await held.take(found, signal)
      await watch.follow(signal.aborted ? [] : found.folders)
      if (isChanged && isOpen) changed?.()
    } catch (error) {
      if (!signal.aborted) log?.error({ err: error }, 'certificates in files could not be looked at')
    }
  }

  async function poll(): Promise<void> {
    while (!signal.aborted) {
      await environment.sleep(bounds.pollMs, signal)
      await reload('settled')
    }
  }

  await reload('now')
  isOpen = true
  // What changed before the folders were watched was told by nobody.
  void reload('settled')
  const polling = poll().catch(() => undefined) // It ends with the signal.

  async function close(): Promise<void> {
    ended.abort()
    watch[Symbol.dispose]()
    await Promise.all([polling, idle()])
  }

  return {
    find: held.find,
    list: held.list,
    reload: () => reload('now'),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Whether files are looked at at once, or when they have come to rest. */
type How = 'now' | 'settled'

/** One look after the other; whoever comes while one waits to begin shares it. */
function inTurn(look: (how: How) => Promise<void>, ended: AbortSignal) {
  let running: Promise<void> | undefined
  let waiting: Promise<void> | undefined
  function reload(how: How): Promise<void> {
    if (ended.aborted) return Promise.resolve()
    if (running === undefined) {
      running = look(how).finally(() => {
        running = undefined
      })
      return running
    }
    waiting ??= running.then(() => {
      waiting = undefined
      return reload(how)
    })
    return waiting
  }
  return { reload, idle: async () => running }
}

/** What tells one look from another, as far as files have to be read. */
function looksOf({ signatures, faults }: Found): string {
  return JSON.stringify([...[...signatures].flat(), ...faults.map(({ error }) => error.message)])
}
