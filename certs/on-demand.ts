/**
 * Certificates at the first handshake, for domains that authors bring.
 *
 * Who asks is a stranger, and what is asked for is whatever the stranger made up. So a name is ours before anything is
 * read or ordered for it: a function in this process says so, and its answers are remembered for a while. What strangers
 * can make us do is bounded for each address, for each registered domain, for each owner of names, and altogether; a name
 * that is not ours costs a look into a table. It does not defend against an author who really has thousands of domains:
 * there the budgets spread the orders over time. They are kept in memory, so a process begins with a part of each.
 */

import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { networkOf } from '../core/network.ts'
import { setNewest } from '../core/newest.ts'
import type { Environment } from '../store/environment.ts'
import { type Budgets, createBudgets } from './budgets.ts'
import type { Certificate } from './certificate.ts'
import type { ManagedCertificates } from './managed.ts'
import { isPublicName, registeredDomain } from './policy.ts'
import { within } from './within.ts'

/** What certificates on demand need. */
export interface OnDemandOptions {
  readonly managed: Pick<ManagedCertificates, 'recall' | 'ask'>
  /** Whether a name is one of ours. Quick, and without effects. A rejection refuses, and is not remembered. */
  readonly permits: (name: string) => boolean | Promise<boolean>
  /** Who brought a name, for a budget over all that one brings; undefined for the operator's own. @default nobody */
  readonly ownerOf?: (name: string) => string | undefined
  readonly environment: Pick<Environment, 'monotonic' | 'sleep'>
}

/** Certificates on demand. */
export interface OnDemand extends Disposable {
  /**
   * What covers a name, for a client of an address, or for us when there is none; obtained first when there is nothing
   * yet, one order for all who wait. Rejects with `ERR_CERT_NAME` when the name is not ours, `ERR_TOO_MANY` when a budget is used up or too many
   * wait, and as {@link ManagedCertificates.ask}.
   */
  ask(name: string, address?: string): Promise<Certificate[]>
  /** Drops what is remembered of names: their sites have changed. */
  forget(names: Iterable<string>): void
}

/** Nothing was asked for yet. */
export function createOnDemand(options: OnDemandOptions): OnDemand {
  return new OnDemandCertificates(options)
}

/** The budget that all share. */
const everybody = ''

class OnDemandCertificates implements OnDemand {
  readonly #options: OnDemandOptions
  /** Until when a name counts as ours, or not, by the clock that only goes on. Keyed by name. */
  readonly #allowedUntilMs = new Map<string, number>()
  readonly #refusedUntilMs = new Map<string, number>()
  /** Keyed by name. */
  readonly #asking = new Map<string, Promise<boolean>>()
  readonly #ordering = new Map<string, { waiters: number; readonly answer: Promise<Certificate[]> }>()
  readonly #questions: Budgets
  readonly #addressOrders: Budgets
  readonly #domainOrders: Budgets
  readonly #ownerOrders: Budgets
  readonly #allOrders: Budgets
  readonly #stopped = new AbortController()

  constructor(options: OnDemandOptions) {
    this.#options = options
    const { buckets, questions, addressOrders, domainOrders, ownerOrders, allOrders } = limits.onDemand
    const now = () => options.environment.monotonic()
    this.#questions = createBudgets(questions, buckets, now)
    this.#addressOrders = createBudgets(addressOrders, buckets, now)
    this.#domainOrders = createBudgets(domainOrders, buckets, now)
    this.#ownerOrders = createBudgets(ownerOrders, buckets, now)
    this.#allOrders = createBudgets(allOrders, 1, now)
  }

