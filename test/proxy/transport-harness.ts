/** A transport on real sockets for tests, and clients that talk to it: HTTP/1.1, HTTP/2, and raw bytes. */

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { Agent, request as requestHttps } from 'node:https'
import { BlockList, connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type ConnectionOptions, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import { pino } from 'pino'
import type { Test } from 'tap'
import { type OwnCa, openOwnCa } from '../../certs/own-ca.ts'
import type { Exchange, Outcome } from '../../core/exchange.ts'
import type { ClientRule, ListenerName } from '../../core/messages.ts'
import { beginNote } from '../../proxy/access-log.ts'
import { createTransport } from '../../proxy/listen.ts'
import type { HttpLimits, Rejection, Transport, UpgradeConnection } from '../../proxy/transport.ts'

/** What a test wants of its transport. */
export interface HarnessOptions {
  readonly handle?: (exchange: Exchange) => void
  readonly upgrade?: (exchange: Exchange, connection: UpgradeConnection) => void
  readonly limits?: Partial<HttpLimits>
  readonly trusted?: readonly string[]
  readonly ticketKeys?: Buffer
  readonly ca?: OwnCa
  readonly listeners?: readonly ListenerName[]
  readonly hsts?: string
  /** What sites ask visitors for, keyed by name. */
  readonly clients?: Map<string, ClientRule>
}

/** A transport that listens, and what it told. */
export interface Harness {
  readonly transport: Transport
  readonly ca: OwnCa
  readonly ports: Readonly<Record<ListenerName, number>>
  readonly exchanges: readonly Exchange[]
  readonly finished: ReadonlyArray<{ readonly exchange: Exchange; readonly outcome: Outcome }>
  readonly rejected: readonly Rejection[]
  /** Resolves when a condition holds; looked at after each event of the transport and each turn of the event loop. */
  until(what: () => boolean): Promise<void>
}

/** Settings of a transport whose sites ask visitors for no certificates. */
export const noClientRules = { hasClientRules: false, clientRule: () => undefined }

/** The sites of every harness. */
export const served: readonly string[] = ['blog.localhost', 'shop.localhost']

/** Starts a transport; the test ends it. By default everything is answered with 200 and the path. */
export async function startTransport(t: Test, options: HarnessOptions = {}): Promise<Harness> {
  const ca = options.ca ?? (await openTestCa(t))
  const contexts = new Map<string, SecureContext>()
  const makeContext = async (name: string, roots?: string) => {
    const { chain, key } = await ca.issue(name)
    return createSecureContext({ cert: chain, key, ...(roots !== undefined && { ca: roots }) })
  }
  for (const name of served) contexts.set(name, await makeContext(name))
  const trustedProxies = new BlockList()
  for (const address of options.trusted ?? []) trustedProxies.addAddress(address)
  const exchanges: Exchange[] = []
  const finished: { exchange: Exchange; outcome: Outcome }[] = []
  const rejected: Rejection[] = []
  const answerPath = (exchange: Exchange) => exchange.respond(200, ['x-id', exchange.id], Buffer.from(exchange.path))
  const transport = createTransport({
    secureContext: async (name) => {
      const roots = options.clients?.get(name)?.roots
      return roots === undefined ? contexts.get(name) : makeContext(name, roots)
    },
    ticketKeys: options.ticketKeys ?? Buffer.alloc(48, 7),
    begun: (exchange) => {
      exchange.note = beginNote(exchange.authority, 1)
    },
    handle: (exchange) => {
      exchanges.push(exchange)
      ;(options.handle ?? answerPath)(exchange)
    },
    upgrade: (exchange, connection) => {
      exchanges.push(exchange)
      if (options.upgrade) options.upgrade(exchange, connection)
      else exchange.respond(404, [])
    },
    finished: (exchange, outcome) => void finished.push({ exchange, outcome }),
    rejected: (rejection) => void rejected.push(rejection),
    settings: () => ({
      httpsPort: 8443,
      hsts: options.hsts,
      trustedProxies,
      serves: (name) => served.includes(name),
      hasClientRules: (options.clients?.size ?? 0) > 0,
      clientRule: (name) => options.clients?.get(name),
    }),
    log: pino({ level: 'silent' }),
    ...(options.limits && { limits: options.limits }),
  })
  const ports: Record<ListenerName, number> = { https: 0, http: 0, plain: 0 }
  for (const name of options.listeners ?? ['https', 'http', 'plain']) {
    const { port } = await transport.listen(name, name, { port: 0, host: '127.0.0.1' })
    ports[name] = port
  }
  t.teardown(() => transport.drain(0))
  return { transport, ca, ports, exchanges, finished, rejected, until }
}

/** A CA in a folder of its own: `t.testdir` would empty the one that the test may be using. */
export async function openTestCa(t: Test): Promise<OwnCa> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-transport-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return openOwnCa(folder)
}

