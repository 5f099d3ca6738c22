/**
 * The control socket: HTTP/1.1 with JSON over a Unix socket of mode 0600, as core/admin-api.ts says.
 *
 * Whoever can open the socket is the operator, unless the request carries a token: then it has the rights of the token
 * and no others (control/authorize.ts). It defends against other users of the machine and, by refusing every request with an `Origin`, against a browser that is led here through some proxy. It
 * cannot defend against a process of the operator's own account. Bodies are bounded and checked before use.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { z } from 'zod'
import { GroveError, toGroveError, toPlainError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { listenPrivately } from '../core/private-socket.ts'
import type { Handle } from '../store/store.ts'
import { tokenOf } from './bearer.ts'

/** One request, as a route sees it. */
export interface AdminRequest {
  /** Decoded values of the pattern's `:names`; `*` is the rest. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The token that it came with, unchecked; undefined for the operator. */
  readonly handle: Handle | undefined
  /** The body as it comes. Errors when the client goes away. */
  readonly body: AsyncIterable<Uint8Array>
  /** The length that the client announced, if it did. */
  readonly bodyBytes: number | undefined
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
  /** The body as JSON of a schema, also when asked again; an empty one is `{}`. Throws `ERR_BAD_REQUEST`, `ERR_TOO_LARGE`. */
  json<T>(schema: z.ZodType<T>): Promise<T>
}

/** One kind of request. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** `/sites/:name/versions`; a last `*` takes one or more segments. */
  readonly pattern: string
  /** Its result is the answer: a value as JSON, or {@link Lines}; a throw is the error. */
  readonly run: (request: AdminRequest) => Promise<unknown>
}

/** An answer of many values, one JSON text a line, sent as they come. */
export class Lines {
  readonly values: AsyncIterable<unknown>
  /** Whether somebody waits for each of them: they are not gathered to be sent together. */
  readonly live: boolean

  constructor(values: AsyncIterable<unknown>, { live = false }: { readonly live?: boolean } = {}) {
    this.values = values
    this.live = live
  }
}

/** What the control socket is made with. */
export interface AdminOptions {
  /** Path of the socket. */
  readonly socket: string
  readonly routes: readonly AdminRoute[]
  readonly log: Logger
}

/** The control socket, listening. */
export class AdminServer implements AsyncDisposable {
  readonly #options: AdminOptions
  readonly #server: Server

  private constructor(options: AdminOptions) {
    this.#options = options
    this.#server = createServer({ headersTimeout: limits.admin.headersTimeoutMs }, (request, response) => {
      void this.#answer(request, response)
    })
    this.#server.requestTimeout = limits.admin.requestTimeoutMs
    this.#server.maxConnections = limits.admin.connections
  }

  /** Listens on the socket. Throws `ERR_PORT`. */
  static async listen(options: AdminOptions): Promise<AdminServer> {
    const admin = new AdminServer(options)
    await listenPrivately(admin.#server, options.socket)
    return admin
  }

  /** Stops: what is under way is cut off, so callers should have been answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = (await this.#run(request, response)) ?? {}
      if (answer instanceof Lines) await this.#sendLines(response, answer)
      else send(response, 200, answer)
    } catch (thrown) {
      const error = toGroveError(thrown)
      const facts = { method: request.method, path: request.url?.slice(0, 200) }
      if (error.status >= 500) this.#options.log.error({ err: error, ...facts }, 'control request failed')
      const { code, message, details, hint } = error
      // What was not read of the body would be taken for the next request.
      if (!request.complete) response.setHeader('connection', 'close')
      send(response, error.status, { error: { code, message, details, hint } })
    }
  }

  /** The status is sent by the time that something can fail, so the last line says how it ended. */
  async #sendLines(response: ServerResponse, { values, live }: Lines): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    let last: unknown = { end: true }
    try {
      for await (const value of batches(values, live)) {
        if (response.destroyed) return
        if (!response.write(value)) await onceDrained(response)
      }
    } catch (thrown) {
      const error = toGroveError(thrown)
      this.#options.log.warn({ err: error }, 'control request failed midway')
      last = { error: toPlainError(error) }
    }
    response.end(`${JSON.stringify(last)}\n`)
  }

  async #run(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    if (request.headers.origin !== undefined)
      throw new GroveError('ERR_DENIED', 'the control socket takes no requests of web pages')
    const { segments, query } = parseTarget(request.url ?? '')
    for (const route of this.#options.routes) {
      if (route.method !== request.method) continue
      const params = matchPattern(route.pattern, segments)
      if (params) return route.run(toAdminRequest(request, response, params, query))
    }
    throw new GroveError('ERR_NOT_FOUND', `there is no ${request.method} ${request.url?.slice(0, 200)}`)
  }
}

