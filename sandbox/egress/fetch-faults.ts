/** What went wrong with a fetch, for the site's author: which host, in plain words, and no address of anything. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** Codes of Node, OpenSSL and undici, in words. */
const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by an authority that is trusted',
  ECONNREFUSED: 'it refused the connection',
  ECONNRESET: 'it broke the connection off',
  EHOSTUNREACH: 'it cannot be reached',
  ENETUNREACH: 'it cannot be reached',
  EPIPE: 'it broke the connection off',
  ERR_EGRESS_RESET: 'it broke the connection off',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by an authority that is trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by an authority that is trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by an authority that is trusted',
  UND_ERR_SOCKET: 'it broke the connection off',
  Z_BUF_ERROR: 'its answer breaks off',
  Z_DATA_ERROR: 'its answer is not the gzip that it is said to be',
}

const slow: ReadonlySet<string> = new Set([
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
])

/** Any error of a fetch as a {@link GroveError}; one that is already stays as it is. `authority`: the host, and its port. */
export function toFetchError(error: unknown, authority: string): GroveError {
  // The connection's error may be wrapped by that of the request.
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1)
    if (each instanceof GroveError) return each
  const code = codeOf(error)
  if (slow.has(code))
    return new GroveError('ERR_UPSTREAM_SLOW', `${authority} did not answer in time`, { cause: error })
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return new GroveError(
      'ERR_TOO_LARGE',
      `the headers of ${authority} have more than ${limits.egress.answerHeaderBytes} bytes`,
      { cause: error },
    )
  if (code.startsWith('HPE_'))
    return new GroveError('ERR_UPSTREAM_DOWN', `${authority}: its answer is not valid HTTP`, { cause: error })
  return new GroveError('ERR_UPSTREAM_DOWN', `${authority}: ${words[code] ?? `the request failed (${code})`}`, {
    cause: error,
  })
}

/** Whether an error says that a connection ended, which had been idle before perhaps. */
export function isBrokenConnection(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ERR_EGRESS_RESET', 'UND_ERR_SOCKET'].includes(codeOf(error))
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return error instanceof Error ? String((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown'
}