/** Resolves when a condition holds. The test's own time limit is the bound. */
export async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** One raw connection. */
export interface RawConnection {
  readonly socket: Socket
  /** All that has arrived, as latin1. */
  readonly text: string
  readonly closed: boolean
  send(bytes: string | Buffer): void
  /** Resolves with all that arrived once the other end has closed. */
  whole(): Promise<string>
  /** Resolves when the text that arrived holds this. */
  has(text: string): Promise<string>
}

/** Opens a raw TCP connection, or a raw TLS one when options for it are given. */
export async function connectRaw(port: number, tls?: ConnectionOptions): Promise<RawConnection> {
  const socket: Socket = tls ? connectTls({ port, host: '127.0.0.1', ...tls }) : connectTcp(port, '127.0.0.1')
  let seen = ''
  let closed = false
  socket.on('data', (chunk) => {
    seen += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  await new Promise<void>((resolve, reject) => {
    socket.once(tls ? 'secureConnect' : 'connect', resolve)
    socket.once('error', reject)
  })
  const wait = async (what: () => boolean) => {
    await until(() => what() || closed)
    return seen
  }
  return {
    socket,
    get text() {
      return seen
    },
    get closed() {
      return closed
    },
    send: (bytes) => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    whole: () => wait(() => false),
    has: (text) => wait(() => seen.includes(text)),
  }
}

/** TLS options for a raw or HTTP/2 client. */
export function tlsFor(harness: Harness, options: ConnectionOptions = {}): ConnectionOptions {
  return { ca: harness.ca.rootPem, servername: 'blog.localhost', ...options }
}

/** A request for either version of HTTP. */
export interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string | Buffer | Readable
}

/** What came back; `cut` when the answer was broken off, with a status of 0 when not even its head arrived. */
export interface Received {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly cut: boolean
}

const nothing: Received = { status: 0, headers: {}, body: '', cut: true }

/** A client of one version of HTTP, on one connection as long as the server lets it. */
export interface Client {
  send(request: Sent): Promise<Received>
  close(): void
}

/** A client of HTTP/1.1 or HTTP/2 over TLS. */
export function openClient(version: '1.1' | '2.0', harness: Harness): Client {
  return version === '1.1' ? openHttp1(harness) : openHttp2(harness)
}

function openHttp1(harness: Harness): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ...(tlsFor(harness) as { ca: string }) })
  return {
    close: () => agent.destroy(),
    send: ({ method = 'GET', path = '/', headers = {}, body }) =>
      new Promise((resolve) => {
        const request = requestHttps({
          agent,
          method,
          path,
          host: '127.0.0.1',
          port: harness.ports.https,
          servername: 'blog.localhost',
          headers: { host: 'blog.localhost', ...headers },
        })
        request.on('error', () => resolve(nothing))
        request.on('response', (response) => {
          let seen = ''
          response.setEncoding('latin1')
          response.on('data', (chunk: string) => {
            seen += chunk
          })
          response.on('error', () => {})
          response.on('close', () => {
            const { statusCode = 0, headers, complete } = response
            resolve({ status: statusCode, headers, body: seen, cut: !complete })
          })
        })
        if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body)) body.pipe(request)
        else request.end(body)
      }),
  }
}

function openHttp2(harness: Harness): Client {
  let session: ClientHttp2Session | undefined
  const connected = () => {
    if (session && !session.closed && !session.destroyed) return session
    session = connectHttp2(`https://blog.localhost:${harness.ports.https}`, {
      createConnection: () =>
        connectTls({ port: harness.ports.https, host: '127.0.0.1', ALPNProtocols: ['h2'], ...tlsFor(harness) }),
    })
    session.on('error', () => {})
    return session
  }
  return {
    close: () => session?.destroy(),
    send: ({ method = 'GET', path = '/', headers = {}, body }) =>
      new Promise((resolve) => {
        const stream = connected().request(
          { ':method': method, ':path': path, ':authority': 'blog.localhost', ...headers },
          { endStream: body === undefined },
        )
        let answer: IncomingHttpHeaders & { ':status'?: number | undefined } = {}
        let seen = ''
        let ended = false
        stream.on('response', (response) => {
          answer = response
        })
        stream.setEncoding('latin1')
        stream.on('data', (chunk: string) => {
          seen += chunk
        })
        stream.on('end', () => {
          ended = true
        })
        stream.on('error', () => {})
        stream.on('close', () => {
          const status = answer[':status'] ?? 0
          resolve({ status, headers: answer, body: seen, cut: status === 0 || !ended || stream.rstCode !== 0 })
        })
        if (body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body)) body.pipe(stream)
        else if (body !== undefined) stream.end(body)
      }),
  }
}

/** The whole of a request's body as text. */
export function readBody(exchange: Exchange): Promise<string> {
  return exchange.body ? text(exchange.body) : Promise.resolve('')
}

/** How many files and sockets this process has open. */
export async function countOpenFiles(): Promise<number> {
  return (await readdir('/proc/self/fd')).length
}
