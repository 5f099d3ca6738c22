/** Proving the names of an order: challenges are answered, several at a time, and the CA is asked what it found. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { within } from '../within.ts'
import { acmeError, acmeFacts, quoteCa } from './acme-error.ts'
import { type AuthorizationAnswer, type ChallengeAnswer, toAuthorization, toToken } from './answers.ts'
import type { Ca } from './ca.ts'
import type { OrderRequest } from './order-request.ts'
import { poll } from './poll.ts'
import type { Session } from './session.ts'
import { type Challenge, type ChallengeKind, type Solver, toChallenge } from './solver.ts'

/** Names to be proven in one way. */
export interface Proof {
  readonly ca: Ca
  readonly session: Session
  readonly request: OrderRequest
  readonly kind: ChallengeKind
  readonly signal: AbortSignal
}

/**
 * Proves all names of an order that are not proven yet. The first that fails ends the others, and what is still open at
 * the CA is deactivated (RFC 8555 section 7.5.2), so that it does not count against us there. Rejects with `ERR_ACME`:
 * `challenge` or `solver` when it is worth trying another kind.
 */
export async function authorize(proof: Proof, urls: readonly string[]): Promise<void> {
  const stop = new AbortController()
  const signal = AbortSignal.any([proof.signal, stop.signal])
  const failures: unknown[] = []
  await forEachParallel(urls, limits.acme.parallelChallenges, async (url) => {
    if (failures.length > 0) return
    try {
      await authorizeOne({ ...proof, signal }, url)
    } catch (error) {
      failures.push(error)
      stop.abort(error)
    }
  })
  if (failures.length === 0) return
  if (isOfProof(failures[0])) await deactivate(proof, urls)
  throw failures[0]
}

/** Whether something thrown says that this way of proving does not work, while another one may. */
export function isOfProof(thrown: unknown): boolean {
  const reason = acmeFacts(thrown)?.reason
  return reason === 'challenge' || reason === 'solver'
}

async function authorizeOne(proof: Proof, url: string): Promise<void> {
  const { ca, session, request, kind, signal } = proof
  const authorization = toAuthorization((await session.post(url)).data)
  const { name, offered } = checkAsked(authorization, request, kind)
  if (authorization.status === 'valid') return
  if (authorization.status !== 'pending') throw failureOf(authorization, name, kind)
  const solver = request.solvers.find((one) => one.kind === kind)
  if (!offered || !solver)
    throw acmeError(`the CA does not offer ${kind} for ${name}`, { reason: 'challenge', name, kind })
  const token = toToken(offered.token)
  const challenge = toChallenge(name, token, await session.keyAuthorization(token))
  await whilePresented(ca, solver, challenge, signal, async () => {
    await session.post(offered.url, {})
    await poll(
      ca,
      {
        what: `the proof of ${name} by ${kind}`,
        ask: () => session.post(url),
        take(answered) {
          const now = toAuthorization(answered)
          if (now.status === 'pending') return undefined
          if (now.status === 'valid') return now
          throw failureOf(now, name, kind)
        },
      },
      signal,
    )
  })
}

/** Runs work while the answer to a challenge is published, and takes it away however that ends. */
async function whilePresented(
  ca: Ca,
  solver: Solver,
  challenge: Challenge,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  const { environment, log } = ca
  const { kind } = solver
  const { name } = challenge
  let isSettled = false
  const presenting = Promise.try(() => solver.present(challenge))
  const settled = presenting
    .catch(() => undefined) // Whoever waits for it sees it.
    .then(() => {
      isSettled = true
    })
  // What is left behind answers nobody's question: it is not worth failing an order for.
  const remove = () => {
    const what = `the removal of the answer to ${kind} for ${name}`
    const { signal: never } = new AbortController()
    return within({ environment, ms: limits.acme.removeMs, what, signal: never }, () =>
      Promise.try(() => solver.remove(challenge)),
    ).catch((err: unknown) => log.warn({ err, name, kind }, 'the answer to a challenge is left behind'))
  }
  try {
    await waitUntilPresented(ca, presenting, { name, kind }, signal)
    await work()
  } finally {
    await remove()
    // It was given up while it was being published, and may be there only after it was taken away.
    if (!isSettled) settled.then(remove).catch(() => undefined)
  }
}

/** A CA only gets answers for names that were asked of it. */
function checkAsked(
  { identifier, wildcard, challenges }: AuthorizationAnswer,
  { names }: OrderRequest,
  kind: ChallengeKind,
): { name: string; offered: ChallengeAnswer | undefined } {
  const name = identifier.value
  if (identifier.type !== 'dns' || !names.includes(wildcard ? `*.${name}` : name))
    throw acmeError(`the CA wants a proof of "${quoteCa(name)}", which was not ordered`, { reason: 'answer' })
  return { name, offered: challenges.find(({ type }) => type === kind) }
}

async function waitUntilPresented(
  ca: Ca,
  presenting: Promise<void>,
  { name, kind }: { readonly name: string; readonly kind: ChallengeKind },
  signal: AbortSignal,
): Promise<void> {
  const { environment } = ca
  const what = `publishing the answer to ${kind} for ${name}`
  try {
    await within({ environment, ms: limits.acme.presentMs, what, signal }, () => presenting)
  } catch (cause) {
    signal.throwIfAborted()
    const message = cause instanceof Error ? cause.message : String(cause)
    throw acmeError(
      `the answer to ${kind} for ${name} cannot be published: ${message}`,
      { reason: 'solver', name, kind },
      { cause, ...(cause instanceof GroveError && cause.hint !== undefined && { hint: cause.hint }) },
    )
  }
}

function failureOf({ status, challenges }: AuthorizationAnswer, name: string, kind: ChallengeKind): Error {
  const error = (challenges.find(({ type }) => type === kind) ?? challenges.find((one) => one.error))?.error
  const said = error?.detail === undefined ? `the proof is ${status}` : quoteCa(error.detail)
  return acmeError(`the CA does not find ${name} proven by ${kind}: ${said}`, {
    reason: 'challenge',
    ...(error?.type !== undefined && { type: error.type }),
    name,
    kind,
  })
}

async function deactivate({ ca, session, signal }: Proof, urls: readonly string[]): Promise<void> {
  await forEachParallel(urls, limits.acme.parallelChallenges, async (url) => {
    try {
      const { status } = toAuthorization((await session.post(url)).data)
      if (status === 'pending') await session.post(url, { status: 'deactivated' })
    } catch (err) {
      signal.throwIfAborted()
      ca.log.debug({ err }, 'an authorization that is not needed any more stays open at the CA')
    }
  })
}
