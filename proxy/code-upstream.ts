/** A site's own code as an upstream: in whichever process the supervisor has it. */

import { GroveError, isGroveError, toGroveError } from '../core/errors.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../core/upstream.ts'
import type { CodeLink } from './code-link.ts'

/** Who knows where a site's code is. */
export interface CodeLinks {
  link(site: SiteName, version: VersionNumber): Promise<CodeLink>
  forget(site: SiteName, version: VersionNumber): void
}

/**
 * The code of one version of a site. Rejects with `ERR_CODE_FAILED` (details: `status` for the visitor, `code`,
 * `retryAfterSeconds`), {@link CodePassed}, and what sending to it fails with.
 */
export function createCodeUpstream(site: SiteName, version: VersionNumber, links: CodeLinks): Upstream {
  const send = async (request: UpstreamRequest): Promise<UpstreamAnswer> => {
    const link = await links.link(site, version).catch((thrown: unknown) => {
      throw unavailable(thrown)
    })
    return link.send(request, version)
  }
  return {
    name: `sandbox:${site}@${version}`,
    async send(request) {
      try {
        return await send(request)
      } catch (error) {
        if (!isNotLoaded(error)) throw error
        links.forget(site, version)
        // Nobody has looked at the request, but its body may be half on its way.
        if (request.body) throw error
        return await send(request)
      }
    },
    close: () => Promise.resolve(),
  }
}

function isNotLoaded(error: unknown): boolean {
  return isGroveError(error, 'ERR_CODE_FAILED') && error.details?.['code'] === 'not-loaded'
}

/** Why there is no process for the code: the visitor gets 503, and is told when to come again. */
function unavailable(thrown: unknown): GroveError {
  const error = toGroveError(thrown)
  if (error.code === 'ERR_CODE_FAILED') return error
  const waitMs = Number(error.details?.['retryAfterMs'] ?? 1_000)
  const isOwn = error.code === 'ERR_CODE'
  return new GroveError('ERR_CODE_FAILED', `${isOwn ? 'exception' : 'busy'}: ${error.message}`, {
    cause: error,
    details: isOwn
      ? { status: 500, code: 'exception' }
      : { status: 503, code: 'busy', retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) },
  })
}
