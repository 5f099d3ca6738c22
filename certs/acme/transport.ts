/**
 * HTTP with a CA, in place of what acme-client 5.4 brings for it, one axios instance for the whole process. That one
 * has no limit of time or size, trusts one set of roots for all CAs, and sends a signed request that met 429 or 5xx
 * again as it is, up to five times: with a nonce that is used up, so that the CA has to refuse it
 * (https://github.com/publishlab/node-acme-client/issues/103). Here a request is sent once, within bounds, and whoever
 * asked decides what is next.
 */

import { Agent, type Dispatcher, request } from 'undici'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../../store/environment.ts'
import { acmeError, quoteCa } from './acme-error.ts'
import { problemSchema } from './answers.ts'

const bounds = limits.acme

/** What a CA has answered. */
export interface CaAnswer {
  readonly status: number
  /** Keyed by name in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** What the JSON says, or the text when it is none. */
  readonly data: unknown
}

/** How a CA is reached. */
export interface TransportOptions {
  /** The only roots that are trusted, PEM. Default: those of Node. */
  readonly roots?: string | undefined
  /** @default limits.acme.requestMs */
  readonly requestMs?: number | undefined
  readonly environment: Pick<Environment, 'now' | 'monotonic'>
}

/** Requests to one CA. */
export interface Transport extends AsyncDisposable {
  /**
   * Sends one request and takes the answer whole. Follows no redirect, repeats nothing. Rejects with `ERR_ACME` for any
   * failure and for any status from 300 on, but not for a refused nonce, which acme-client looks at itself; with the
   * signal's reason when that aborts.
   */
  send(url: string, method: string, body: unknown, signal: AbortSignal): Promise<CaAnswer>
  /** A nonce that the CA gave with an earlier answer (RFC 8555 section 6.5); undefined when there is none. */
  takeNonce(): string | undefined
}

/** The type of a refused nonce. */
export const badNonce = 'urn:ietf:params:acme:error:badNonce'

