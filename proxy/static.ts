/**
 * Static answers: GET and HEAD of what the table has (RFC 9110 sections 9.3.1, 13, 14 and 15).
 *
 * A file that is in memory is answered at once, and nothing is made on the way but what the answer needs. Whatever else
 * is needed (a file from disk, parts of it, a failure) may take its time. Every answer names its version, errors too.
 */

import type { Exchange, FileSlice } from '../core/exchange.ts'
import { type HeaderList, joinHeader } from '../core/headers.ts'
import { preferenceOf } from './accept-encoding.ts'
import { type BlobCache, isNotWhole } from './blob-cache.ts'
import { evaluatePreconditions, ifRangeHolds } from './conditional.ts'
import { answerError, type ErrorAnswer } from './error-page.ts'
import { multipartBody } from './multipart.ts'
import { contentRange, parseRange, type RangeRequest, rangeBytes, unsatisfiedRange } from './ranges.ts'
import type { Representation, StaticEntry, StaticFile, StaticRedirect, StaticTable } from './table.ts'

/** Answers a GET or HEAD of an entry of the table. Reports a content that cannot be read in the exchange's note. */
export function serveStatic(exchange: Exchange, table: StaticTable, entry: StaticEntry, cache: BlobCache): void {
  if (entry.kind === 'redirect') {
    redirect(exchange, table, entry)
    return
  }
  const { headers } = exchange
  let acceptEncoding: string | undefined
  let ifMatch: string | undefined
  let ifNoneMatch: string | undefined
  let ifRange: string | undefined
  let range: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    switch (headers[i]) {
      case 'accept-encoding':
        acceptEncoding = joined(acceptEncoding, headers[i + 1])
        break
      case 'if-match':
        ifMatch = joined(ifMatch, headers[i + 1])
        break
      case 'if-none-match':
        ifNoneMatch = joined(ifNoneMatch, headers[i + 1])
        break
      // These two are no lists: sent twice, they are joined to something that is not well-formed, and ignored.
      case 'if-range':
        ifRange = joined(ifRange, headers[i + 1])
        break
      case 'range':
        range = joined(range, headers[i + 1])
        break
    }
  }
  const representation = entry.select(preferenceOf(acceptEncoding))
  if (representation === undefined) {
    answerStaticError(exchange, table.label, 406, { headers: ['vary', 'Accept-Encoding'] })
    return
  }
  const precondition = evaluatePreconditions(ifMatch, ifNoneMatch, representation.etag)
  if (precondition === 'not-modified') exchange.respond(304, representation.validatorHeaders)
  else if (precondition === 'failed') respondEmpty(exchange, 412, ['grove-version', table.label])
  else if (exchange.method === 'HEAD') exchange.respond(200, representation.headers)
  else if (range === undefined) respondWith(exchange, entry, representation, cache, 200)
  else respondRange(exchange, entry, representation, cache, rangeOf(representation, range, ifRange))
}

/**
 * Answers a path where nothing is with 404 and the site's nearest `404.html`, or a page of our own where there is none
 * that the client takes. No precondition and no range is looked at: they count for answers of 2xx only (RFC 9110
 * sections 13.2.1 and 14.2), and there is no entity tag.
 */
export function serveNotFound(exchange: Exchange, table: StaticTable, cache: BlobCache): void {
  const page = table.notFound(exchange.path)
  const representation = page?.select(preferenceOf(joinHeader(exchange.headers, 'accept-encoding')))
  if (page === undefined || representation === undefined) answerStaticError(exchange, table.label, 404)
  else if (exchange.method === 'HEAD') exchange.respond(404, headersFor(representation, 404))
  else respondWith(exchange, page, representation, cache, 404)
}

/** Answers a method that static content does not have with 405 (RFC 9110 section 15.5.6). */
export function answerMethodNotAllowed(exchange: Exchange, table: StaticTable): void {
  answerStaticError(exchange, table.label, 405, { headers: ['allow', 'GET, HEAD'] })
}

function joined(first: string | undefined, next: string | undefined): string | undefined {
  return first === undefined ? next : `${first}, ${next}`
}

/**
 * 308 keeps the method and may be cached for ever (RFC 9110 section 15.4.9), so it says that it must be asked for again:
 * the next version may have a file there.
 */
function redirect(exchange: Exchange, table: StaticTable, entry: StaticRedirect): void {
  const location = encodePath(entry.folder) + exchange.query
  const cacheControl = 'public, max-age=0, must-revalidate'
  respondEmpty(exchange, 308, ['location', location, 'cache-control', cacheControl, 'grove-version', table.label])
}

/** Percent-encodes what may not stand in a URL's path (RFC 3986 section 3.3); slashes stay. */
function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

function rangeOf(representation: Representation, range: string, ifRange: string | undefined): RangeRequest {
  if (!ifRangeHolds(ifRange, representation.etag)) return 'ignore'
  const request = parseRange(range, representation.bytes)
  // Content-Encoding on a multipart body would name the coding of the parts, and clients would decode the whole.
  return typeof request === 'object' && request.length > 1 && representation.coding !== 'identity' ? 'ignore' : request
}

