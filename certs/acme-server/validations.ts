/**
 * Proofs that are being looked at: a bounded number at once, and of each account few, so that none waits for another's
 * servers that hang. Each is looked at a few times, and what was found is written into the order. One that a restart cut
 * short, or that there was no room for, begins anew when the client asks how far it is.
 */

import type { Logger } from 'pino'
import { limits } from '../../core/limits.ts'
import { createTurnstile, type Turnstile } from '../../core/turnstile.ts'
import type { Environment } from '../../store/environment.ts'
import type { Vault } from '../vault.ts'
import { baseOf, type ChallengeKind } from './identifiers.ts'
import type { AccountKey } from './jwk.ts'
import { toProblem } from './problem.ts'
import { type Authorization, changeRecord, keys, type Order, orderSchema } from './records.ts'

/** A proof that is to be looked at. */
export interface Proof {
  readonly kind: ChallengeKind
  readonly type: 'dns' | 'ip'
  /** The name without `*.`, or the address. */
  readonly value: string
  readonly token: string
  /** Token and thumbprint (RFC 8555 section 8.1). */
  readonly keyAuthorization: string
}

/** Looks at a proof once. Rejects with the problem that it has. */
export type Validator = (proof: Proof, signal: AbortSignal) => Promise<void>

/** What looking at proofs needs. */
export interface ValidationsOptions {
  readonly vault: Vault
  readonly environment: Environment
  readonly log: Logger
  readonly validate: Validator
  /** Told when an account's proof was wrong. */
  readonly failed: (account: string) => void
}

/** The proofs that are being looked at. */
export interface Validations extends AsyncDisposable {
  /** Begins to look at the proof of an authorization, unless that has begun or very many wait. Never throws. */
  resume(order: Order, index: number, key: AccountKey): void
}

/** Nothing is looked at yet. */
export function createValidations(options: ValidationsOptions): Validations {
  const { vault, environment, log, validate } = options
  const { validations, validationsInLine, validationsOfAccount, waitingOfAccount, waiting } = limits.acmeServer
  const { validationWaitsMs, validationMs } = limits.acmeServer
  const turns = createTurnstile({ parallel: validations, most: validationsInLine, what: 'proofs to look at' })
  /** Of the accounts that have proofs here; keyed by account. */
  const accounts = new Map<string, Turnstile>()
  const stopped = new AbortController()
  /** Keyed by order and index. */
  const running = new Map<string, Promise<void>>()

  /** The problem that the proof has after all looks; undefined when it is right. */
  async function look(proof: Proof): Promise<unknown> {
    let last: unknown
    for (const waitMs of validationWaitsMs) {
      if (waitMs > 0) await environment.sleep(waitMs, stopped.signal)
      try {
        await validate(proof, AbortSignal.any([stopped.signal, AbortSignal.timeout(validationMs)]))
        return undefined
      } catch (error) {
        stopped.signal.throwIfAborted()
        last = error
      }
    }
    return last
  }

  /** Does the work when it is its turn, first among those of the account and then among all. */
  async function inTurn<T>(account: string, work: () => Promise<T>): Promise<T> {
    const most = { parallel: validationsOfAccount, most: waitingOfAccount, what: 'proofs of one account to look at' }
    const own = accounts.get(account) ?? createTurnstile(most)
    accounts.set(account, own)
    try {
      return await own.run(() => turns.run(work, stopped.signal), stopped.signal)
    } finally {
      if (own.size === 0) accounts.delete(account)
    }
  }

  async function run({ account, id }: Pick<Order, 'account' | 'id'>, index: number, proof: Proof): Promise<void> {
    const fault = await inTurn(account, () => look(proof))
    const found: Partial<Authorization> = fault
      ? { status: 'invalid', error: { ...toProblem(fault).problem } }
      : { status: 'valid', validatedMs: environment.now() }
    await changeRecord(vault, keys.order(account, id), orderSchema, (current) => {
      const there = current.authorizations[index]
      // Another machine may have looked too, or the client given it up.
      if (there?.status !== 'pending') return undefined
      return { ...current, authorizations: current.authorizations.with(index, { ...there, ...found }) }
    })
    if (fault) options.failed(account)
    // What the client is not told stands here: where the name leads, and what each address did.
    log.info({ account, name: proof.value, kind: proof.kind, err: fault }, fault ? 'proof is wrong' : 'proof is right')
  }

  return {
    resume({ account, id, authorizations }, index, key) {
      const place = `${id}/${index}`
      const proof = proofOf(authorizations[index], key)
      if (!proof || running.has(place) || running.size >= waiting || stopped.signal.aborted) return
      const started = run({ account, id }, index, proof)
        .catch((error: unknown) => {
          // The client goes on asking, and that begins it anew.
          if (!stopped.signal.aborted) log.warn({ err: error, account }, 'proof cannot be looked at')
        })
        .finally(() => running.delete(place))
      running.set(place, started)
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await Promise.all(running.values())
    },
  }
}

/** The proof that an authorization is to be looked at for; undefined when none was said to be there. */
function proofOf(authorization: Authorization | undefined, { thumbprint }: AccountKey): Proof | undefined {
  if (!authorization?.tried) return undefined
  const { identifier, token, tried } = authorization
  const keyAuthorization = `${token}.${thumbprint}`
  return { kind: tried, type: identifier.type, value: baseOf(identifier), token, keyAuthorization }
}