/** Connects to nothing until it is asked to. */
export function createTransport(options: TransportOptions): Transport {
  const { environment, roots, requestMs = bounds.requestMs } = options
  const agent = new Agent({
    connect: { timeout: bounds.connectMs, ...(roots !== undefined && { ca: roots }) },
    connections: bounds.connections,
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: bounds.keepAliveMs,
    keepAliveMaxTimeout: bounds.keepAliveMs,
    headersTimeout: requestMs,
    bodyTimeout: requestMs,
  })
  const nonces: { readonly nonce: string; readonly atMs: number }[] = []

  function keepNonce(nonce: string | undefined): void {
    if (!isNonce(nonce)) return
    nonces.push({ nonce, atMs: environment.monotonic() })
    if (nonces.length > bounds.nonces) nonces.shift()
  }

  return {
    async send(url, method, body, signal) {
      const timeout = AbortSignal.timeout(requestMs)
      const both = AbortSignal.any([timeout, signal])
      let answer: CaAnswer
      try {
        answer = await exchange(agent, url, method, body, both)
      } catch (error) {
        signal.throwIfAborted()
        throw toFailure(error, url, timeout.aborted)
      }
      const nonce = answer.headers['replay-nonce']
      if (isBadNonce(answer)) return answer // acme-client takes the nonce out of it by itself.
      // Who asks for a nonce gets this one, and nobody else may take it meanwhile.
      if (method !== 'head') keepNonce(nonce)
      if (answer.status >= 300) throw toProblem(answer, url, environment.now())
      return answer
    },
    takeNonce() {
      for (let newest = nonces.pop(); newest; newest = nonces.pop())
        if (environment.monotonic() - newest.atMs < bounds.nonceMs) return newest.nonce
      return undefined
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** Whether a header is a nonce; what has other characters is to be ignored (RFC 8555 section 6.5.1). */
export function isNonce(value: string | undefined): value is string {
  return value !== undefined && /^[A-Za-z0-9_-]{1,512}$/.test(value)
}

async function exchange(
  dispatcher: Dispatcher,
  url: string,
  method: string,
  body: unknown,
  signal: AbortSignal,
): Promise<CaAnswer> {
  const answer = await request(url, {
    dispatcher,
    method: method.toUpperCase() as Dispatcher.HttpMethod,
    // RFC 8555 section 6.1 wants a User-Agent and Accept-Language, section 6.2 the content type.
    headers: {
      'user-agent': 'grove (acme-client)',
      'accept-language': 'en',
      ...(body !== undefined && { 'content-type': 'application/jose+json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal,
  })
  const headers: Record<string, string | undefined> = {}
  for (const [name, value] of Object.entries(answer.headers)) headers[name] = Array.isArray(value) ? value[0] : value
  const text = await readText(answer.body, url)
  return {
    status: answer.statusCode,
    headers,
    data: parse(text, headers['content-type'] ?? '', answer.statusCode, url),
  }
}

async function readText(body: AsyncIterable<Buffer>, url: string): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > bounds.bodyBytes)
      throw acmeError(`${placeOf(url)} answers with more than ${bounds.bodyBytes} bytes`, { reason: 'answer' })
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function parse(text: string, type: string, status: number, url: string): unknown {
  if (!/^application\/(?:[a-z0-9.-]+\+)?json(?:;|$)/i.test(type)) return text
  try {
    return JSON.parse(text)
  } catch (cause) {
    // An error page of something between us and the CA is told by its status.
    if (status >= 300) return text
    throw acmeError(`${placeOf(url)} answers with JSON that cannot be parsed`, { reason: 'answer' }, { cause })
  }
}

function isBadNonce({ status, data }: CaAnswer): boolean {
  return status === 400 && typeof data === 'object' && data !== null && (data as { type?: unknown }).type === badNonce
}

/** Why a request came to nothing. */
function toFailure(error: unknown, url: string, isLate: boolean): Error {
  if (error instanceof Error && error.name === 'GroveError') return error
  const code = String((error as { code?: unknown } | undefined)?.code ?? '')
  const place = placeOf(url)
  if (isLate || /TIMEOUT|ETIMEDOUT/.test(code))
    return acmeError(`${place} has not answered in time`, { reason: 'timeout' }, { cause: error })
  const message = error instanceof Error ? error.message : String(error)
  const isTrust = /CERT|SIGNED|ISSUER|ALTNAME/.test(code)
  return acmeError(
    `${place} cannot be reached: ${quoteCa(message)}`,
    { reason: 'network' },
    {
      cause: error,
      ...(isTrust && { hint: 'for a CA that is not a public one, name its root certificates in the config: `roots`' }),
    },
  )
}

/** An answer that says no, as an error with what the CA says. */
export function toProblem(answer: CaAnswer, url: string, nowMs: number): Error {
  const { status, headers } = answer
  const problem = problemSchema.safeParse(answer.data).data ?? {}
  const retryAfterMs = parseRetryAfter(headers['retry-after'], nowMs)
  const isLater = status === 429 || (status === 503 && retryAfterMs !== undefined)
  const reason = isLater ? 'limited' : status >= 500 ? 'unavailable' : status < 400 ? 'answer' : 'refused'
  const said = [problem.detail, ...(problem.subproblems ?? []).map(({ detail }) => detail)].filter(Boolean).join('; ')
  return acmeError(`${placeOf(url)} answers ${status}${said ? `: ${quoteCa(said)}` : ''}`, {
    reason,
    status,
    ...(problem.type !== undefined && { type: problem.type }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** The wait that Retry-After asks for, in milliseconds, at most `limits.acme.longestRetryAfterMs` (RFC 9110 10.2.3). */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined
  const waitMs = /^\d+$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - nowMs
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), bounds.longestRetryAfterMs)
}

/** The server of an address, for people: a path may hold what tells orders apart, and is of no use to them. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'the CA'
}
