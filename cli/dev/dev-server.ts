/**
 * The HTTP server of `grove dev`: files and code by the routing of a front, and what goes wrong as pages for whoever wrote
 * it. For this machine alone: it listens to its loopback address, and answers only those who ask for this machine's name,
 * so that no page of a stranger can read it by a name of its own that leads here (DNS rebinding).
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type CodeRoute, routeOf } from '../../core/code-routes.ts'
import { GroveError, toGroveError } from '../../core/errors.ts'
import type { Exchange } from '../../core/exchange.ts'
import { getHeader, type HeaderList } from '../../core/headers.ts'
import { limits } from '../../core/limits.ts'
import { CodePassed } from '../../proxy/code-failures.ts'
import { shakeWithCode } from '../../proxy/code-socket.ts'
import type { CodeUpstream } from '../../proxy/code-upstream.ts'
import { headersOfFailure, statusOfFailure } from '../../proxy/error-page.ts'
import { forwardAnswerHeaders, forwardRequestHeaders } from '../../proxy/forward-headers.ts'
import { visitedOrigin } from '../../proxy/visited-origin.ts'
import { handshakeFault } from '../../proxy/web-socket-handshake.ts'
import { badTarget, createDevExchange, nameOf, writeAnswer } from './dev-exchange.ts'
import type { DevFiles } from './dev-folder.ts'
import { type DevFault, faultPage, faultText } from './dev-page.ts'
import { type DevReload, isShownPage, reloadTail, wantsPage } from './dev-reload.ts'
import { devSite } from './dev-sandbox.ts'

/** A site as it is served at the moment. */
export interface DevServed {
  readonly files: DevFiles
  readonly routes: readonly CodeRoute[]
  /** Undefined for a site without code. */
  readonly code: CodeUpstream | undefined
  /** Why the code in the folder is not in force: then nothing goes to code. */
  readonly fault: DevFault | undefined
}

/** What the server is made with. */
export interface DevServerOptions {
  readonly served: () => DevServed
  /** What went wrong with a request that the code did not answer, for its page. */
  readonly faultOf: (error: GroveError, request: string) => Promise<DevFault>
  /** Told of each answer that did not come from files, once it has begun. */
  readonly answered: (exchange: Exchange, status: number, ms: number) => void
  /** Undefined: pages do not reload. */
  readonly reload: DevReload | undefined
}

/** Names of this machine, for itself. */
const ownNames = /^(?:localhost|(?:[a-z0-9-]+\.)+localhost|127\.0\.0\.1|\[::1\])$/
const address = '127.0.0.1'

/** Serves on a port, 0 for one that is free. Answers the port. Throws `ERR_PORT`. */
export async function listenDev(port: number, options: DevServerOptions): Promise<{ server: Server; port: number }> {
  const server = createServer({ requestTimeout: 0 }, (request, response) => handle(request, response, options))
  server.on('upgrade', (request, socket, head) => upgrade(request, socket, head, options))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program has it' : error.message
      reject(
        new GroveError('ERR_PORT', `cannot listen on port ${port}: ${why}`, {
          cause: error,
          hint: 'choose another with --port, or a free one with --port 0',
        }),
      )
    })
    server.listen(port, address, resolve)
  })
  return { server, port: (server.address() as { port: number }).port }
}

function handle(request: IncomingMessage, response: ServerResponse, options: DevServerOptions): void {
  const refuse = (status: number, text: string) => {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
  }
  if (!ownNames.test(nameOf(request.headers.host))) {
    refuse(421, 'grove dev answers only to localhost: open it by that name')
    return
  }
  const exchange = createDevExchange(request, (status, headers, body) => {
    const tail = options.reload && isShownPage(made, status, headers) ? reloadTail : ''
    writeAnswer(response, status, headers, body as Parameters<typeof writeAnswer>[3], tail)
  })
  if (exchange === badTarget) {
    refuse(400, badTarget)
    return
  }
  const made = exchange
  if (options.reload?.answer(exchange.path, response)) return
  const startedAtMs = performance.now()
  answer(exchange, options).catch((error: unknown) => fail(exchange, toGroveError(error), startedAtMs, options))
}

/** The routing of a front: a file is served unless a route says otherwise, and the rest goes to the code. */
async function answer(exchange: Exchange, options: DevServerOptions): Promise<void> {
  const { files, routes, code, fault } = options.served()
  const { path, query, headers, method } = exchange
  const route = routeOf(routes, path)
  const isRead = method === 'GET' || method === 'HEAD'
  const found =
    isRead && route !== 'code'
      ? await files.answer({ path, query, ifNoneMatch: getHeader(headers, 'if-none-match') })
      : undefined
  if (found) exchange.respond(found.status, found.headers, found.body)
  else if (fault && route !== 'static') respondFault(exchange, 500, fault)
  else if (code && route !== 'static') await answerByCode(exchange, code, options)
  else await answerWithout(exchange, options)
}

