/**
 * HTTP/1.1 over node:http: connections, requests in their order, and refusals.
 *
 * node:http parses; it hands on several pipelined requests at once, so each connection keeps its own line and lets one
 * be answered at a time. Its settings and the checks here are measured against hostile bytes on Node 24 and 26
 * (test/proxy/hostile-http1.test.ts).
 */

import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ListenerName } from '../core/messages.ts'
import { Roster } from '../core/roster.ts'
import { Http1Connection } from './http1-connection.ts'
import type { TransportContext } from './transport.ts'

/** The options of every node:http server of a transport. */
export function http1Options(context: TransportContext, name: ListenerName): ServerOptions {
  const { limits } = context
  return {
    maxHeaderSize: limits.headerBytes,
    requireHostHeader: false, // Checked with the rest, so that the answer has our form and an id.
    insecureHTTPParser: false,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: 0, // Bodies have limits of pace instead, which a big upload can keep.
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.max(20, Math.min(1_000, limits.headersTimeoutMs / 4)),
    optimizeEmptyRequests: true,
    noDelay: true,
    shouldUpgradeCallback: (request) => name !== 'http' && isWebSocketHandshake(request),
  }
}

/** The HTTP/1.1 side of a transport. */
export interface Http1 {
  /** Makes a server's requests go to their connections. */
  attach(server: Server): void
  /** Takes a connection; `parse` gives it to the server's own parser. */
  accept(socket: Socket, name: ListenerName, parse: () => void): void
  /** Ends idle connections; the others end with their next answer. */
  drain(): void
  /** Destroys connections that have not begun a request. */
  dropFresh(): void
}

/** The HTTP/1.1 side of a transport. */
export function createHttp1(context: TransportContext): Http1 {
  const connections = new Roster<Http1Connection>()
  const bySocket = new WeakMap<Duplex, Http1Connection>()
  const at = (socket: Duplex) => bySocket.get(socket)
  return {
    attach(server) {
      // All headers are counted by our check; with the default, node:http drops those beyond its limit unseen.
      server.maxHeadersCount = 0
      server.on('request', (request, response) => at(request.socket)?.request({ request, response }))
      server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
        at(request.socket)?.request({ request, response, expects: 'continue' })
      })
      server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
        at(request.socket)?.request({ request, response, expects: 'unknown' })
      })
      server.on('upgrade', (request, socket, head) => at(request.socket)?.upgrade(request, socket, head))
      server.on('connect', (request: IncomingMessage) => at(request.socket)?.connect())
      server.on('clientError', (error, socket) => {
        const connection = at(socket)
        if (connection) connection.failed(error)
        else socket.destroy()
      })
    },
    accept(socket, name, parse) {
      const connection = new Http1Connection(socket, name, context)
      const place = connections.add(connection)
      bySocket.set(socket, connection)
      socket.on('close', () => {
        place.leave()
        connection.closed()
      })
      connection.begin(parse)
    },
    drain() {
      for (const connection of connections) connection.endIfIdle()
    },
    dropFresh() {
      for (const connection of connections) connection.endIfFresh()
    },
  }
}

function isWebSocketHandshake(request: IncomingMessage): boolean {
  const { headers, method } = request
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return false
  return method === 'GET' && request.httpVersion === '1.1' && headers.upgrade?.toLowerCase() === 'websocket'
}
