/**
 * What a visitor sees when something went wrong: the status in words and the id of the request, as a small page or as
 * JSON. Nothing of the cause: that is in the log, under the same id.
 */

import { STATUS_CODES } from 'node:http'
import { type ErrorCode, toGroveError } from '../core/errors.ts'
import type { Exchange } from '../core/exchange.ts'
import { type HeaderList, joinHeader } from '../core/headers.ts'
import { limits } from '../core/limits.ts'

/** What to answer and to note beside the status. */
export interface ErrorAnswer {
  /** Further headers, such as Allow or Retry-After. */
  readonly headers?: HeaderList
  /** Why, for the access line; never sent. */
  readonly error?: string
}

/** Answers with an error page, unless the exchange has its answer already. Notes that it was an error. */
export function answerError(exchange: Exchange, status: number, { headers = [], error }: ErrorAnswer = {}): void {
  if (exchange.note) {
    exchange.note.how = 'error'
    exchange.note.error = error ?? exchange.note.error
  }
  if (exchange.responded) return
  const wantsJson = prefersJson(joinHeader(exchange.headers, 'accept'))
  const text = STATUS_CODES[status] ?? 'Error'
  const body = wantsJson
    ? `${JSON.stringify({ error: { status, message: text, request: exchange.id } })}\n`
    : page(status, text, exchange.id)
  const own = [
    'content-type',
    wantsJson ? 'application/json; charset=utf-8' : 'text/html; charset=utf-8',
    'cache-control',
    'no-store',
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'x-content-type-options',
    'nosniff',
  ]
  exchange.respond(status, [...own, ...headers], Buffer.from(body))
}

const failureStatus: Partial<Record<ErrorCode, number>> = {
  ERR_BAD_REQUEST: 400,
  ERR_TOO_LARGE: 413,
  ERR_TOO_MANY: 503,
  ERR_UPSTREAM_DOWN: 502,
  ERR_UPSTREAM_SLOW: 504,
}

/** The status with which a visitor learns of a failure: 500 but for those that say something about the request. */
export function statusOfFailure(thrown: unknown): number {
  const { code, details } = toGroveError(thrown)
  const said = code === 'ERR_CODE_FAILED' ? details?.['status'] : undefined
  return typeof said === 'number' ? said : (failureStatus[code] ?? 500)
}

/** Headers that go with it: when to come again, where that is known. */
export function headersOfFailure(thrown: unknown): HeaderList {
  const seconds = toGroveError(thrown).details?.['retryAfterSeconds']
  return typeof seconds === 'number' ? ['retry-after', String(seconds)] : []
}

/** A failure in one line for the access log. */
export function describeFailure(thrown: unknown): string {
  const { code, message } = toGroveError(thrown)
  return `${code}: ${message}`.slice(0, limits.front.noteChars)
}

/** Whether a client asks for JSON more than for a page: programs name JSON, browsers name HTML. */
function prefersJson(accept: string | undefined): boolean {
  if (accept === undefined) return false
  let json = 0
  let html = 0
  for (const range of accept.toLowerCase().split(',').slice(0, limits.front.mediaRanges)) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1) || 0
    if (type === 'application/json' || type.endsWith('+json')) json = Math.max(json, weight)
    else if (type === 'text/html' || type === 'application/xhtml+xml') html = Math.max(html, weight)
  }
  return json > html
}

const style = `
:root { color-scheme: light dark }
body { margin: 0; min-height: 100svh; display: grid; place-content: center; padding: 1.5rem; box-sizing: border-box;
  font: 1rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; text-align: center }
h1 { margin: 0; font-size: clamp(1.5rem, 6vw, 2.5rem); font-weight: 600 }
p { margin: .75rem 0 0; opacity: .7; font-size: .875rem; overflow-wrap: anywhere }
`.replaceAll('\n', '')

/** Ids are `0-9a-z-` and texts come from Node's table: nothing here can be markup. */
function page(status: number, text: string, id: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${status} ${text}</title>
<style>${style}</style>
<h1>${status} ${text}</h1>
<p>Request <code>${id}</code></p>
</html>
`
}