async function answerByCode(exchange: Exchange, code: CodeUpstream, options: DevServerOptions): Promise<void> {
  const { id, method, target, body, signal } = exchange
  const startedAtMs = performance.now()
  try {
    const { hostport } = originOf(exchange)
    const answered = await code.send({
      ...{ id, method, scheme: 'http', authority: hostport, target, body, signal },
      headers: forwarded(exchange),
      timeoutMs: limits.dev.headMs,
    })
    options.answered(exchange, answered.status, performance.now() - startedAtMs)
    exchange.respond(answered.status, forwardAnswerHeaders(answered.headers, false), answered.body)
  } catch (error) {
    if (!(error instanceof CodePassed)) throw error
    await answerFromFiles(exchange, options)
  }
}

/** As if the site had no code. */
async function answerFromFiles(exchange: Exchange, options: DevServerOptions): Promise<void> {
  const { path, query, method } = exchange
  const isRead = method === 'GET' || method === 'HEAD'
  const found = isRead ? await options.served().files.answer({ path, query, ifNoneMatch: undefined }) : undefined
  if (found) exchange.respond(found.status, found.headers, found.body)
  else await answerWithout(exchange, options)
}

async function answerWithout(exchange: Exchange, options: DevServerOptions): Promise<void> {
  const { path, method, query } = exchange
  const { files } = options.served()
  const isRead = method === 'GET' || method === 'HEAD'
  if (!isRead && (await files.answer({ path, query, ifNoneMatch: undefined }))) {
    exchange.respond(405, ['allow', 'GET, HEAD'])
    return
  }
  const page = await files.notFound(path)
  if (page) exchange.respond(page.status, page.headers, page.body)
  else {
    const text = `there is no file for ${path}, and no code that answers it`
    const hint =
      'put a file there, or a handler into _worker.js; 404.html is shown instead of this page once it is there'
    respondFault(exchange, 404, { title: '404 Not Found', text, hint })
  }
}

async function fail(
  exchange: Exchange,
  error: GroveError,
  startedAtMs: number,
  options: DevServerOptions,
): Promise<void> {
  if (exchange.signal.aborted || exchange.responded) return
  const ms = performance.now() - startedAtMs
  const fault = await options.faultOf(error, exchange.id)
  const status = statusOfFailure(error)
  options.answered(exchange, status, ms)
  respondFault(exchange, status, fault, headersOfFailure(error))
}

function respondFault(exchange: Exchange, status: number, fault: DevFault, headers: HeaderList = []): void {
  const isPage = wantsPage(exchange.headers)
  const body = isPage ? faultPage(fault) : faultText(fault)
  const type = isPage ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8'
  exchange.respond(status, [...headers, 'content-type', type, 'cache-control', 'no-store'], Buffer.from(body))
}

function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, options: DevServerOptions): void {
  const refuse = (status: number, headers: HeaderList = []) => {
    const lines = headers.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${headers[index + 1]}`] : []))
    socket.end([`HTTP/1.1 ${status} Refused`, 'connection: close', 'content-length: 0', ...lines, '', ''].join('\r\n'))
  }
  socket.on('error', () => {}) // Its close is what counts.
  const exchange = createDevExchange(request, (status, headers) => refuse(status, headers))
  if (exchange === badTarget || !ownNames.test(nameOf(request.headers.host))) {
    refuse(400)
    return
  }
  const { code, fault, routes } = options.served()
  const wrong = handshakeFault(exchange)
  const upstream = fault || routeOf(routes, exchange.path) === 'static' ? undefined : code
  if (wrong) refuse(wrong.status, wrong.headers)
  else if (!upstream) refuse(404)
  else {
    const { signal } = exchange
    const handshake = { exchange, connection: { request, socket, head }, upstream, timeoutMs: limits.dev.headMs }
    void shakeWithCode({ ...handshake, headers: forwarded(exchange) }, signal)
  }
}

const originOf = (exchange: Exchange) => visitedOrigin(exchange, 0)

function forwarded(exchange: Exchange): HeaderList {
  return forwardRequestHeaders(exchange.headers, {
    requestId: exchange.id,
    site: devSite,
    origin: originOf(exchange),
    clientAddress: exchange.clientAddress,
    httpVersion: exchange.httpVersion,
  })
}
