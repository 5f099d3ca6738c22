/** Looking at proofs of control for real: one client for each kind of challenge (RFC 8555 section 8, RFC 8737). */

import { createHash } from 'node:crypto'
import { problem } from './problem.ts'
import { type HttpProofOptions, proveByHttp } from './prove-http.ts'
import { proveByTls } from './prove-tls.ts'
import { textsOf } from './resolve.ts'
import type { Proof, Validator } from './validations.ts'

/** How proofs are looked at. */
export type ProveOptions = HttpProofOptions

/** The validator that asks servers. */
export function createValidator(options: ProveOptions): Validator {
  return async (proof, signal) => {
    try {
      if (proof.kind === 'http-01') await proveByHttp(proof, options, signal)
      else if (proof.kind === 'tls-alpn-01') await proveByTls(proof, options, signal)
      else await proveByDns(proof, options, signal)
    } catch (error) {
      if (!signal.aborted || (error as NodeJS.ErrnoException).code === 'ERR_ACME') throw error
      throw problem('connection', `${proof.value} did not answer in time`, { cause: error })
    }
  }
}

/** The proof by a TXT record: dns-01 (RFC 8555 section 8.4). */
async function proveByDns(proof: Proof, options: ProveOptions, signal: AbortSignal): Promise<void> {
  const name = `_acme-challenge.${proof.value}`
  const expected = createHash('sha256').update(proof.keyAuthorization).digest('base64url')
  const texts = await textsOf(name, options, signal)
  if (!texts.includes(expected))
    throw problem('incorrectResponse', `none of the ${texts.length} TXT records of ${name} is the proof`)
}
