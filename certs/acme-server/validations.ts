/**
 * Proofs that are being looked at: a bounded number at once, each a few times, and what was found is written into the
 * order. One that a restart cut short begins anew when the client asks how far it is.
 */

import type { Logger } from 'pino'
import { limits } from '../../core/limits.ts'
import { createTurnstile } from '../../core/turnstile.ts'
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
  /** Begins to look at the proof of an authorization, unless that has begun. Never throws. */
  resume(order: Order, index: number, key: AccountKey): void
}

/** Nothing is looked at yet. */
export function createValidations(options: ValidationsOptions): Validations {
  const { vault, environment, log, validate } = options
  const { validations, validationsInLine, validationWaitsMs, validationMs } = limits.acmeServer
  const turns = createTurnstile({ parallel: validations, most: validationsInLine, what: 'proofs to look at' })
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

  async function run(order: Order, index: number, key: AccountKey): Promise<void> {
    const authorization = order.authorizations[index]
    if (!authorization?.tried) return
    const { identifier, token, tried } = authorization
    const proof = {
      kind: tried,
      type: identifier.type,
      value: baseOf(identifier),
      token,
      keyAuthorization: `${token}.${key.thumbprint}`,
    }
    const fault = await turns.run(() => look(proof), stopped.signal)
    const found: Partial<Authorization> = fault
      ? { status: 'invalid', error: { ...toProblem(fault).problem } }
      : { status: 'valid', validatedMs: environment.now() }
    await changeRecord(vault, keys.order(order.account, order.id), orderSchema, (current) => {
      const there = current.authorizations[index]
      // Another machine may have looked too, or the client given it up.
      if (there?.status !== 'pending') return undefined
      return { ...current, authorizations: current.authorizations.with(index, { ...there, ...found }) }
    })
    if (fault) options.failed(order.account)
    log.info(
      { account: order.account, name: identifier.value, kind: tried, err: fault },
      fault ? 'proof is wrong' : 'proof is right',
    )
  }

  return {
    resume(order, index, key) {
      const id = `${order.id}/${index}`
      if (running.has(id) || stopped.signal.aborted) return
      const started = run(order, index, key)
        .catch((error: unknown) => {
          // The client goes on asking, and that begins it anew.
          if (!stopped.signal.aborted) log.warn({ err: error, account: order.account }, 'proof cannot be looked at')
        })
        .finally(() => running.delete(id))
      running.set(id, started)
    },
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await Promise.all(running.values())
    },
  }
}
