/**
 * Domains that authors bring: added to a site, proven by a record in their DNS, served, taken away again.
 *
 * Whoever may write to a site may ask for any domain and has it once the DNS says so; nobody gets a name that way which
 * the config decides on. While it waits, a domain costs a line in a log: no handshake, no order, no name in a front.
 */

import { domainToASCII } from 'node:url'
import type { Logger } from 'pino'
import { type BudgetRate, type Budgets, createBudgets } from '../certs/budgets.ts'
import { constraintBytes } from '../certs/name-constraints.ts'
import type { OwnCa } from '../certs/own-ca.ts'
import { type OwnershipRecord, ownershipName, ownershipRecord, type ResolveTxt } from '../certs/ownership.ts'
import type { CertificateRow } from '../core/cert-api.ts'
import type { Config } from '../core/config.ts'
import type { SiteDomain } from '../core/domain-api.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Authority, SiteName } from '../core/names.ts'
import type { Turnstile } from '../core/turnstile.ts'
import type { Environment } from '../store/environment.ts'
import type { Activator } from './activate.ts'
import type { Certificates } from './certificates.ts'
import { createDomainLooks, type LookForRecord } from './domain-looks.ts'
import { type DomainLook, domainView } from './domain-view.ts'
import type { FrontLinks } from './fronts.ts'
import { ownNames } from './own-names.ts'
import type { DomainRecord } from './site-domains.ts'
import type { SiteRegistry } from './site-registry.ts'
import { isOfConfig } from './site-settings.ts'
import type { Turns } from './turns.ts'

/** What domains of authors need. */
export interface AuthorDomainsOptions {
  readonly registry: SiteRegistry
  /** Id of the store. */
  readonly store: string
  /** Lines of work, keyed by site. */
  readonly turns: Turns
  /** The config in force. */
  readonly config: () => Config
  /** What tokens are made from; asked for when it is first needed, and again after it failed. */
  readonly secret: () => Promise<Uint8Array>
  readonly resolveTxt: ResolveTxt
  readonly environment: Pick<Environment, 'sleep' | 'monotonic'>
  readonly activator: Pick<Activator, 'request'>
  readonly fronts: Pick<FrontLinks, 'push'>
  readonly certificates: Pick<Certificates, 'refresh' | 'obtain' | 'list'>
  readonly ca: Pick<OwnCa, 'constrain' | 'permits'>
  /** Where all who change what the own CA is limited to come one after the other. */
  readonly constraining: Pick<Turnstile, 'run'>
  readonly log: Logger
  /** @default limits.domains.asks */
  readonly asks?: BudgetRate
}

/** Who asks for something, and how. */
export interface DomainAct {
  /** Checks, at the moment of the change, that whoever asks still may, and answers who it is. Rejects with `ERR_DENIED`. */
  readonly check: () => Promise<string>
  readonly signal: AbortSignal
  /** Moves the domain here when another site has it. */
  readonly takeOver?: boolean
}

/** The domains that authors bring. */
export class AuthorDomains {
  readonly #options: AuthorDomainsOptions
  readonly #asks: Budgets
  readonly #look: LookForRecord
  #secret: Promise<Uint8Array> | undefined

  constructor(options: AuthorDomainsOptions) {
    this.#options = options
    const { asks = limits.domains.asks, environment } = options
    this.#asks = createBudgets(asks, limits.onDemand.buckets, () => environment.monotonic())
    this.#look = createDomainLooks(options)
  }

