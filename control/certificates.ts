/**
 * The certificates of all names: from the operator's files, from CAs that speak ACME, and from Grove's own CA. A start
 * waits for none of them. A name that has none yet is refused its handshake, and never gets another one's.
 */

import type { Logger } from 'pino'
import type { RevocationReason } from '../certs/acme/issuer.ts'
import type { Solver } from '../certs/acme/solver.ts'
import type { Certificate } from '../certs/certificate.ts'
import type { CertificateFiles } from '../certs/files/certificate-files.ts'
import type { Leaves } from '../certs/leaves.ts'
import { type CertificateState, type ManagedEvents, openManaged } from '../certs/managed.ts'
import type { IssuerChoice } from '../certs/managed-order.ts'
import { createOnDemand } from '../certs/on-demand.ts'
import { renewalOf } from '../certs/own-certificates.ts'
import { issuerKindOf } from '../certs/policy.ts'
import type { Vault } from '../certs/vault.ts'
import type { CertificateCounts, CertificateRow } from '../core/cert-api.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Leaf } from '../core/messages.ts'
import type { Environment } from '../store/environment.ts'
import { countsOf, rowsOf } from './certificate-rows.ts'

/** What certificates are opened with. */
export interface CertificatesOptions {
  /** CAs that speak ACME, in their order; none: the own CA signs everything. */
  readonly issuers: readonly IssuerChoice[]
  readonly vault: Vault
  /** Whether other machines use the vault. @default false */
  readonly isShared?: boolean
  /** Certificates that the operator brought. */
  readonly files: Pick<CertificateFiles, 'find' | 'list'>
  /** Leaves of the own CA. */
  readonly leaves: Pick<Leaves, 'get'>
  /** Ways to answer challenges of a name. */
  readonly solvers: (name: string) => readonly Solver[]
  /** Domains whose names have one wildcard together; needs a solver for DNS. */
  readonly wildcards: () => readonly string[]
  /** Whether a site has a name. */
  readonly serves: (name: string) => boolean
  /** The site whose author brought a name; undefined for names of the operator's. */
  readonly broughtBy: (name: string) => string | undefined
  /** The names that sites have; another array whenever they have changed. */
  readonly names: () => readonly string[]
  /** Has fronts ask anew for these names. */
  readonly forget: (names: readonly string[]) => void
  readonly events?: ManagedEvents
  readonly environment: Environment
  readonly log: Logger
}

/** The certificates of all names. */
export interface Certificates extends AsyncDisposable {
  /**
   * What a front is to serve for a name that a client of an address asked for; obtained first if need be, as long as
   * whoever waits for it waits. Rejects with `ERR_CERT_NAME` when no site has the name, else with why there is none.
   */
  leaf(name: string, address: string): Promise<Leaf>
  /**
   * Looks at the names of all sites: those of the operator that CAs sign get certificates before a visitor comes. Call it
   * when they may have changed; `isAnew`: who signs what may have, too.
   */
  refresh(isAnew?: boolean): void
  /**
   * Begins to obtain what a name lacks that an author brought, ahead of its first visitor, as far as the budgets of
   * certificates on demand go: who adds and takes away domains must not use up what CAs allow the operator.
   */
  obtain(name: string): void
  /** How all names stand: those from CAs, from files, and of those of the own CA at most `limits.admin.ownCertificates`. */
  list(): CertificateRow[]
  /** How many of those from CAs and files stand how. */
  counts(): CertificateCounts
  /** Renews now. Rejects with `ERR_CERT_NAME` for a name that is not looked after, and with why there is none. */
  renew(name: string): Promise<Certificate>
  /** Revokes at the CA; the next one is obtained at once. Rejects like {@link Certificates.renew}. */
  revoke(name: string, reason: RevocationReason): Promise<void>
}

