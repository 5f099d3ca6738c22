/**
 * The answers to challenges of CAs that fronts give: http-01 at the plain port, tls-alpn-01 in the handshake. A CA may
 * ask any front, so a challenge is ready when every front that runs has confirmed that it answers it.
 */

import { createAlpnCertificate } from '../certs/acme/alpn-certificate.ts'
import type { Challenge, Solver } from '../certs/acme/solver.ts'
import type { ChallengeSet } from '../core/challenge-set.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { FrontLinks } from './fronts.ts'

/** What challenges are made with. */
export interface ChallengesOptions {
  readonly fronts: Pick<FrontLinks, 'push' | 'allInForce'>
  readonly now: () => number
  /** How long fronts may take to confirm, in milliseconds. @default limits.control.inForceMs */
  readonly inForceMs?: number
}

/** The challenges that fronts answer. */
export class Challenges {
  readonly #options: ChallengesOptions
  /** Keyed by token. */
  readonly #http = new Map<string, ChallengeSet['http'][number]>()
  /** Keyed by name. The key authorization tells whose it is: a name has one at a time, the newest. */
  readonly #tlsAlpn = new Map<string, ChallengeSet['tlsAlpn'][number] & { readonly keyAuthorization: string }>()
  /** RFC 8555 section 8.3. `present` rejects with `ERR_TIMEOUT` when a front has not confirmed, or `ERR_TOO_MANY`. */
  readonly http: Solver
  /** RFC 8737. Rejects as {@link http}. */
  readonly tlsAlpn: Solver

  constructor(options: ChallengesOptions) {
    this.#options = options
    this.http = {
      kind: 'http-01',
      present: async (challenge) => {
        const { token, keyAuthorization } = challenge
        makeRoom(this.#http)
        this.#http.set(token, { token, keyAuthorization })
        await this.#confirmed(() => this.#removeHttp(challenge))
      },
      remove: async (challenge) => {
        if (this.#removeHttp(challenge)) await this.#tell()
      },
    }
    this.tlsAlpn = {
      kind: 'tls-alpn-01',
      present: async (challenge) => {
        const { name, keyAuthorization } = challenge
        const { cert, key } = await createAlpnCertificate(challenge, options.now())
        makeRoom(this.#tlsAlpn)
        this.#tlsAlpn.set(name, { name, chain: cert, key, keyAuthorization })
        await this.#confirmed(() => this.#removeTlsAlpn(challenge))
      },
      remove: async (challenge) => {
        if (this.#removeTlsAlpn(challenge)) await this.#tell()
      },
    }
  }

  /** All that fronts are to answer at this moment. */
  current(): ChallengeSet {
    return {
      http: [...this.#http.values()],
      tlsAlpn: [...this.#tlsAlpn.values()].map(({ name, chain, key }) => ({ name, chain, key })),
    }
  }

  #removeHttp({ token }: Challenge): boolean {
    return this.#http.delete(token)
  }

  #removeTlsAlpn({ name, keyAuthorization }: Challenge): boolean {
    return this.#tlsAlpn.get(name)?.keyAuthorization === keyAuthorization && this.#tlsAlpn.delete(name)
  }

  async #tell(): Promise<void> {
    await this.#options.fronts.push({ kind: 'challenges', challenges: this.current() })
  }

  /** Tells all fronts, and waits also for those that were cut off or begin just now. */
  async #confirmed(undo: () => void): Promise<void> {
    const { fronts, inForceMs = limits.control.inForceMs } = this.#options
    await this.#tell()
    try {
      await fronts.allInForce(AbortSignal.timeout(inForceMs))
    } catch (cause) {
      undo()
      throw new GroveError('ERR_TIMEOUT', 'not all fronts have confirmed the answer to a challenge', { cause })
    }
  }
}

function makeRoom(map: ReadonlyMap<string, unknown>): void {
  if (map.size >= limits.challenges.most)
    throw new GroveError('ERR_TOO_MANY', `more than ${limits.challenges.most} challenges are being answered`)
}
