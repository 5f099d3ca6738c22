/**
 * The transport: listening sockets, TLS, and the choice between HTTP/1.1 and HTTP/2.
 *
 * A front gets its listening sockets from the parent, ready bound. One server per socket; what they accept goes to the
 * two adapters, which all servers share. TLS sessions resume on every front with the same ticket keys.
 */

import assert from 'node:assert/strict'
import { createServer as createPlainServer, type Server as PlainServer } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { type AddressInfo, type Socket, Server as TcpServer } from 'node:net'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { Asker } from '../certs/contexts.ts'
import { useTicketKeys } from '../certs/ticket-use.ts'
import type { TicketKeys } from '../certs/tickets.ts'
import { tlsParameters } from '../certs/tls-parameters.ts'
import type { ChallengeSet } from '../core/challenge-set.ts'
import { GroveError } from '../core/errors.ts'
import { limits as defaultLimits } from '../core/limits.ts'
import type { ListenerName } from '../core/messages.ts'
import { Roster } from '../core/roster.ts'
import { createChallengeHandshakes } from './challenge-handshakes.ts'
import { ChallengeAnswers } from './challenges.ts'
import { createClientHandshakes } from './client-handshakes.ts'
import { createHelloRouter, type Handshakes } from './hello-router.ts'
import { createHttp1, type Http1, http1Options } from './http1.ts'
import { createHttp2, type Http2 } from './http2.ts'
import { sniCallback } from './sni.ts'
import type { HttpLimits, ListenAt, Transport, TransportContext, TransportOptions } from './transport.ts'
import { createBucket, createWatch } from './watch.ts'

export type { Rejection, Transport, TransportOptions, TransportSettings, UpgradeConnection } from './transport.ts'

/** What HTTP is spoken over TLS. */
const protocols = ['h2', 'http/1.1']

type AnyServer = PlainServer | TlsServer

/** Makes a transport that listens nowhere yet. */
export function createTransport(options: TransportOptions): Transport {
  return new NodeTransport(options)
}

class NodeTransport implements Transport {
  readonly #context: TransportContext
  readonly #http1: Http1
  readonly #http2: Http2
  readonly #ofCas: Handshakes
  readonly #servers = new Map<string, AnyServer>()
  /** TCP sockets, with TLS or without. */
  readonly #open = new Roster<Socket>()
  readonly #mayTell = createBucket({ burst: 1, perSecond: 0.1 })
  #refused = 0
  #ticketKeys: TicketKeys
  #drain: Drain | undefined

  constructor(options: TransportOptions) {
    const limits: HttpLimits = { ...defaultLimits.http, ...options.limits }
    const shortestMs = Math.min(
      limits.headersTimeoutMs,
      limits.bodyIdleMs,
      limits.writeIdleMs,
      limits.keepAliveMs,
      limits.lingerMs,
    )
    const watch = createWatch(Math.max(10, Math.min(1_000, shortestMs / 4)))
    const challenges = new ChallengeAnswers()
    this.#context = { options, limits, watch, challenges, idle: new Roster(), draining: false }
    this.#ofCas = createChallengeHandshakes(challenges, limits.handshakeTimeoutMs)
    this.#http1 = createHttp1(this.#context)
    this.#http2 = createHttp2(this.#context)
    this.#ticketKeys = { current: options.ticketKeys, previous: [] }
  }

  get connections(): number {
    return this.#open.size
  }