  /** All domains of a site, sorted. Throws `ERR_SITE_UNKNOWN`. */
  async list(site: SiteName): Promise<SiteDomain[]> {
    const { registry, certificates } = this.#options
    this.#requireSite(site)
    const secret = await this.#ownSecret()
    const rows = certificates.list()
    return registry.domains.records(site).map((record) => this.#view(site, record, secret, rows))
  }

  /**
   * Asks for a domain, and looks whether its record is there already. Throws `ERR_SITE_UNKNOWN`, `ERR_BAD_REQUEST` and
   * `ERR_CERT_NAME` for what is no domain, `ERR_CONFLICT` for one that the config decides on, `ERR_TOO_MANY`, and as
   * {@link AuthorDomains.verify}.
   */
  async add(site: SiteName, text: string, act: DomainAct): Promise<SiteDomain> {
    const { registry, turns, log } = this.#options
    this.#requireSite(site)
    const domain = toDomain(text)
    ownershipName(domain)
    this.#requireFree(domain)
    if (!registry.domains.record(site, domain)) {
      this.#take(site)
      await turns.run(site, async () => {
        this.#requireSite(site)
        const by = await act.check()
        await registry.domains.add(site, domain)
        log.info({ site, domain, by }, 'domain asked for')
      })
    }
    return this.verify(site, domain, act)
  }

  /**
   * Asks the DNS, and gives the site the domain when its record is there. One that is proven stays so whatever the DNS
   * says. Throws `ERR_NOT_FOUND` when the site did not ask for it, and `ERR_CONFLICT` when another site has it and it is
   * not to be taken over.
   */
  async verify(site: SiteName, text: string, act: DomainAct): Promise<SiteDomain> {
    const { registry } = this.#options
    this.#requireSite(site)
    const domain = toDomain(text)
    const wanted = registry.domains.record(site, domain)
    if (!wanted) throw notAdded(site, domain)
    this.#requireFree(domain)
    this.#take(site)
    const secret = await this.#ownSecret()
    const look = await this.#look(site, this.#recordOf(secret, site, wanted), act.signal)
    if (look.isProven && wanted.provenAtMs === undefined) await this.#prove(site, wanted, act)
    const now = registry.domains.record(site, domain)
    if (!now) throw notAdded(site, domain)
    return this.#view(site, now, secret, this.#options.certificates.list(), look)
  }

  /** Takes a domain from a site: it is not served under it from then on. Throws `ERR_SITE_UNKNOWN`, `ERR_NOT_FOUND`. */
  async remove(site: SiteName, text: string, act: DomainAct): Promise<void> {
    const { registry, turns, fronts, log } = this.#options
    this.#requireSite(site)
    const domain = toDomain(text)
    const wasServed = registry.domains.owner(domain) === site
    await turns.run(site, async () => {
      const by = await act.check()
      if (!(await registry.domains.remove(site, domain))) throw notAdded(site, domain)
      log.info({ site, domain, by }, 'domain taken away')
    })
    if (!wasServed) return
    await this.#tell([site])
    await fronts.push({ kind: 'forget-certificates', names: [domain] })
    await this.#alone(() => this.#constrain()).catch((error: unknown) => {
      log.warn({ err: error, domain }, 'the own CA still signs for a domain that was taken away')
    })
  }

  /** The record is there: the domain is the site's, unless another one has it. */
  async #prove(site: SiteName, { domain, salt }: DomainRecord, { check, takeOver = false }: DomainAct): Promise<void> {
    const { registry, turns, certificates, log } = this.#options
    const before = await turns.run(site, async () => {
      this.#requireSite(site)
      this.#requireFree(domain)
      const by = await check()
      return this.#alone(async () => {
        const owner = registry.domains.owner(domain)
        if (owner !== undefined && owner !== site && !takeOver) throw taken(domain)
        // What was proven is this claim, not one that was made while the DNS was asked.
        if (registry.domains.record(site, domain)?.salt !== salt) throw changed(domain)
        await this.#constrain({ site, domain })
        if (!(await registry.domains.prove(site, domain, owner))) throw changed(domain)
        log.info({ site, domain, by, ...(owner !== undefined && owner !== site && { from: owner }) }, 'domain proven')
        return owner
      })
    })
    await this.#tell(before === undefined || before === site ? [site] : [before, site])
    certificates.obtain(domain)
  }

  /** Where the own CA signs everything, it is limited to names of all sites: they change one after the other. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const { config, constraining } = this.#options
    return config().certs.acme === false ? constraining.run(work) : work()
  }

  /** Fronts learn the names of sites, and what is ordered for them. */
  async #tell(sites: readonly SiteName[]): Promise<void> {
    const { activator, certificates, log } = this.#options
    // One that cannot be compiled is tried again and again, and told with the new names then.
    for (const site of sites)
      await activator.request(site).catch((error: unknown) => {
        log.warn({ err: error, site }, 'fronts are told of the domains of a site later')
      })
    certificates.refresh()
  }

  /** Limits the own CA, where it signs everything, to what is proven at this moment, and to what is about to be. */
  async #constrain(next?: { readonly site: SiteName; readonly domain: Authority }): Promise<void> {
    const { ca, config, registry } = this.#options
    if (config().certs.acme !== false) return
    if (!next) return ca.constrain(ownNames(config(), registry.domains.all()))
    const { site, domain } = next
    if (ca.permits(domain)) return
    const bytes = [...registry.domains.of(site), domain].reduce((sum, one) => sum + constraintBytes(one), 0)
    if (bytes > limits.domains.ownBytesOfSite)
      throw new GroveError('ERR_TOO_MANY', `Grove's own CA signs for no more domains of site "${site}"`, {
        hint: `the names of one site take ${limits.domains.ownBytesOfSite} bytes at most, since they go along in every handshake`,
      })
    await ca.constrain(ownNames(config(), [...registry.domains.all(), domain]))
    if (ca.permits(domain)) return
    throw new GroveError(
      'ERR_TOO_MANY',
      `Grove's own CA signs for as many names as it can, so ${domain} cannot be had`,
      {
        hint: `all names take ${limits.cert.constraintBytes} bytes at most; and where root-key.pem was taken away none can be added`,
      },
    )
  }

  #recordOf(secret: Uint8Array, site: SiteName, { domain, salt }: DomainRecord): OwnershipRecord {
    return ownershipRecord(secret, { store: this.#options.store, site, domain, salt })
  }

  #view(
    site: SiteName,
    kept: DomainRecord,
    secret: Uint8Array,
    rows: readonly CertificateRow[],
    look?: DomainLook,
  ): SiteDomain {
    const { registry, config } = this.#options
    const { domain } = kept
    const owner = registry.domains.owner(domain)
    return domainView({
      kept,
      record: this.#recordOf(secret, site, kept),
      isElsewhere: owner !== undefined && owner !== site,
      isOverruled: isOfConfig(config(), domain),
      rows,
      ...(look && { look }),
    })
  }

  #ownSecret(): Promise<Uint8Array> {
    this.#secret ??= this.#options.secret().catch((error: unknown) => {
      this.#secret = undefined
      throw error
    })
    return this.#secret
  }

  #requireSite(site: SiteName): void {
    if (this.#options.registry.serves(site)) return
    const hint = 'grove site list shows all sites'
    throw new GroveError('ERR_SITE_UNKNOWN', `there is no site "${site}"`, { details: { site }, hint })
  }

  #requireFree(domain: Authority): void {
    if (isOfConfig(this.#options.config(), domain))
      throw new GroveError('ERR_CONFLICT', `the operator's config decides where ${domain} leads`, {
        details: { domain, reason: 'config' },
      })
  }

  #take(site: SiteName): void {
    if (this.#asks.take(site)) return
    throw new GroveError('ERR_TOO_MANY', `the DNS was asked too often for domains of site "${site}"`, {
      hint: 'try again in some minutes',
    })
  }
}

