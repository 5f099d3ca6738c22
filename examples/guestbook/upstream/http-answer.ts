/** Answers of the guestbook: their headers, and refusals with a sentence for the visitor. */

import type { IncomingMessage, ServerResponse } from 'node:http'

/** Headers beside those that every answer has. */
export type MoreHeaders = Readonly<Record<string, string>>

/** A request with what is known of it. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Without the query. */
  readonly path: string
  /** Undefined for a visitor who is not signed in. */
  readonly userId: string | undefined
}

/** An answer other than 2xx; the message is for the visitor. */
export class Refusal extends Error {
  readonly status: number
  readonly headers: MoreHeaders

  constructor(status: number, message: string, headers: MoreHeaders = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

/** Answers with JSON. */
export function sendJson(visit: Visit, status: number, value: unknown, headers: MoreHeaders = {}): void {
  send(visit, status, JSON.stringify(value), { 'content-type': 'application/json; charset=utf-8', ...headers })
}

/** Answers with a page. Its policy allows the site's own style, script, picture and WebSocket, and nothing else. */
export function sendHtml(visit: Visit, status: number, html: string): void {
  send(visit, status, html, { 'content-type': 'text/html; charset=utf-8' })
}

function send({ request, response }: Visit, status: number, body: string, headers: MoreHeaders): void {
  response.writeHead(status, {
    'content-length': Buffer.byteLength(body),
    'cache-control': 'private, no-store',
    'content-security-policy':
      "default-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** The only value of a request's header, or undefined. `name` is in lower case. */
export function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' ? value : undefined
}

/** The origin that the visitor sees, by the word of Grove: it sets both headers and drops those that a visitor sends. */
export function originOf(request: IncomingMessage): string {
  return `${headerOf(request, 'x-forwarded-proto') ?? 'http'}://${request.headers.host ?? ''}`
}