  async ask(name: string, address?: string): Promise<Certificate[]> {
    if (!isPublicName(name) || name.startsWith('*.')) throw notOurs(name)
    const nowMs = this.#options.environment.monotonic()
    if (nowMs < (this.#refusedUntilMs.get(name) ?? 0)) throw notOurs(name)
    const network = address === undefined ? undefined : networkOf(address)
    if (nowMs >= (this.#allowedUntilMs.get(name) ?? 0)) await this.#permit(name, network)
    const running = this.#ordering.get(name)
    if (running) return this.#join(name, running)
    const answer = this.#obtain(name, network).finally(() => this.#ordering.delete(name))
    if (this.#ordering.size < limits.onDemand.asking) this.#ordering.set(name, { waiters: 1, answer })
    return answer
  }

  forget(names: Iterable<string>): void {
    for (const name of names) {
      this.#allowedUntilMs.delete(name)
      this.#refusedUntilMs.delete(name)
      this.#asking.delete(name)
    }
  }

  [Symbol.dispose](): void {
    this.#stopped.abort(new GroveError('ERR_CLOSED', 'no certificates are handed out any more'))
  }

  #join(name: string, running: { waiters: number; readonly answer: Promise<Certificate[]> }): Promise<Certificate[]> {
    if (running.waiters >= limits.managed.waiters)
      return Promise.reject(new GroveError('ERR_TOO_MANY', `too many wait for the certificate of ${name}`))
    running.waiters += 1
    return running.answer
  }

  /** Rejects unless the name is ours. */
  async #permit(name: string, network: string | undefined): Promise<void> {
    const running = this.#asking.get(name)
    if (!running) {
      if (network !== undefined && !this.#questions.has(network))
        throw new GroveError('ERR_TOO_MANY', `${network} asks for too many names that are not known here`)
      if (this.#asking.size >= limits.onDemand.asking)
        throw new GroveError('ERR_TOO_MANY', 'too many names are being asked for')
    }
    if (await (running ?? this.#question(name))) return
    // Only what is not ours counts: a network may well ask for thousands of names that are.
    if (!running && network !== undefined) this.#questions.take(network)
    throw notOurs(name)
  }

  #question(name: string): Promise<boolean> {
    const { environment, permits } = this.#options
    const { askMs: ms, allowedNames, allowedMs, refusedNames, refusedMs } = limits.onDemand
    const { signal } = this.#stopped
    const question: Promise<boolean> = within({ environment, ms, what: `the question for ${name}`, signal }, async () =>
      permits(name),
    )
      .then((isOurs) => {
        // What was forgotten meanwhile may be answered otherwise by now.
        if (this.#asking.get(name) !== question) return isOurs
        const nowMs = environment.monotonic()
        if (isOurs) setNewest(this.#allowedUntilMs, name, nowMs + allowedMs, allowedNames)
        else setNewest(this.#refusedUntilMs, name, nowMs + refusedMs, refusedNames)
        return isOurs
      })
      .finally(() => {
        if (this.#asking.get(name) === question) this.#asking.delete(name)
      })
    this.#asking.set(name, question)
    return question
  }

  async #obtain(name: string, network: string | undefined): Promise<Certificate[]> {
    const { managed } = this.#options
    const found = await managed.recall(name)
    if (found.length > 0) return found
    this.#take(name, network)
    try {
      return await managed.ask(name)
    } catch (error) {
      // Somebody else took the name away while it was waited for.
      if (isGroveError(error, 'ERR_CERT_NAME')) this.forget([name])
      throw error
    }
  }

  /** Takes from each budget, or, when one is used up, from none. */
  #take(name: string, network: string | undefined): void {
    const domain = registeredDomain(name)
    const owner = this.#options.ownerOf?.(name)
    const shares = [
      { budgets: this.#allOrders, key: everybody, what: 'all names together' },
      { budgets: this.#domainOrders, key: domain, what: domain },
      { budgets: this.#ownerOrders, key: owner, what: `the domains of ${owner}` },
      { budgets: this.#addressOrders, key: network, what: `${network}` },
    ]
    for (const { budgets, key, what } of shares) if (key !== undefined && !budgets.has(key)) throw usedUp(what)
    for (const { budgets, key } of shares) if (key !== undefined) budgets.take(key)
  }
}

function notOurs(name: string): GroveError {
  return new GroveError('ERR_CERT_NAME', `no site has the name "${name.slice(0, 253)}"`)
}

function usedUp(what: string): GroveError {
  return new GroveError('ERR_TOO_MANY', `too many certificates were ordered lately for ${what}`, {
    hint: 'ask again in some hours',
  })
}
