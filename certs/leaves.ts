/**
 * The leaves of all sites: issued when a name is first asked for, kept in memory and on disk, renewed in time.
 *
 * A restart reissues nothing. What lies on disk is checked before it is used (parses, key fits, name fits, signed by
 * this root, valid now) and made again otherwise.
 */

import { X509Certificate } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Leaf } from '../core/messages.ts'
import { setNewest } from '../core/newest.ts'
import { makePrivateFolder, readIfThere, removeLeftovers, replaceFile } from '../core/private-file.ts'
import { decodeLeaf, encodeLeaf, leafFile } from './leaf-file.ts'
import type { OwnCa } from './own-ca.ts'
import { pemBlock } from './pem.ts'

/** What leaves are opened with. */
export interface LeavesOptions {
  readonly ca: OwnCa
  /** Where leaves are kept; made when missing. This process is the only one that writes there. */
  readonly folder: string
  /** Whether a site has the name. Asked at every call, so a name that was given up gets no certificate any more. */
  readonly serves: (name: string) => boolean
  readonly log?: Logger
  readonly now?: () => number
}

/** The leaves of all sites. */
export interface Leaves {
  /**
   * The leaf of a name, issued or renewed first if need be; one issuing at a time per name. A leaf that is due but
   * cannot be renewed is answered as long as it is valid. Throws `ERR_CERT_NAME` when no site has the name, and
   * `ERR_TOO_MANY` when {@link limits}.cert.issuing names are being issued.
   */
  get(name: string): Promise<Leaf>
  /** Removes files of leaves that have ended or are damaged; call it daily. Answers how many. */
  sweep(): Promise<number>
}

/** Opens the leaves of a CA. Reads nothing until it is asked. */
export function openLeaves(options: LeavesOptions): Leaves {
  const now = options.now ?? Date.now
  const root = new X509Certificate(options.ca.rootPem)
  /** Keyed by name, least recently used first. */
  const cached = new Map<string, Leaf>()
  /** Keyed by name. */
  const pending = new Map<string, Promise<Leaf>>()

  /** Valid and not due. A clock that was set back can make a leaf one of the future, which no visitor takes. */
  function isCurrent({ notBeforeMs, renewAtMs }: Leaf): boolean {
    return notBeforeMs <= now() && now() < renewAtMs
  }

  async function fetch(name: string, due: Leaf | undefined): Promise<Leaf> {
    const file = leafFile(options.folder, name)
    const kept = due ?? (await load(file, name))
    if (kept && isCurrent(kept)) return kept
    try {
      const leaf = await options.ca.issue(name)
      await save(file, leaf)
      return leaf
    } catch (error) {
      if (!kept || kept.notAfterMs <= now()) throw error
      options.log?.warn({ err: error, name }, 'certificate is due but cannot be renewed; the old one is still valid')
      return kept
    }
  }

  // A disk that cannot be read or is full takes away the cache of the next start, not a visitor's handshake.

  async function load(file: string, name: string): Promise<Leaf | undefined> {
    try {
      const text = await readIfThere(file)
      return text === undefined ? undefined : decodeLeaf(text, name, root, now())
    } catch (error) {
      options.log?.warn({ err: error, name }, 'certificate on disk cannot be read; a new one is issued')
      return undefined
    }
  }

  async function save(file: string, leaf: Leaf): Promise<void> {
    try {
      await makePrivateFolder(options.folder)
      await replaceFile(file, encodeLeaf(leaf))
    } catch (error) {
      options.log?.warn({ err: error, name: leaf.name }, 'certificate cannot be kept on disk')
    }
  }

  function keep(leaf: Leaf): Leaf {
    setNewest(cached, leaf.name, leaf, limits.cert.leaves)
    return leaf
  }

  return {
    async get(name) {
      if (!options.serves(name)) throw new GroveError('ERR_CERT_NAME', `no site has the name "${name}"`)
      const leaf = cached.get(name)
      if (leaf && isCurrent(leaf)) return keep(leaf)
      const running = pending.get(name)
      if (running) return running
      if (pending.size >= limits.cert.issuing)
        throw new GroveError('ERR_TOO_MANY', `more than ${limits.cert.issuing} certificates are being issued`)
      const started = fetch(name, leaf)
        .then(keep)
        .finally(() => pending.delete(name))
      pending.set(name, started)
      return started
    },
    sweep: () => sweep(options.folder, now()),
  }
}

async function sweep(folder: string, nowMs: number): Promise<number> {
  await makePrivateFolder(folder)
  let removed = await removeLeftovers(folder)
  for (const entry of await readdir(folder)) {
    if (!entry.endsWith('.pem')) continue
    const file = join(folder, entry)
    const text = await readIfThere(file)
    if (text === undefined || endOf(text) > nowMs) continue
    await rm(file, { force: true })
    removed += 1
  }
  return removed
}

/** When the certificate in a file ends, in milliseconds; 0 when there is none to read. */
function endOf(text: string): number {
  try {
    return new X509Certificate(pemBlock(text, 'CERTIFICATE') ?? '').validToDate.getTime()
  } catch {
    return 0 // Damaged: it would be made again anyway.
  }
}
