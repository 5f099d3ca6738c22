/**
 * Certificates that are simply there: for each name that is wanted one is obtained, kept in the vault, renewed in time,
 * and obtained by one machine of all that share the vault. Nothing here is waited for at a start: names are looked at in
 * the background, and a certificate is read when the first visitor asks for it.
 */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { RevocationReason } from './acme/issuer.ts'
import type { Certificate } from './certificate.ts'
import { createCrowdedCas } from './crowded-cas.ts'
import { type Brief, type CertificateState, toBrief, toState } from './managed-brief.ts'
import { type Kept, startCare } from './managed-care.ts'
import { createLoaded } from './managed-loaded.ts'
import { certificateNameOf, toCertificateNames, wildcardOf } from './managed-names.ts'
import { nextStep } from './managed-next.ts'
import type { CertificateRecord } from './managed-record.ts'
import { revokeUnderLease } from './managed-revoke.ts'
import { watchRevocations } from './managed-revoked.ts'
import { type Outcome, readRecord, type TendOptions } from './managed-tend.ts'
import { walk } from './managed-walk.ts'

export type { CertificateState } from './managed-brief.ts'

/** What is told about certificates. A callback that throws is logged. */
export interface ManagedEvents {
  readonly obtained?: (state: CertificateState, certificate: Certificate) => void
  readonly renewed?: (state: CertificateState, certificate: Certificate) => void
  /** Another machine obtained, renewed or revoked it. */
  readonly taken?: (state: CertificateState) => void
  /** A try has failed; the state says when the next one is. */
  readonly failed?: (state: CertificateState, error: GroveError) => void
  /** Less than a sixth of its life is left. Once for each certificate, and once more after a restart. */
  readonly expiresSoon?: (state: CertificateState) => void
  /** It was revoked and is not to be used any more. */
  readonly revoked?: (state: CertificateState) => void
}

/** What managed certificates are opened with. */
export interface ManagedOptions extends TendOptions {
  /** Domains for whose names, one label each, there is one wildcard at the moment. Needs a solver for DNS. @default none */
  readonly wildcards?: () => readonly string[]
  /** Whether a name that somebody asked for is still one of ours. @default none is */
  readonly serves?: (name: string) => boolean
  /** Whether other machines use the vault: what they revoke is then noticed within a minute. @default false */
  readonly isShared?: boolean
  readonly events?: ManagedEvents
}

/** Certificates that are obtained and renewed by themselves. */
export interface ManagedCertificates extends AsyncDisposable {
  /**
   * The names that are to have certificates: all of them, each call replaces the last one. What a name has is kept in
   * the vault when it is no longer wanted. Throws `ERR_TOO_MANY` over `limits.managed.names`.
   */
  want(names: Iterable<string>): void
  /**
   * What covers a name, none when there is nothing yet. Read when it is first asked for. One that has ended is answered
   * too, as long as there is no newer one: whether to use it is for who asks. A name that is not looked after costs two
   * look-ups and nothing else.
   */
  find(name: string): Promise<Certificate[]>
  /** As {@link ManagedCertificates.find}; a name that the vault knows and that is not looked after here is from then on. */
  recall(name: string): Promise<Certificate[]>
  /**
   * What covers a name; obtained first when there is nothing yet. Asks nobody whether the name is ours: see on-demand.ts.
   * Rejects with why there is none: `ERR_ACME`, `ERR_CERT` while the next try is not due, `ERR_TIMEOUT`, `ERR_TOO_MANY`.
   */
  ask(name: string): Promise<Certificate[]>
  /** How all names stand. */
  list(): CertificateState[]
  /** Renews now. Rejects with `ERR_CERT_NAME` for a name that is not looked after, and as {@link ManagedCertificates.ask}. */
  renew(name: string): Promise<Certificate>
  /** Revokes what a name has at the CA that issued it; the next one is obtained at once. */
  revoke(name: string, reason: RevocationReason): Promise<void>
}

/** Opens managed certificates. Nothing is wanted yet. */
export function openManaged(options: ManagedOptions): ManagedCertificates {
  return new Managed(options)
}