/** All headers of an answer that has the whole content. */
function headersFor(representation: Representation, status: 200 | 404): HeaderList {
  if (status === 200) return representation.headers
  // The entity tag is the first of the validator headers.
  const list = representation.validatorHeaders.slice(2).concat(representation.contentHeaders)
  list.push('content-length', String(representation.bytes))
  return list
}

function respondRange(
  exchange: Exchange,
  file: StaticFile,
  representation: Representation,
  cache: BlobCache,
  request: RangeRequest,
): void {
  const { bytes, label } = representation
  if (request === 'ignore') respondWith(exchange, file, representation, cache, 200)
  else if (request === 'unsatisfiable')
    respondEmpty(exchange, 416, [
      ...['content-range', unsatisfiedRange(bytes), 'grove-version', label, 'accept-ranges', 'bytes'],
    ])
  else {
    const content = cache.peek(representation)
    if (content === undefined) void respondFromDisk(exchange, { file, representation, cache, status: 200, request })
    else respondParts(exchange, representation, content, request)
  }
}

/** Answers with the whole content, at once when it is in memory. */
function respondWith(
  exchange: Exchange,
  file: StaticFile,
  representation: Representation,
  cache: BlobCache,
  status: 200 | 404,
): void {
  const content = cache.peek(representation)
  if (content === undefined) void respondFromDisk(exchange, { file, representation, cache, status, request: 'ignore' })
  else exchange.respond(status, headersFor(representation, status), content)
}

/** An answer that has to wait for its content. */
interface Waiting {
  readonly file: StaticFile
  readonly representation: Representation
  readonly cache: BlobCache
  /** Of an answer that has all of it. */
  readonly status: 200 | 404
  readonly request: Exclude<RangeRequest, 'unsatisfiable'>
}

async function respondFromDisk(exchange: Exchange, waiting: Waiting): Promise<void> {
  const { file, representation, cache, status, request } = waiting
  try {
    const content = await cache.load(representation)
    if (request === 'ignore') exchange.respond(status, headersFor(representation, status), content)
    else respondParts(exchange, representation, content, request)
  } catch (error) {
    const plain = representation.coding !== 'identity' && isNotWhole(error) ? plainOf(exchange, file) : undefined
    // A range of one representation is none of another; that one was asked for may be ignored (RFC 9110 section 14.2).
    if (plain && !exchange.responded) respondWith(exchange, file, plain, cache, status)
    else respondFailure(exchange, representation.label, error)
  }
}

/** The file as it is, for a client whose copy is not there. */
function plainOf(exchange: Exchange, file: StaticFile): Representation | undefined {
  return file.plain(preferenceOf(joinHeader(exchange.headers, 'accept-encoding')))
}

function respondParts(
  exchange: Exchange,
  representation: Representation,
  content: Buffer | FileSlice,
  ranges: Exclude<RangeRequest, string>,
): void {
  const { bytes, type, validatorHeaders, contentHeaders } = representation
  const [only, second] = ranges
  if (only !== undefined && second === undefined) {
    const length = rangeBytes(only)
    const part = Buffer.isBuffer(content)
      ? content.subarray(only.first, only.last + 1)
      : { fd: content.fd, offset: content.offset + only.first, length }
    const rangeHeaders = ['content-range', contentRange(only, bytes), 'content-length', String(length)]
    exchange.respond(206, [...validatorHeaders, ...contentHeaders, ...rangeHeaders], part)
    return
  }
  const multipart = multipartBody(content, ranges, bytes, type)
  const bodyHeaders = ['content-type', multipart.type, 'content-length', String(multipart.bytes)]
  exchange.respond(206, [...validatorHeaders, ...bodyHeaders], multipart.body)
}

function respondEmpty(exchange: Exchange, status: number, headers: string[]): void {
  headers.push('content-length', '0')
  exchange.respond(status, headers)
}

/**
 * What may pass by itself: no file descriptors or memory left, a content that could not be had in time, or that came with
 * wrong bytes and is asked for anew the next time.
 */
const passingErrors: ReadonlySet<unknown> = new Set([
  ...['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'],
  ...['ERR_BLOB_CORRUPT', 'ERR_CLOSED', 'ERR_OBJECTS', 'ERR_TIMEOUT', 'ERR_TOO_MANY'],
])

/** The reason goes to the operator; the visitor learns the status and the request's id. */
function respondFailure(exchange: Exchange, label: string, thrown: unknown): void {
  const { code, message } = thrown as NodeJS.ErrnoException
  if (passingErrors.has(code))
    answerStaticError(exchange, label, 503, { headers: ['retry-after', '2'], error: message })
  else answerStaticError(exchange, label, 500, { error: message })
}

/** An error page of a version: `label` names it. */
function answerStaticError(exchange: Exchange, label: string, status: number, answer: ErrorAnswer = {}): void {
  answerError(exchange, status, { ...answer, headers: ['grove-version', label, ...(answer.headers ?? [])] })
}
