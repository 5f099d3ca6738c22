/**
 * One try to obtain a certificate from the issuers in their order; the next one is asked only when the one before has
 * failed in every way that it could (an issuer tries each kind of challenge by itself).
 *
 * After a failure each try begins with a rehearsal at the CA's staging endpoint. A CA that asked to be left alone
 * (Retry-After) is.
 */

import { GroveError, isGroveError, toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'
import type { Issuer } from './acme/issuer.ts'
import type { Solver } from './acme/solver.ts'
import { type Certificate, covers } from './certificate.ts'
import { certificateFault } from './certificate-fault.ts'
import type { CrowdedCas } from './crowded-cas.ts'
import { plausible } from './managed-next.ts'
import { type CertificateRecord, openCertificate } from './managed-record.ts'
import { goesToStagingFirst } from './schedule.ts'
import type { Lease } from './vault.ts'
import { within } from './within.ts'

/** A CA, and how it is used. */
export interface IssuerChoice {
  readonly issuer: Issuer
  /** Who rehearses orders, where there is a staging endpoint: mostly the issuer itself. */
  readonly staging?: Issuer | undefined
  /** The profile to ask for, where the CA offers profiles. */
  readonly profile?: string | undefined
}

/** What one try needs. */
export interface OrderOptions {
  /** The first one is asked first. */
  readonly issuers: readonly IssuerChoice[]
  /** Ways to answer challenges for a name. With one for DNS only that is used; a wildcard needs it. */
  readonly solvers: (name: string) => readonly Solver[]
  readonly keyKind: 'ecdsa' | 'rsa'
  readonly environment: Environment
  /** What all names have heard of the CAs. */
  readonly crowded?: CrowdedCas
}

/** What was obtained, and where. */
export interface Obtained {
  readonly certificate: Certificate
  readonly issuer: Issuer
}

/** Everything failed. */
export interface OrderFailure {
  readonly error: GroveError
  /** Whether any CA was asked at all. */
  readonly wasAsked: boolean
  /** Until when CAs asked to be left alone, keyed by issuer id. */
  readonly rests: Readonly<Record<string, number>>
  /** How long until one of them may be asked again, in milliseconds; undefined when one may at once. */
  readonly retryAfterMs: number | undefined
}

/**
 * Tries to obtain a certificate for a name. Answers the failure when all ways to do so failed; rejects with the signal's
 * reason when it aborts.
 */
export async function order(
  name: string,
  record: CertificateRecord,
  lease: Lease,
  options: OrderOptions,
  signal: AbortSignal,
): Promise<Obtained | OrderFailure> {
  const { environment, issuers, crowded } = options
  const rests = stillResting(record.rests, environment.now())
  const failures: { readonly directory: string; readonly error: GroveError }[] = []
  for (const choice of issuers) {
    const { id, directory } = choice.issuer
    const crowdedMs = crowded?.untilMs(id, name, environment.now())
    if (crowdedMs !== undefined) rests[id] = Math.max(rests[id] ?? 0, crowdedMs)
    if (rests[id] !== undefined) continue
    try {
      const certificate = await orderAt(choice, { name, record, lease, options, signal })
      crowded?.served(id, name)
      return { certificate, issuer: choice.issuer }
    } catch (thrown) {
      signal.throwIfAborted()
      const error = toGroveError(thrown)
      failures.push({ directory, error })
      const restMs = retryAfterOf(error)
      if (restMs === undefined) continue
      rests[id] = environment.now() + restMs
      crowded?.sentAway(id, name, rests[id], environment.now())
    }
  }
  const wasAsked = failures.length > 0
  return { error: summarize(name, failures), wasAsked, rests, retryAfterMs: untilOneMayBeAsked(rests, options) }
}

interface Try {
  readonly name: string
  readonly record: CertificateRecord
  readonly lease: Lease
  readonly options: OrderOptions
  readonly signal: AbortSignal
}

async function orderAt({ issuer, staging, profile }: IssuerChoice, trying: Try): Promise<Certificate> {
  const { name, record, lease, options, signal } = trying
  const { keyKind, environment } = options
  const solvers = options.solvers(name)
  const old = oldOf(record, environment.now())
  const replaced = issuer.id === record.certificate?.issuerId ? old : undefined
  const once = (at: Issuer, more: { readonly isStaging?: true; readonly replaces?: Certificate }) =>
    within(
      { environment, ms: limits.managed.orderMs, what: `the order of ${name} at ${at.directory}`, signal },
      (over) => {
        const wanted = { names: [name], solvers, keyKind, lease, signal: over }
        return at.order({ ...wanted, ...(profile !== undefined && { profile }), ...more })
      },
    )
  if (staging && goesToStagingFirst(record.tries)) {
    try {
      await once(staging, { isStaging: true })
    } catch (error) {
      signal.throwIfAborted()
      // A staging endpoint that is away or busy says nothing about the name, and is no reason to let it go without.
      if (!isOfEndpoint(error)) throw error
    }
  }
  const certificate = await once(issuer, replaced ? { replaces: replaced } : {})
  // The issuer checks what a CA answers. This stands here all the same: nothing else may ever be served.
  if (!covers(certificate, name))
    throw certificateFault('names', `${issuer.directory} answered a certificate for ${certificate.names.slice(0, 5)}`)
  if (certificate.notAfterMs < environment.now() + limits.managed.leastLeftMs)
    throw certificateFault('expired', `${issuer.directory} answered a certificate that has ended, or ends at once`)
  if (certificate.id === old?.id)
    throw certificateFault('expired', `${issuer.directory} answered the certificate that is to be renewed`)
  return certificate
}

/** Whether an order failed for what the CA's endpoint is like at the moment, and not for what was ordered. */
function isOfEndpoint(error: unknown): boolean {
  if (isGroveError(error, 'ERR_TIMEOUT')) return true
  const reasons: unknown[] = ['limited', 'unavailable', 'network', 'timeout', 'answer']
  return isGroveError(error, 'ERR_ACME') && reasons.includes(error.details?.['reason'])
}

/** The certificate that is to be replaced, if it is whole. */
function oldOf({ certificate }: CertificateRecord, nowMs: number): Certificate | undefined {
  try {
    return certificate && openCertificate(certificate, nowMs)
  } catch {
    return undefined // Damaged: that may be why there is to be a new one.
  }
}

function stillResting(rests: CertificateRecord['rests'], nowMs: number): Record<string, number> {
  return Object.fromEntries(Object.entries(rests ?? {}).filter(([, untilMs]) => plausible(untilMs, nowMs) > nowMs))
}

function untilOneMayBeAsked(rests: Readonly<Record<string, number>>, options: OrderOptions): number | undefined {
  const nowMs = options.environment.now()
  const leastMs = Math.min(...options.issuers.map(({ issuer }) => (rests[issuer.id] ?? nowMs) - nowMs))
  return Number.isFinite(leastMs) && leastMs > 0 ? leastMs : undefined
}

/** What a CA said with Retry-After: `details.retryAfterMs`, from now on. */
function retryAfterOf({ details }: GroveError): number | undefined {
  const { retryAfterMs } = details ?? {}
  if (typeof retryAfterMs !== 'number' || !(retryAfterMs > 0)) return undefined
  return Math.min(retryAfterMs, limits.managed.longestWaitMs)
}

/** One error of all: the first one's code, and what each CA said. */
function summarize(
  name: string,
  failures: readonly { readonly directory: string; readonly error: GroveError }[],
): GroveError {
  const [first] = failures
  if (!first) return new GroveError('ERR_ACME', `no CA may be asked for ${name} yet: each said when to come again`)
  const said = failures.map(({ directory, error }) => `${directory}: ${error.message}`)
  const message = said.join('; ').slice(0, limits.managed.errorChars)
  const { code, details, hint } = first.error
  return new GroveError(code, message, { cause: first.error, ...(details && { details }), ...(hint && { hint }) })
}