  listen(name: ListenerName, key: string, handle: unknown): Promise<{ port: number }> {
    if (this.#context.draining) return Promise.reject(new GroveError('ERR_CLOSED', 'transport is draining'))
    if (this.#servers.has(key))
      return Promise.reject(new GroveError('ERR_EXISTS', `a listening socket has the key "${key}" already`))
    const server = name === 'https' ? this.#createTlsServer() : this.#createPlainServer(name)
    this.#servers.set(key, server)
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        this.#servers.delete(key)
        reject(error)
      })
      // Both forms are checked by node:net itself; a native handle has no public type.
      server.listen(handle as ListenAt, () => {
        server.removeAllListeners('error')
        server.on('error', (error) => this.#context.options.log.error({ err: error }, 'listening socket failed'))
        resolve({ port: (server.address() as AddressInfo | null)?.port ?? 0 })
      })
    })
  }

  unlisten(key: string): void {
    const server = this.#servers.get(key)
    if (!server) return
    this.#servers.delete(key)
    // Not node:http's own close at first: it also stops checking the header timeouts of connections that go on.
    server.once('close', () => server.close())
    TcpServer.prototype.close.call(server)
  }

  setTicketKeys(keys: TicketKeys): void {
    this.#ticketKeys = keys
    for (const server of this.#servers.values()) if ('setTicketKeys' in server) useTicketKeys(server, keys)
  }

  setChallenges(challenges: ChallengeSet): void {
    this.#context.challenges.take(challenges)
  }

  drain(withinMs: number): Promise<void> {
    this.#drain ??= this.#beginDrain()
    this.#drain.within(withinMs)
    return this.#drain.done
  }

  #createPlainServer(name: ListenerName): PlainServer {
    const server = createPlainServer(http1Options(this.#context, name))
    this.#http1.attach(server)
    // A connection goes to node:http once its first bytes are known.
    const parse = takeListener(server, 'connection')
    server.on('connection', (socket) => {
      if (this.#admit(socket)) this.#http1.accept(socket, name, () => parse(socket))
    })
    return server
  }

  #createTlsServer(): TlsServer {
    const { limits } = this.#context
    const server = createTlsServer({
      ...http1Options(this.#context, 'https'),
      ALPNProtocols: [...protocols],
      ...tlsParameters,
      handshakeTimeout: limits.handshakeTimeoutMs,
      sessionTimeout: limits.tlsSessionSeconds,
      // Sessions are bound to this; Node's default is made of the command line, which differs between fronts.
      sessionIdContext: 'grove',
      // There is no default certificate: an unknown name, or none, ends the handshake with an alert.
      SNICallback: sniCallback(async (name, asker) => {
        // One whose ClientHello was not understood before comes here: it has not been asked for a certificate.
        if (this.#context.options.settings().clientRule(name)) return undefined
        return this.#chooseContext(name, asker)
      }),
    })
    useTicketKeys(server, this.#ticketKeys)
    this.#http1.attach(server)
    const parse = takeListener(server, 'secureConnection')
    const shakeHands = takeListener(server, 'connection')
    const accept = (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') this.#http2.accept(socket)
      else this.#http1.accept(socket, 'https', () => parse(socket))
    }
    const { options, watch } = this.#context
    const timeoutMs = limits.handshakeTimeoutMs
    const secureContext: TransportOptions['secureContext'] = (name, asker) => this.#chooseContext(name, asker)
    const { settings: rules, log } = options
    const ofClients = createClientHandshakes({ rules, secureContext, protocols, timeoutMs, accept, log })
    const route = createHelloRouter({ kinds: [this.#ofCas, ofClients], others: shakeHands, watch, timeoutMs })
    server.on('connection', (socket) => {
      if (this.#admit(socket)) route(socket)
    })
    server.on('secureConnection', accept)
    server.on('tlsClientError', (error) => this.#context.options.log.debug({ err: error }, 'TLS handshake failed'))
    return server
  }

  /** Counts a connection in. When there are too many, one that is idle makes room; if none is, it is destroyed. */
  #admit(socket: Socket): boolean {
    if (this.#open.size >= this.#context.limits.connectionsPerFront && !this.#makeRoom()) {
      this.#refused += 1
      this.#tellRefused(this.#refused)
      socket.destroy()
      return false
    }
    const place = this.#open.add(socket)
    socket.once('close', () => {
      place.leave()
      if (this.#open.size === 0) this.#drain?.empty()
    })
    return true
  }

  #makeRoom(): boolean {
    for (const connection of this.#context.idle) {
      if (connection.endIfIdle()) return true
    }
    return false
  }

  /** Tells operators at once, and then from time to time, however many there are. */
  #tellRefused(refused: number): void {
    if (!this.#mayTell()) return
    const connections = this.#open.size
    this.#context.options.log.warn(
      { refused, connections },
      'connections are refused: none of those that are open is idle',
    )
  }

  async #chooseContext(name: string, asker: Asker): Promise<SecureContext | undefined> {
    try {
      return await this.#context.options.secureContext(name, asker)
    } catch (error) {
      this.#context.options.log.warn({ err: error, name }, 'no certificate for a handshake')
      return undefined
    }
  }

  #beginDrain(): Drain {
    const context = this.#context
    context.draining = true
    for (const key of this.#servers.keys()) this.unlisten(key)
    const drain = createDrain(() => {
      for (const socket of this.#open) socket.destroy()
    })
    void drain.done.then(() => context.watch.close())
    if (this.#open.size === 0) drain.empty()
    // Not in this turn of the event loop: a request that has already arrived is read first.
    setImmediate(() => {
      this.#http1.drain()
      this.#http2.drain()
    })
    setTimeout(() => this.#http1.dropFresh(), context.limits.freshGraceMs).unref()
    return drain
  }
}

interface Drain {
  readonly done: Promise<void>
  /** Brings the hard stop forward. */
  within(ms: number): void
  /** The last connection is closed. */
  empty(): void
}

function createDrain(hardStop: () => void): Drain {
  const { promise, resolve } = Promise.withResolvers<void>()
  let timer: NodeJS.Timeout | undefined
  let stopsAtMs = Number.POSITIVE_INFINITY
  return {
    done: promise,
    within(ms) {
      const atMs = performance.now() + ms
      if (atMs >= stopsAtMs) return
      stopsAtMs = atMs
      clearTimeout(timer)
      timer = setTimeout(hardStop, ms)
    },
    empty() {
      stopsAtMs = 0
      clearTimeout(timer)
      resolve()
    },
  }
}

/** Takes the one listener of an event away from a server and gives it back as a function. */
function takeListener<Connection extends Socket>(
  server: AnyServer,
  event: 'connection' | 'secureConnection',
): (socket: Connection) => void {
  const [listener, ...more] = server.listeners(event)
  assert.ok(listener, `node has a listener for ${event}`)
  assert.equal(more.length, 0, `node has one listener for ${event}`)
  server.removeAllListeners(event)
  return (socket) => void listener.call(server, socket)
}
