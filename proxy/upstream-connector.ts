/**
 * Connections to upstreams, and what is known of one when it fails.
 *
 * Whether a request may be sent again depends on how its connection ended: one that never came to be has sent nothing;
 * one that had answered before may just have been closed by its idle other end.
 */

import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import { limits } from '../core/limits.ts'

/** How connections are made. */
export interface ConnectorOptions {
  /** Certificates (PEM) of authorities to trust for https upstreams. Default: those that Node trusts. */
  readonly ca?: string | undefined
  /** A unix socket to connect to, in place of the URL's host and port. */
  readonly socketPath?: string | undefined
}

/** Opens one connection to an origin; TLS is verified against the origin's own name. */
export type Connector = buildConnector.connector

const neverConnected = new WeakSet<Error>()
const connectionHadAnswered = new WeakSet<Error>()

/** Whether an error says that no connection came to be, so that nothing was sent. */
export function hasNeverConnected(error: unknown): boolean {
  return error instanceof Error && neverConnected.has(error)
}

/** Whether an error ended a connection over which answers had come before. */
export function hadAnsweredBefore(error: unknown): boolean {
  return error instanceof Error && connectionHadAnswered.has(error)
}

/** A connector for undici's pools, HTTP/1.1 only. */
export function createConnector({ ca, socketPath }: ConnectorOptions): Connector {
  const connect = buildConnector({
    allowH2: false,
    timeout: limits.upstream.connectTimeoutMs,
    ...(ca !== undefined && { ca }),
    ...(socketPath !== undefined && { socketPath }),
  })
  return (options, callback) => {
    // Empty means the origin's own name, and none at all for an address, which is no server name (RFC 6066 section 3).
    connect({ ...options, servername: '' }, (error, socket) => {
      if (error) {
        neverConnected.add(error)
        callback(error, null)
        return
      }
      watch(socket)
      callback(null, socket)
    })
  }
}

/** A connection of its own to an origin, outside of any pool. */
export function openConnection(connect: Connector, origin: URL): Promise<Socket> {
  const { host, hostname, protocol, port } = origin
  return new Promise((resolve, reject) => {
    const options = { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port }
    connect(options, (error, socket) => (error ? reject(error) : resolve(socket)))
  })
}

function watch(socket: Socket): void {
  const bytesAtStart = socket.bytesRead
  socket.prependListener('error', (error: NodeJS.ErrnoException) => {
    if (socket.bytesRead > bytesAtStart) connectionHadAnswered.add(error)
    // undici takes a reset for the end of an answer that is delimited by the end of the connection. It is a cut, and a
    // cut answer must never look whole; under another code undici treats it as the failure that it is.
    if (error.code === 'ECONNRESET') error.code = 'ERR_UPSTREAM_RESET'
  })
}