/** Opens the certificates. Nothing is obtained yet. */
export function openCertificates(options: CertificatesOptions): Certificates {
  const {
    issuers,
    vault,
    isShared = false,
    files,
    leaves,
    solvers,
    serves,
    broughtBy,
    wildcards,
    environment,
    log,
  } = options
  const acme = issuers.length > 0
  const kindOf = (name: string) => issuerKindOf(name, { acme, inFiles: (one) => files.find(one).length > 0 })
  const managed = openManaged({
    issuers,
    solvers,
    keyKind: 'ecdsa',
    environment,
    vault,
    isShared,
    log,
    wildcards,
    // One that a file covers by now is let go.
    serves: (name) => serves(name) && kindOf(name) === 'acme',
    events: toldTo(options),
  })
  const onDemand = createOnDemand({ managed, permits: serves, ownerOf: broughtBy, environment })

  /** What authors take away is let go at the next look at it, which may be weeks away. */
  const states = () => managed.list().filter(({ names: [name = ''] }) => name.startsWith('*.') || serves(name))

  let seen: readonly string[] | undefined
  return {
    async leaf(name, address) {
      if (!serves(name)) throw new GroveError('ERR_CERT_NAME', `no site has the name "${name}"`)
      const kind = kindOf(name)
      if (kind === 'own') return leaves.get(name)
      if (kind === 'file') return toLeaf(name, files.find(name))
      const found = await managed.find(name)
      return toLeaf(name, found.length > 0 ? found : await onDemand.ask(name, address))
    },
    refresh(isAnew = false) {
      const names = options.names()
      if (names === seen && !isAnew) return
      seen = names
      const isOurs = (name: string) => broughtBy(name) === undefined && kindOf(name) === 'acme'
      managed.want(acme ? eagerOf(names, wildcards(), isOurs) : [])
      onDemand.forget(names)
    },
    obtain(name) {
      if (kindOf(name) !== 'acme') return
      onDemand.ask(name).catch((error: unknown) => {
        log.info({ err: error, name }, 'no certificate ahead of the first visitor')
      })
    },
    list() {
      const own = options.names().filter((name) => kindOf(name) === 'own')
      return rowsOf(states(), files.list(), own)
    },
    counts: () => countsOf(states(), files.list()),
    renew: (name) => managed.renew(name),
    revoke: (name, reason) => managed.revoke(name, reason),
    async [Symbol.asyncDispose]() {
      onDemand[Symbol.dispose]()
      await managed[Symbol.asyncDispose]()
      await Promise.all(issuers.map(({ issuer }) => issuer.close()))
    },
  }
}

/** Names whose certificates are had before a visitor comes: one under each wildcard, and the first of all others. */
function eagerOf(
  names: readonly string[],
  wildcards: readonly string[],
  isOurs: (name: string) => boolean,
): readonly string[] {
  /** Keyed by domain. */
  const shared = new Map<string, string>()
  // A host of thousands of sites would at once use up what a CA allows for a week: the rest comes on demand.
  const single: string[] = []
  for (const name of names) {
    const domain = name.slice(name.indexOf('.') + 1)
    if (wildcards.includes(domain)) {
      if (!shared.has(domain) && isOurs(name)) shared.set(domain, name)
    } else if (single.length < limits.control.eagerCertificates && isOurs(name)) single.push(name)
  }
  return [...shared.values(), ...single]
}

/** Fronts learn of what changed, and then whoever else wants to know. */
function toldTo({ events, forget, log }: CertificatesOptions): ManagedEvents {
  const changed = (state: CertificateState) => forget(state.names)
  return {
    obtained(state, certificate) {
      log.info({ names: state.names, issuer: state.issuer }, 'certificate obtained')
      changed(state)
      events?.obtained?.(state, certificate)
    },
    renewed(state, certificate) {
      log.info({ names: state.names, issuer: state.issuer }, 'certificate renewed')
      changed(state)
      events?.renewed?.(state, certificate)
    },
    taken(state) {
      changed(state)
      events?.taken?.(state)
    },
    failed(state, error) {
      log.warn({ err: error, names: state.names, nextTryAtMs: state.nextTryAtMs }, 'certificate could not be obtained')
      events?.failed?.(state, error)
    },
    expiresSoon(state) {
      log.warn({ names: state.names, notAfterMs: state.notAfterMs }, 'certificate ends soon and is not renewed yet')
      events?.expiresSoon?.(state)
    },
    revoked(state) {
      log.info({ names: state.names }, 'certificate revoked')
      changed(state)
      events?.revoked?.(state)
    },
  }
}

function toLeaf(name: string, all: readonly Certificate[]): Leaf {
  const [first] = all
  if (!first) throw new GroveError('ERR_CERT', `there is no certificate for ${name} yet`)
  const others = all.filter((one, index) => all.findIndex(({ keyKind }) => keyKind === one.keyKind) === index).slice(1)
  const used = [first, ...others]
  const notBeforeMs = Math.max(...used.map((one) => one.notBeforeMs))
  const notAfterMs = Math.min(...used.map((one) => one.notAfterMs))
  return {
    name,
    chain: first.chain,
    key: first.key,
    others: others.map(({ chain, key }) => ({ chain, key })),
    notBeforeMs,
    notAfterMs,
    renewAtMs: renewalOf(notBeforeMs, notAfterMs),
  }
}