/** A domain as it was typed, in ASCII (RFC 5890 A-labels) and lower case, without the root's dot. */
function toDomain(text: string): Authority {
  const bare = text.trim().replace(/\.$/, '')
  // What ends the host in a URL would be cut off in silence.
  const ascii = /[\s/\\?#@:%[\]]/.test(bare) ? '' : domainToASCII(bare)
  if (ascii !== '') return ascii
  throw new GroveError('ERR_BAD_REQUEST', `"${text.slice(0, 253)}" is not a domain`, {
    hint: 'give the name alone, such as www.example.org',
  })
}

function changed(domain: Authority): GroveError {
  return new GroveError('ERR_CONFLICT', `${domain} was changed meanwhile`, { hint: 'look at it and try again' })
}

function notAdded(site: SiteName, domain: Authority): GroveError {
  return new GroveError('ERR_NOT_FOUND', `site "${site}" has no domain ${domain}`, {
    hint: `grove site domain list ${site} shows all`,
  })
}

/** Whose it is is not said: who asks may know nothing of other sites. */
function taken(domain: Authority): GroveError {
  return new GroveError('ERR_CONFLICT', `another site has ${domain}`, {
    details: { domain, reason: 'taken' },
    hint: 'its record for this site is there: --take-over moves it here',
  })
}
