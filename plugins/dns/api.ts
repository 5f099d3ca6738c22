/**
 * Calls of a provider's HTTP API: each bounded in time and size, repeated when it makes sense, and told of without a
 * word of the credentials.
 *
 * All calls of ours are safe to repeat: what is there already or gone already is taken as done.
 */

import { Agent, request as send } from 'undici'
import { type DnsReason, dnsError } from '../../core/dns-provider.ts'
import { GroveError } from '../../core/errors.ts'
import { oneLine, withoutValues } from './said.ts'

/** Tries of one call, the first wait between them, and the longest that a provider may ask for. */
const tries = 3
const firstRetryMs = 1_000
const longestRetryMs = 60_000
/** The largest answer that is read. */
const answerBytes = 1_048_576

/** How an API is called. */
export interface ApiOptions {
  /** For people: `cloudflare`. */
  readonly provider: string
  /** What all addresses begin with, no `/` at the end. */
  readonly url: string
  readonly timeoutMs: number
  wait(ms: number, signal: AbortSignal): Promise<unknown>
  /** Never told, whatever an answer says. */
  readonly secrets: readonly string[]
  /** What to do about credentials that are not taken. */
  readonly deniedHint: string
  /** What an answer says of its failure, for people. */
  said(answer: ApiAnswer): string
  /** Whether an answer that is not 5xx or 429 is one that gets better with time. */
  isPassing?(answer: ApiAnswer): boolean
  /** Whether an answer that is not 401 or 403 is about the credentials. */
  isDenied?(answer: ApiAnswer): boolean
}

/** One call. */
export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below the API's URL, with the query, as it is sent. */
  readonly path: string
  readonly body?: string
  /** Headers, made anew for each try: signatures tell the time. */
  headers(): Readonly<Record<string, string>>
}

/** An answer of any status that says something: not 401, 403, 429 or 5xx. */
export interface ApiAnswer {
  readonly status: number
  readonly text: string
}

/** Calls of one provider, on connections of their own. */
export interface Api extends AsyncDisposable {
  /** Throws `ERR_DNS`: `denied`, `limited`, `unavailable`, `timeout`, `answer`. */
  call(call: ApiCall, signal: AbortSignal): Promise<ApiAnswer>
  /** The error for an answer that says no. */
  refusal(call: ApiCall, answer: ApiAnswer, reason?: DnsReason, hint?: string): GroveError
}

/** Opens an API. Connects when it is called. */
export function openApi(options: ApiOptions): Api {
  const { provider, url, timeoutMs, wait, isPassing, isDenied, deniedHint } = options
  const agent = new Agent({
    connections: 1,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  })

  function refusal(call: ApiCall, answer: ApiAnswer, reason: DnsReason = 'refused', hint?: string): GroveError {
    const said = oneLine(withoutValues(options.said(answer), options.secrets))
    const message = `${provider} answered ${answer.status} to ${placeOf(call)}${said && `: ${said}`}`
    return dnsError(reason, message, { hint })
  }

  /** One try. Answers how long to wait for the next when it is worth one. */
  async function attempt(
    call: ApiCall,
    signal: AbortSignal,
  ): Promise<ApiAnswer | { fault: GroveError; waitMs?: number }> {
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const { statusCode, headers, body } = await send(`${url}${call.path}`, {
        dispatcher: agent,
        method: call.method,
        headers: { 'user-agent': 'grove', ...call.headers() },
        ...(call.body !== undefined && { body: call.body }),
        signal: AbortSignal.any([timeout, signal]),
      })
      const answer = { status: statusCode, text: await readText(body, provider) }
      if (statusCode === 401 || statusCode === 403 || isDenied?.(answer))
        throw refusal(call, answer, 'denied', deniedHint)
      const isLimit = statusCode === 429
      if (!isLimit && statusCode < 500 && !isPassing?.(answer)) return answer
      const waitMs = waitOf(headers['retry-after'])
      return {
        fault: refusal(call, answer, isLimit ? 'limited' : 'unavailable'),
        ...(waitMs !== undefined && { waitMs }),
      }
    } catch (cause) {
      signal.throwIfAborted()
      if (cause instanceof GroveError) throw cause
      const reason = timeout.aborted || /TIMEOUT/.test(codeOf(cause)) ? 'timeout' : 'unavailable'
      const why = reason === 'timeout' ? 'does not answer' : `cannot be reached: ${codeOf(cause)}`
      // The cause stays behind: it may hold the request with its headers.
      return { fault: dnsError(reason, `${provider} ${why} (${placeOf(call)})`) }
    }
  }

  return {
    refusal,
    async call(call, signal) {
      signal.throwIfAborted()
      for (let count = 1; ; count += 1) {
        const result = await attempt(call, signal)
        if ('status' in result) return result
        const { fault, waitMs = firstRetryMs * 2 ** (count - 1) } = result
        if (count === tries || waitMs > longestRetryMs) throw fault
        await wait(waitMs, signal)
        signal.throwIfAborted()
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** An answer's JSON. Throws `ERR_DNS` (`answer`) for what is none. */
export function toJson({ text }: ApiAnswer, provider: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw dnsError('answer', `${provider} answered what is not JSON`)
  }
}

async function readText(body: AsyncIterable<Buffer>, provider: string): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > answerBytes) throw dnsError('answer', `${provider} answered more than ${answerBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** A query may hold a record's value, which is long and helps nobody. */
function placeOf({ method, path }: ApiCall): string {
  return `${method} ${path.split('?')[0]}`
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return typeof code === 'string' ? code : String(name ?? 'it failed')
}

/** Seconds, or a date: RFC 9110 section 10.2.3. */
function waitOf(value: string | string[] | undefined): number | undefined {
  if (typeof value !== 'string') return undefined
  const waitMs = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs)
}