class Managed implements ManagedCertificates {
  readonly #options: ManagedOptions
  /** Keyed by the name of the certificate. */
  readonly #kept = new Map<string, Kept>()
  readonly #loaded
  readonly #stopped = new AbortController()
  readonly #care
  readonly #walks: Promise<unknown>

  constructor(options: ManagedOptions) {
    this.#options = options
    this.#loaded = createLoaded({
      ...options,
      isKept: (kept) => this.#kept.get(kept.name) === kept,
      damaged: (kept) => this.#care.mend(kept),
    })
    this.#care = startCare({
      ...options,
      crowded: createCrowdedCas(),
      kept: this.#kept,
      inUse: () => this.#loaded.names(),
      seen: (kept, outcome, before) => this.#seen(kept, outcome, before),
      isStillWanted: (kept) => this.#isStillWanted(kept),
    })
    const look = (name: string) => {
      const one = this.#kept.get(name)
      if (one) this.#care.look(one, true)
    }
    const revoked = options.isShared && watchRevocations({ ...options, look, signal: this.#stopped.signal })
    this.#walks = Promise.all([this.#walkDaily(), revoked])
  }

  want(names: Iterable<string>): void {
    const wanted = toCertificateNames(names, this.#wildcards)
    checkCount(wanted.size)
    for (const one of this.#kept.values()) {
      if (wanted.has(one.name) || one.isAsked) continue
      one.isAsked = true
      this.#isStillWanted(one)
    }
    for (const name of wanted) {
      const one = this.#kept.get(name)
      if (one) one.isAsked = false
      else this.#care.look(this.#keep(name, false))
    }
  }

  async find(name: string): Promise<Certificate[]> {
    for (const candidate of [name, wildcardOf(name)]) {
      const one = candidate === undefined ? undefined : this.#kept.get(candidate)
      const certificate = one && (await this.#loaded.get(one))
      if (certificate) return [certificate]
    }
    return []
  }

  async recall(name: string): Promise<Certificate[]> {
    const certificateName = certificateNameOf(name, this.#wildcards)
    if (!this.#kept.has(certificateName)) {
      const record = await readRecord(certificateName, this.#options)
      if (record?.certificate) {
        const certificate = await this.#loaded.get(this.#adopt(certificateName, record), record)
        if (certificate) return [certificate]
      }
    }
    return this.find(name)
  }

  async ask(name: string): Promise<Certificate[]> {
    const found = await this.find(name)
    if (found.length > 0) return found
    const certificateName = certificateNameOf(name, this.#wildcards)
    const one = this.#kept.get(certificateName) ?? this.#keep(certificateName, true)
    const obtained = await this.#care.wait(one, { waitMs: limits.managed.waitMs })
    return obtained ? [obtained] : this.find(name)
  }

  list(): CertificateState[] {
    const nowMs = this.#options.environment.now()
    return [...this.#kept.values()].map((one) => stateOf(one, nowMs))
  }

  async renew(name: string): Promise<Certificate> {
    const one = this.#named(name)
    const obtained = await this.#care.wait(one, { isForced: true, waitMs: limits.managed.orderMs })
    const certificate = obtained ?? (await this.#loaded.get(one))
    if (!certificate) throw new GroveError('ERR_CERT', `there is no certificate for ${name}`)
    return certificate
  }

  async revoke(name: string, reason: RevocationReason): Promise<void> {
    const one = this.#named(name)
    const record = await revokeUnderLease(one.name, reason, this.#options, this.#stopped.signal)
    this.#loaded.drop(one.name)
    one.brief = toBrief(record)
    this.#tell('revoked', one)
    this.#care.look(one, true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new GroveError('ERR_CLOSED', 'certificates are no longer looked after'))
    await this.#care[Symbol.asyncDispose]()
    await this.#walks
    await this.#loaded.idle()
  }

  get #wildcards(): ReadonlySet<string> {
    return new Set(this.#options.wildcards?.())
  }

  #named(name: string): Kept {
    const one = this.#kept.get(name) ?? this.#kept.get(certificateNameOf(name, this.#wildcards))
    if (one) return one
    throw new GroveError('ERR_CERT_NAME', `no certificate of "${name}" is looked after`)
  }

  #keep(name: string, isAsked: boolean): Kept {
    checkCount(this.#kept.size + 1)
    const atMs = Number.NEGATIVE_INFINITY
    const nothing = { brief: undefined, damage: undefined, waiters: undefined, warnedId: undefined }
    const one: Kept = { name, isAsked, atMs, isBusy: false, isForced: false, ...nothing }
    this.#kept.set(name, one)
    return one
  }

  /** What somebody asked for is looked after as long as it is one of ours. */
  #isStillWanted(one: Kept): boolean {
    if (!one.isAsked || one.waiters !== undefined || this.#options.serves?.(one.name)) return true
    this.#kept.delete(one.name)
    this.#loaded.drop(one.name)
    this.#care.drop(one)
    return false
  }

  #seen(one: Kept, { obtained, isRenewal, error, isPostponed }: Outcome, before: Brief | undefined): void {
    const { brief } = one
    if (obtained) {
      this.#loaded.renew(one.name, obtained)
      this.#tell(isRenewal ? 'renewed' : 'obtained', one, obtained)
    } else if (error && !isPostponed) this.#tell('failed', one, error)
    else if (before && brief?.id !== undefined && brief.id !== before.id) this.#tell('taken', one)
    else if (brief?.isRevoked && brief.id === undefined) {
      // Another machine revoked it. What was read before the first look may be in use, too.
      const wasInUse = this.#loaded.drop(one.name)
      if (wasInUse || before?.id !== undefined) this.#tell('taken', one)
    }
    if (!brief?.id || one.warnedId === brief.id) return
    const leftMs = brief.notAfterMs - this.#options.environment.now()
    if (leftMs * 6 >= brief.notAfterMs - brief.notBeforeMs) return
    one.warnedId = brief.id
    this.#tell('expiresSoon', one)
  }

  #tell(event: 'obtained' | 'renewed', one: Kept, certificate: Certificate): void
  #tell(event: 'failed', one: Kept, error: GroveError): void
  #tell(event: 'taken' | 'expiresSoon' | 'revoked', one: Kept): void
  #tell(event: keyof ManagedEvents, one: Kept, more?: unknown): void {
    const { events, environment, log } = this.#options
    try {
      const state = stateOf(one, environment.now())
      const callback = events?.[event] as ((state: CertificateState, more: unknown) => void) | undefined
      callback?.(state, more)
    } catch (error) {
      log.error({ err: error, event }, 'a listener to certificates has failed')
    }
  }

  async #walkDaily(): Promise<void> {
    const { vault, environment, log } = this.#options
    const { signal } = this.#stopped
    // At the start others need the time.
    await environment.sleep(limits.managed.walkAfterMs, signal).catch(() => {})
    while (!signal.aborted)
      try {
        await walk({
          ...this.#options,
          kept: this.#kept,
          adopt: (name, record) => this.#adoptOurs(name, record),
          signal,
        })
        await vault.sweep(signal)
        await environment.sleep(limits.managed.walkEveryMs, signal)
      } catch (error) {
        if (signal.aborted) return
        log.error({ err: error }, 'certificates in the vault cannot be gone through; it is tried again')
        await environment.sleep(limits.managed.vaultRetryMs, signal).catch(() => {})
      }
  }

  #adoptOurs(name: string, record: CertificateRecord): boolean {
    if (this.#kept.has(name)) return true
    if (!this.#options.serves?.(name) || this.#kept.size >= limits.managed.names) return false
    this.#adopt(name, record)
    return true
  }

  #adopt(name: string, record: CertificateRecord): Kept {
    const known = this.#kept.get(name)
    if (known) return known
    const one = this.#keep(name, true)
    one.brief = toBrief(record)
    this.#care.at(one, nextStep(record, this.#options.environment.now()).atMs)
    return one
  }
}

function stateOf({ name, brief, isBusy, isForced }: Kept, nowMs: number): CertificateState {
  // The CA may also be asked when it wants a renewal.
  const isDue = isForced || !brief || brief.renewAtMs <= nowMs
  return toState(name, brief, nowMs, isBusy && isDue)
}

function checkCount(count: number): void {
  if (count > limits.managed.names)
    throw new GroveError('ERR_TOO_MANY', `more than ${limits.managed.names} certificates are to be looked after`)
}
