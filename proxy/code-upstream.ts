/** A site's own code as an upstream: in whichever process the supervisor has it. */

import { Readable } from 'node:stream'
import { GroveError, isGroveError, toGroveError } from '../core/errors.ts'
import { getHeader, type HeaderList } from '../core/headers.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { wholeBytes } from '../core/sandbox-whole.ts'
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../core/upstream.ts'
import type { CodeLink } from './code-link.ts'
import type { CodeRequest } from './code-request.ts'
import type { OpenVisitorSocket } from './code-socket-ends.ts'
import { RequestBody } from './request-body.ts'

/** Who knows where a site's code is. */
export interface CodeLinks {
  link(site: SiteName, version: VersionNumber): Promise<CodeLink>
  forget(site: SiteName, version: VersionNumber): void
}

/** A site's code. */
export interface CodeUpstream extends Upstream {
  /** As {@link Upstream.send}; with `upgrade` the request is a WebSocket's handshake. */
  send(request: UpstreamRequest, upgrade?: OpenVisitorSocket): Promise<UpstreamAnswer>
}

/**
 * The code of one version of a site. Rejects with `ERR_CODE_FAILED` (details: `status` for the visitor, `code`,
 * `retryAfterSeconds`), {@link CodePassed}, and what sending to it fails with.
 */
export function createCodeUpstream(site: SiteName, version: VersionNumber, links: CodeLinks): CodeUpstream {
  const send = async (request: CodeRequest, upgrade?: OpenVisitorSocket): Promise<UpstreamAnswer> => {
    const link = await links.link(site, version).catch((thrown: unknown) => {
      throw unavailable(thrown)
    })
    return link.send(request, version, upgrade)
  }
  return {
    name: `sandbox:${site}@${version}`,
    async send(asked, upgrade) {
      const request = isSmall(asked.body, asked.headers) ? { ...asked, body: await asked.body.collect() } : asked
      try {
        return await send(request, upgrade)
      } catch (error) {
        if (!isNotLoaded(error)) throw error
        links.forget(site, version)
        // Nobody has looked at the request, but a body that streams may be half on its way.
        if (request.body instanceof Readable) throw error
        return await send(request, upgrade)
      }
    },
    close: () => Promise.resolve(),
  }
}

/**
 * Whether a body is to be here before the code is asked. So a visitor who is slow to send a small one keeps none of the code's
 * places meanwhile, and it comes in one piece.
 */
function isSmall(body: Readable | undefined, headers: HeaderList): body is RequestBody {
  if (!(body instanceof RequestBody) || body.started) return false
  const announced = getHeader(headers, 'content-length')
  return announced !== undefined && Number(announced) <= wholeBytes
}

function isNotLoaded(error: unknown): boolean {
  return isGroveError(error, 'ERR_CODE_FAILED') && error.details?.['code'] === 'not-loaded'
}

/** Why there is no process for the code: the visitor gets 503, and is told when to come again. */
function unavailable(thrown: unknown): GroveError {
  const error = toGroveError(thrown)
  if (error.code === 'ERR_CODE_FAILED') return error
  const waitMs = Number(error.details?.['retryAfterMs'] ?? 1_000)
  // What the code says of itself may hold its secrets, and only the site's own log is without them.
  if (error.code === 'ERR_SITE_CODE')
    return new GroveError('ERR_CODE_FAILED', 'exception: the code does not load', {
      details: { status: 500, code: 'exception' },
    })
  return new GroveError('ERR_CODE_FAILED', `busy: ${error.message}`, {
    cause: error,
    details: { status: 503, code: 'busy', retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)) },
  })
}
