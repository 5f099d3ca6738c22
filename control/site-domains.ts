/**
 * Domains that authors brought: which site asked for which, and which are proven. Kept in the log `/domains`, so that a
 * domain that was proven stays over restarts.
 *
 * Several sites may ask for one domain; the one that proved it last has it. A domain is kept once it is proven, also when
 * its record is gone later: a name whose DNS is broken for a day must not fall away. It ends by command, with its site,
 * or when another site proves it.
 */

import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Authority, SiteName } from '../core/names.ts'
import { createTurnstile } from '../core/turnstile.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Log, Store } from '../store/store.ts'

const path = '/domains'

const entrySchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.enum(['added', 'proven', 'removed']),
    site: z.string(),
    domain: z.string(),
    atMs: z.number(),
    /** Of what was added. */
    salt: z.string().optional(),
  }),
  z.object({ kind: z.literal('site-deleted'), site: z.string(), atMs: z.number() }),
])
type DomainEntry = z.output<typeof entrySchema>

/** A domain that a site asked for. */
export interface DomainRecord {
  readonly domain: Authority
  readonly addedAtMs: number
  /** Undefined while another site has it, or none. */
  readonly provenAtMs: number | undefined
  /** Made at random when it was added: who has a site of this name later has to prove the domain anew. */
  readonly salt: string
}

/** The domains of all sites. */
export class SiteDomains implements AsyncDisposable {
  readonly #log: Log
  readonly #now: () => number
  /** What is decided from the state is written before the state can change. */
  readonly #turns = createTurnstile({ most: limits.control.turns, what: 'changes of domains' })
  /** Keyed by site, then by domain. */
  readonly #sites = new Map<SiteName, Map<Authority, DomainRecord>>()
  /** Who has proven a domain last. */
  readonly #owners = new Map<Authority, SiteName>()
  /** Proven domains of sites that were asked for, until something changes. */
  readonly #proven = new Map<SiteName, readonly Authority[]>()
  #count = 0
  #revision = 0

  private constructor(log: Log, now: () => number) {
    this.#log = log
    this.#now = now
  }

  /** Opens the domains of a store. Throws `ERR_DATA_FORMAT` for an entry that is none. */
  static async open(store: Store, now: () => number): Promise<SiteDomains> {
    const domains = new SiteDomains(await openOwnLog(store, store.root, path), now)
    for await (const { data } of domains.#log.read()) domains.#apply(parseEntry(data))
    return domains
  }

  /** Another number whenever a site has other proven domains. */
  get revision(): number {
    return this.#revision
  }

  /** Proven domains of a site, sorted. */
  of(site: SiteName): readonly Authority[] {
    const known = this.#proven.get(site)
    if (known) return known
    const records = this.#sites.get(site)
    if (!records) return none
    const proven = [...records.values()].flatMap((one) => (one.provenAtMs === undefined ? [] : one.domain)).sort()
    this.#proven.set(site, proven)
    return proven
  }

  /** All that a site asked for, sorted by domain. */
  records(site: SiteName): DomainRecord[] {
    return [...(this.#sites.get(site)?.values() ?? [])].sort((one, other) => (one.domain < other.domain ? -1 : 1))
  }

  /** One of them. */
  record(site: SiteName, domain: Authority): DomainRecord | undefined {
    return this.#sites.get(site)?.get(domain)
  }

  /** The site that has proven a domain. */
  owner(domain: Authority): SiteName | undefined {
    return this.#owners.get(domain)
  }

  /** Proven domains of all sites, in no order. */
  all(): IterableIterator<Authority> {
    return this.#owners.keys()
  }

  /** Notes that a site asks for a domain, once. Throws `ERR_TOO_MANY` over `limits.domains`. */
  add(site: SiteName, domain: Authority): Promise<void> {
    return this.#turns.run(async () => {
      if (this.record(site, domain)) return
      const { ofSite, ofHost } = limits.domains
      if ((this.#sites.get(site)?.size ?? 0) >= ofSite)
        throw new GroveError('ERR_TOO_MANY', `site "${site}" has ${ofSite} domains, the most that a site can have`, {
          hint: `take one away with: grove site domain remove ${site} <domain>`,
        })
      if (this.#count >= ofHost)
        throw new GroveError('ERR_TOO_MANY', `there are ${ofHost} domains, the most that one host serves`)
      const salt = randomBytes(16).toString('base64url')
      await this.#write({ kind: 'added', site, domain, atMs: this.#now(), salt })
    })
  }

  /**
   * Gives a site a domain that it asked for; the site that had it asks for it anew. `expected`: whose it was when that was
   * decided. Answers false, and does nothing, when it is another one's now or the site does not ask for it any more.
   */
  prove(site: SiteName, domain: Authority, expected: SiteName | undefined): Promise<boolean> {
    return this.#turns.run(async () => {
      if (!this.record(site, domain) || this.owner(domain) !== expected) return false
      if (expected !== site) await this.#write({ kind: 'proven', site, domain, atMs: this.#now() })
      return true
    })
  }

  /** Takes a domain from a site. Answers false when the site did not ask for it. */
  remove(site: SiteName, domain: Authority): Promise<boolean> {
    return this.#turns.run(async () => {
      if (!this.record(site, domain)) return false
      await this.#write({ kind: 'removed', site, domain, atMs: this.#now() })
      return true
    })
  }

  /** Takes all domains from a site that is being deleted. */
  removeAll(site: SiteName): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#sites.has(site)) await this.#write({ kind: 'site-deleted', site, atMs: this.#now() })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log.close()
  }

  async #write(entry: DomainEntry): Promise<void> {
    await this.#log.write(Buffer.from(JSON.stringify(entry)))
    this.#apply(entry)
  }

  #apply(entry: DomainEntry): void {
    const { kind, site, atMs } = entry
    if (kind === 'site-deleted') {
      for (const { domain } of this.records(site)) this.#drop(site, domain)
      return
    }
    const { domain } = entry
    if (kind === 'removed') this.#drop(site, domain)
    if (kind === 'added') this.#set(site, { domain, addedAtMs: atMs, provenAtMs: undefined, salt: entry.salt ?? '' })
    if (kind === 'proven') {
      const before = this.#owners.get(domain)
      const theirs = before === undefined ? undefined : this.record(before, domain)
      if (before !== undefined && theirs) this.#set(before, { ...theirs, provenAtMs: undefined })
      const { addedAtMs = atMs, salt = '' } = this.record(site, domain) ?? {}
      this.#set(site, { domain, addedAtMs, provenAtMs: atMs, salt })
      this.#owners.set(domain, site)
    }
  }

  #set(site: SiteName, record: DomainRecord): void {
    const records = this.#sites.get(site) ?? new Map<Authority, DomainRecord>()
    if (!records.has(record.domain)) this.#count += 1
    records.set(record.domain, record)
    this.#sites.set(site, records)
    this.#changed(site)
  }

  #drop(site: SiteName, domain: Authority): void {
    const records = this.#sites.get(site)
    if (!records?.delete(domain)) return
    this.#count -= 1
    if (records.size === 0) this.#sites.delete(site)
    if (this.#owners.get(domain) === site) this.#owners.delete(domain)
    this.#changed(site)
  }

  #changed(site: SiteName): void {
    this.#proven.delete(site)
    this.#revision += 1
  }
}

const none: readonly Authority[] = []

function parseEntry(data: Uint8Array): DomainEntry {
  try {
    return entrySchema.parse(JSON.parse(Buffer.from(data).toString('utf8')))
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `log ${path} has an entry that is no event of domains`, { cause: error })
  }
}
