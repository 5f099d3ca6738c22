/** A site's log: what it says, folded into the site's state, and the one way to write to it. */

import { GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { SiteName } from '../../core/names.ts'
import { openOwnLog } from '../logs/own-log.ts'
import { formatTs, justBefore } from '../logs/timestamp.ts'
import type { Handle, Log, Store, Ts, WriteOptions } from '../store.ts'
import { type Committed, decodeEntry, encodeEntry, type VersionEntry } from './entry.ts'
import { afterEntry, emptySite, type SiteState } from './site-state.ts'
import type { Act } from './versions.ts'

/** What the audit log tells of an act: who did it is the entry's writer, when its time. */
export interface AuditNote {
  readonly act:
    | 'publish'
    | 'live'
    | 'delete'
    | 'tag'
    | 'pin'
    | 'unpin'
    | 'prune'
    | 'import'
    | 'secret-set'
    | 'secret-remove'
  readonly version?: number | undefined
  /** Of a pin, or of a secret. */
  readonly name?: string
  /** How many paths. */
  readonly added?: number
  readonly changed?: number
  readonly removed?: number
  readonly rebased?: boolean
  readonly pruned?: readonly number[]
}

/** An entry that is ready to be written. */
export interface Prepared {
  readonly entry: VersionEntry
  /** Undefined for what nobody asked for. */
  readonly audit?: AuditNote | undefined
  readonly covers?: WriteOptions['covers']
  /** What the entry covers and takes the place of. */
  readonly trim?: { readonly from: Ts; readonly to: Ts } | undefined
}

/** What came of a change. */
export interface Changed {
  readonly committed: Committed
  /** False when the operation had happened before. */
  readonly isNew: boolean
}

/** The path of the log that tells who did what with a site. */
export function auditPath(owner: string, name: SiteName): string {
  return `/sites/${owner}/${name}/audit`
}

/** The path of a site's log. */
export function versionsPath(owner: string, name: SiteName): string {
  return `/sites/${owner}/${name}/versions`
}

/**
 * Opens a site's log, and makes it when it is not there. Reads nothing yet. `followed` is called with what the log says
 * whenever that was looked at.
 */
export async function openSiteLog(
  store: Store,
  handle: Handle,
  site: { readonly owner: string; readonly name: SiteName },
  followed: (state: SiteState) => void = () => {},
): Promise<SiteLog> {
  const log = await openOwnLog(store, handle, versionsPath(site.owner, site.name), { serialized: true })
  return new SiteLog({ store, handle, log, auditPath: auditPath(site.owner, site.name), followed })
}

interface SiteLogOptions {
  readonly store: Store
  readonly handle: Handle
  readonly log: Log
  readonly auditPath: string
  readonly followed: (state: SiteState) => void
}

/** A site's open log. `refresh` and `change` are not to run two at once. */
export class SiteLog {
  readonly #options: SiteLogOptions
  #audit: Log | undefined
  #state: SiteState = emptySite

  constructor(options: SiteLogOptions) {
    this.#options = options
  }

  get path(): string {
    return this.log.path
  }

  /** The log itself, read with the host's right. */
  get log(): Log {
    return this.#options.log
  }

  /** As of the last `refresh` or `change`. */
  get state(): SiteState {
    return this.#state
  }

  /** Takes in what was written since. Throws `ERR_DATA_FORMAT`. */
  async refresh(): Promise<void> {
    await this.#follow()
  }

  /**
   * Writes the entry that `build` makes of the newest state, and builds anew when another one came between. Answers the
   * first entry when the operation has happened before (or its moment, when the entry was trimmed), and undefined when
   * `build` finds nothing to do. Throws `ERR_CONFLICT` when others always come first, `ERR_DENIED`, `ERR_TOO_LARGE`.
   */
  async change(
    act: Pick<Act, 'handle' | 'opId'>,
    build: () => Promise<Prepared | undefined>,
  ): Promise<Changed | { readonly trimmedAt: Ts } | undefined> {
    const { store, handle, log } = this.#options
    for (let attempt = 0; ; attempt += 1) {
      await this.#follow()
      const first = act.opId === undefined ? undefined : await store.lookup(handle, this.path, act.opId)
      if (first !== undefined) {
        const committed = await entryAt(log, first)
        return committed ? { committed, isNew: false } : { trimmedAt: first }
      }
      const prepared = await build()
      if (!prepared) return undefined
      try {
        const ts = await this.#write(act, prepared)
        // Read back rather than assumed: had the same operation come by another way just now, `ts` is that one's.
        const committed = (await this.#follow(ts)) ?? (await entryAt(log, ts))
        if (committed) return { committed, isNew: true }
        throw new GroveError('ERR_NOT_FOUND', `${this.path} has no entry ${ts}`)
      } catch (error) {
        if (!isGroveError(error, 'ERR_CONFLICT') || attempt >= limits.store.conflictRetries) throw error
      }
    }
  }

  async close(): Promise<void> {
    await this.#audit?.close()
    await this.log.close()
  }

  /** Takes in what was written since, and answers the entry of a moment if it comes across it. */
  async #follow(wanted?: Ts): Promise<Committed | undefined> {
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await this.#fold(wanted)
        } catch (error) {
          // Somebody else has merged what was not read here yet: begin with what stands for it.
          if (!isGroveError(error, 'ERR_TRIMMED') || attempt >= limits.store.conflictRetries) throw error
          this.#state = emptySite
        }
      }
    } finally {
      this.#options.followed(this.#state)
    }
  }

  async #fold(wanted: Ts | undefined): Promise<Committed | undefined> {
    let after = this.#state.head
    if (after === undefined) {
      const { trimmed } = await this.log.stat()
      after = trimmed && justBefore(trimmed.cover)
    }
    let found: Committed | undefined
    // Said in so many words: a read without a beginning would pass over what is trimmed just now.
    after ??= formatTs(this.#options.store.id, 0)
    for await (const entry of this.log.read({ after })) {
      const committed = decodeEntry(entry)
      this.#state = afterEntry(this.#state, committed)
      if (committed.ts === wanted) found = committed
    }
    return found
  }

  async #write(
    { handle: own, opId }: Pick<Act, 'handle' | 'opId'>,
    { entry, audit: note, covers, trim }: Prepared,
  ): Promise<Ts> {
    const { store, handle, log, auditPath } = this.#options
    this.#audit ??= await openOwnLog(store, handle, auditPath)
    const logs = own === undefined ? { log, audit: this.#audit } : await openBoth(store, own, this.path, auditPath)
    try {
      const transaction = await store.begin(logs.log, logs.audit)
      transaction.write(logs.log, encodeEntry(entry), { expect: this.#state.head, ...(covers && { covers }) })
      if (note) transaction.write(logs.audit, Buffer.from(JSON.stringify(note)))
      if (trim) transaction.trim(logs.log, trim.from, trim.to)
      return await transaction.commit(opId === undefined ? {} : { opId })
    } finally {
      if (logs.log !== log) await Promise.all([logs.log.close(), logs.audit.close()])
    }
  }
}

async function openBoth(
  store: Store,
  handle: Handle,
  path: string,
  auditPath: string,
): Promise<{ log: Log; audit: Log }> {
  const log = await store.open(handle, path)
  try {
    return { log, audit: await store.open(handle, auditPath) }
  } catch (error) {
    await log.close()
    throw error
  }
}

/** The entry that was committed at a moment; undefined when it was trimmed. */
async function entryAt(log: Log, ts: Ts): Promise<Committed | undefined> {
  try {
    for await (const entry of log.read({ after: justBefore(ts), upto: ts })) return decodeEntry(entry)
  } catch (error) {
    if (!isGroveError(error, 'ERR_TRIMMED')) throw error
  }
  return undefined
}
