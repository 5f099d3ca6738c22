/** What is ordered from a CA. */

import { isIP } from 'node:net'
import { limits } from '../../core/limits.ts'
import { isAuthority } from '../../core/names.ts'
import type { Certificate } from '../certificate.ts'
import type { Lease } from '../vault.ts'
import { acmeError } from './acme-error.ts'
import type { ChallengeKind, Solver } from './solver.ts'

/** A certificate that is wanted. */
export interface OrderRequest {
  /** DNS names, lower case, also `*.example.com`; 1 to `limits.acme.names`. */
  readonly names: readonly string[]
  /** The ways to prove them, one of a kind. With one for dns-01 only that is used. */
  readonly solvers: readonly Solver[]
  readonly keyKind: 'ecdsa' | 'rsa'
  /** One of the CA's profiles, such as `shortlived`. A CA that has no profiles at all is asked without. */
  readonly profile?: string
  /** The certificate that this one renews; told to CAs that want to know (RFC 9773 section 5). */
  readonly replaces?: Certificate
  /** The lease on these names: the order under way is noted with it. */
  readonly lease: Lease
  readonly signal: AbortSignal
  /** A rehearsal at the CA's staging endpoint: nobody stores the certificate, and no note of it stays. */
  readonly isStaging?: boolean
}

/** Throws `ERR_ACME` (`names`) for what cannot be ordered with these solvers. */
export function checkNames({ names, solvers }: Pick<OrderRequest, 'names' | 'solvers'>): void {
  const refuse = (message: string, name?: string, hint?: string) => {
    throw acmeError(
      message,
      { reason: 'names', ...(name !== undefined && { name }) },
      hint === undefined ? {} : { hint },
    )
  }
  if (names.length === 0 || names.length > limits.acme.names)
    refuse(`an order has 1 to ${limits.acme.names} names, found ${names.length}`)
  const hasDns = solvers.some(({ kind }) => kind === 'dns-01')
  for (const name of names) {
    const bare = name.startsWith('*.') ? name.slice(2) : name
    if (!isAuthority(bare) || bare.startsWith('[') || isIP(bare) !== 0)
      refuse(`a CA that speaks ACME is not asked for "${name.slice(0, 253)}": expected a DNS name in lower case`, name)
    if (bare !== name && !hasDns)
      refuse(`${name} can only be proven by DNS, and there is no DNS provider`, name, 'configure `certs.dns`')
  }
}

/** The kinds of challenges that may be used, in no order; at least one. Throws `ERR_ACME` (`solver`) for none. */
export function kindsOf(solvers: readonly Solver[]): ChallengeKind[] {
  const kinds = solvers.map(({ kind }) => kind)
  if (kinds.length === 0) throw acmeError('there is no way to prove a name', { reason: 'solver' })
  return kinds.includes('dns-01') ? ['dns-01'] : kinds
}
