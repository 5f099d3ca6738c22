/**
 * Between Grove's requests and answers and the web's `Request` and `Response`, for middleware. Bodies stream through
 * with back-pressure.
 */

import { Readable } from 'node:stream'
import { GroveError } from '../core/errors.ts'
import { fromHeaders, toHeaders, withoutHeaders } from '../core/headers.ts'
import type { StreamedAnswer, UpstreamAnswer, UpstreamRequest } from '../core/upstream.ts'
import { disposeBody } from './body-writer.ts'

/** A request as a plugin sees it. Throws `ERR_BAD_REQUEST` for what the web's `Request` cannot be, such as the method TRACK. */
export function toWebRequest(request: UpstreamRequest, origin: string): Request {
  try {
    return new Request(`${origin}${request.target}`, {
      method: request.method,
      headers: toHeaders(request.headers),
      signal: request.signal,
      redirect: 'manual',
      // A body of GET or HEAD has no meaning (RFC 9110 section 9.3.1) and no place in a Request: it passes beside it.
      ...(request.body && !isBodyless(request.method) && { body: toWebStream(request.body), duplex: 'half' }),
    })
  } catch (error) {
    throw new GroveError('ERR_BAD_REQUEST', 'request cannot be given to middleware', { cause: error })
  }
}

/** What a plugin passed on, as a request to the upstream. `asked` and `original` are what the plugins were given. */
export function fromWebRequest(forwarded: Request, asked: Request, original: UpstreamRequest): UpstreamRequest {
  const isSame = forwarded === asked
  const url = new URL(forwarded.url)
  if (isTaken(forwarded)) throw new GroveError('ERR_PLUGIN', 'middleware passed a request on whose body it had read')
  const kept = isBodyless(original.method) && isBodyless(forwarded.method) ? original.body : undefined
  return {
    ...original,
    method: forwarded.method,
    // A URL is normalized on its way through Request; what no plugin replaced goes as the visitor sent it.
    target: isSame || forwarded.url === asked.url ? original.target : `${url.pathname}${url.search}`,
    headers: isSame ? fromHeaders(forwarded.headers) : withoutLength(fromHeaders(forwarded.headers)),
    body: forwarded.body ? fromWebStream(forwarded.body) : kept,
  }
}

/** An upstream's answer as a plugin sees it. */
export function toWebResponse({ status, headers, body }: UpstreamAnswer): Response {
  const mayHaveBody = body !== undefined && status !== 204 && status !== 205 && status !== 304
  if (!mayHaveBody && body instanceof Readable) body.resume()
  const content = body instanceof Readable ? toWebStream(body) : body
  return new Response(mayHaveBody ? content : null, { status, headers: toHeaders(headers) })
}

/** What the plugins answered. `answered` is what the upstream had answered, if it was asked. */
export function fromWebResponse(
  response: Response,
  answered: { readonly answer: UpstreamAnswer; readonly response: Response } | undefined,
): StreamedAnswer {
  if (isTaken(response)) throw new GroveError('ERR_PLUGIN', 'middleware answered with a response that it had read')
  const headers = fromHeaders(response.headers)
  const body = response.body ? fromWebStream(response.body) : undefined
  // What a plugin left unread of the upstream's answer must not hold a connection beyond the answer that it gave.
  const release = () => disposeBody(answered?.answer.body)
  if (body) body.once('close', release)
  else release()
  const isSame = response === answered?.response
  return { status: response.status, headers: isSame ? headers : withoutLength(headers), body }
}

function isBodyless(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** Whether somebody has read the body, or holds a reader of it. */
function isTaken({ body, bodyUsed }: Request | Response): boolean {
  return bodyUsed || body?.locked === true
}

/** Content-Length is true of the old body only; the transport frames the new one. */
function withoutLength(headers: string[]): string[] {
  return withoutHeaders(headers, lengthHeader)
}

const lengthHeader: ReadonlySet<string> = new Set(['content-length'])

/**
 * A body as the web has it, read only when somebody reads. Node's own converter is not used: on Node 24 a stream that is
 * cancelled as it ends throws out of it, past everybody who could catch it.
 */
function toWebStream(body: Readable): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = body.iterator({ destroyOnReturn: false })
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel() {
        body.destroy()
      },
    },
    { highWaterMark: 0 },
  )
}

/** The way back. Destroying it cancels the stream at once, even while a read waits. */
function fromWebStream(stream: ReadableStream): Readable {
  const reader = stream.getReader()
  const body = new Readable({
    read() {
      reader.read().then(
        ({ done, value }) => body.push(done ? null : value),
        (error: Error) => body.destroy(error),
      )
    },
    destroy(error, done) {
      reader.cancel(error).catch(() => {}) // It failed already, and `error` says why.
      done(error)
    },
  })
  body.on('error', () => {}) // It may fail before whoever takes it listens; they then find it destroyed.
  return body
}