function toAdminRequest(
  request: IncomingMessage,
  response: ServerResponse,
  params: Record<string, string>,
  query: URLSearchParams,
): AdminRequest {
  const gone = new AbortController()
  response.once('close', () => gone.abort(new GroveError('ERR_CLOSED', 'the client went away')))
  const announced = request.headers['content-length']
  let text: Promise<string> | undefined
  return {
    params,
    query,
    handle: tokenOf(request.headers.authorization),
    body: withoutDestroy(request),
    bodyBytes: announced === undefined ? undefined : Number(announced),
    signal: gone.signal,
    async json(schema) {
      text ??= readText(request)
      return parseJson(await text, schema)
    },
  }
}

function parseTarget(target: string): { segments: string[]; query: URLSearchParams } {
  const [path = '', query = ''] = target.split('?', 2)
  if (!path.startsWith('/')) throw new GroveError('ERR_BAD_REQUEST', 'the target does not start with /')
  try {
    return { segments: path.slice(1).split('/').map(decodeURIComponent), query: new URLSearchParams(query) }
  } catch (error) {
    throw new GroveError('ERR_BAD_REQUEST', 'the target is not percent-encoded UTF-8', { cause: error })
  }
}

function matchPattern(pattern: string, segments: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {}
  const parts = pattern.slice(1).split('/')
  for (const [index, part] of parts.entries()) {
    const segment = segments[index]
    if (segment === undefined) return undefined
    if (part === '*') return { ...params, '*': segments.slice(index).join('/') }
    if (part.startsWith(':')) params[part.slice(1)] = segment
    else if (part !== segment) return undefined
  }
  return segments.length === parts.length ? params : undefined
}

async function readText(request: IncomingMessage): Promise<string> {
  const tooLarge = () => new GroveError('ERR_TOO_LARGE', `body of more than ${limits.admin.jsonBytes} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > limits.admin.jsonBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of withoutDestroy(request)) {
    bytes += chunk.length
    if (bytes > limits.admin.jsonBytes) throw tooLarge()
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (error) {
    throw new GroveError('ERR_BAD_REQUEST', 'the body is not UTF-8', { cause: error })
  }
}

/** A body whose reader may stop midway: the connection stays, so that the error can be answered. */
function withoutDestroy(request: IncomingMessage): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => request.iterator({ destroyOnReturn: false }) }
}

function parseJson<T>(text: string, schema: z.ZodType<T>): T {
  let value: unknown
  try {
    value = text === '' ? {} : JSON.parse(text)
  } catch (error) {
    throw new GroveError('ERR_BAD_REQUEST', 'the body is not JSON', { cause: error })
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.slice(0, limits.admin.faults).map(({ path, message }) => ({
    path: path.join('.'),
    message,
  }))
  const [first] = faults
  throw new GroveError('ERR_BAD_REQUEST', `the body does not fit: ${first?.path || 'it'}: ${first?.message}`, {
    details: { faults },
    cause: parsed.error,
  })
}

/** Lines in pieces of some size: one write for each line would cost more than the line. */
async function* batches(values: AsyncIterable<unknown>, live: boolean): AsyncGenerator<string> {
  let text = ''
  for await (const value of values) {
    text += `${JSON.stringify(value)}\n`
    if (text.length < lineBatchChars && !live && !isProgress(value)) continue
    yield text
    text = ''
  }
  if (text !== '') yield text
}

const lineBatchChars = 65_536

/** What people wait for is sent at once. */
function isProgress(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'progress' in value
}

/** Resolves when more can be written, or the client is gone. */
function onceDrained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve).once('close', resolve)
  return promise
}

function send(response: ServerResponse, status: number, answer: unknown): void {
  const body = Buffer.from(JSON.stringify(answer))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
}
