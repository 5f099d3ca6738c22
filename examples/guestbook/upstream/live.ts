/** New notes, told to every page that is open, over WebSockets (RFC 6455). */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Entry } from './entries.ts'

/** Everybody who listens. */
export interface Live {
  /** Makes a WebSocket of an upgrade request. The caller has checked where it comes from. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void
  tell(entry: Entry): void
  /** Says goodbye to all, with 1001 (going away). */
  close(): void
}

const maxClients = 1_000
/** Nobody has anything to say to us; a client that sends much is cut off. */
const maxPayloadBytes = 1_024
/** How long a client has to say goodbye as well. */
const goodbyeMs = 1_000
/** A client that takes no data is cut off when this much waits for it. */
const maxBufferedBytes = 262_144

/** Nobody listens yet. `pingEveryMs`: how often a client has to show that it is there. */
export function createLive(pingEveryMs: number): Live {
  const server = new WebSocketServer({ noServer: true, maxPayload: maxPayloadBytes, perMessageDeflate: false })
  /** Those that have answered since the last ping. */
  const alive = new WeakSet<WebSocket>()
  const timer = setInterval(() => {
    for (const client of server.clients) {
      if (!alive.has(client)) client.terminate()
      alive.delete(client)
      client.ping()
    }
  }, pingEveryMs)
  timer.unref()
  server.on('connection', (client) => {
    alive.add(client)
    client.on('pong', () => alive.add(client))
    // ws has closed the connection by then; there is nobody to tell.
    client.on('error', () => undefined)
  })
  return {
    accept(request, socket, head) {
      if (server.clients.size >= maxClients) {
        socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
        return
      }
      server.handleUpgrade(request, socket, head, (client) => server.emit('connection', client, request))
    },
    tell(entry) {
      const message = JSON.stringify(entry)
      for (const client of server.clients) {
        if (client.bufferedAmount > maxBufferedBytes) client.terminate()
        else client.send(message)
      }
    },
    close() {
      clearInterval(timer)
      for (const client of server.clients) {
        client.close(1001)
        setTimeout(() => client.terminate(), goodbyeMs).unref()
      }
      server.close()
    },
  }
}
