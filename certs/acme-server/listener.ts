/**
 * The TLS listener of the ACME server. Its own certificate is one of the own CA, for the names and addresses under which
 * clients in the network reach this machine, and is renewed by itself.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import type { Logger } from 'pino'
import { limits } from '../../core/limits.ts'
import type { Leaf } from '../../core/messages.ts'
import type { Environment } from '../../store/environment.ts'
import { toAddress } from '../addresses.ts'
import type { OwnCa } from '../own-ca.ts'
import type { AcmeAnswer, AcmeRequest } from './exchange.ts'
import type { AcmeServer } from './server.ts'

/** What an ACME listener is made with. */
export interface AcmeListenerOptions {
  readonly server: AcmeServer
  readonly ca: Pick<OwnCa, 'permits' | 'issue'>
  readonly environment: Environment
  readonly log: Logger
  /** 0 takes a free one. */
  readonly port: number
  /** @default all addresses of this machine */
  readonly address?: string
  /** Names that clients may reach it by, besides this machine's own. Those that the CA does not permit are left out. */
  readonly names?: readonly string[]
}

/** A listener that takes requests. Disposing of it closes it; requests under way are answered, within a bound. */
export interface AcmeListener extends AsyncDisposable {
  readonly port: number
}

/** Listens. Rejects when the port cannot be had. */
export async function listenAcme(options: AcmeListenerOptions): Promise<AcmeListener> {
  const { environment, log } = options
  const { acmeServer } = limits
  let leaf = await ownLeaf(options)
  const listener = createServer(
    {
      cert: leaf.chain,
      key: leaf.key,
      minVersion: 'TLSv1.2',
      maxHeaderSize: 16_384,
      headersTimeout: acmeServer.headersTimeoutMs,
      requestTimeout: acmeServer.requestTimeoutMs,
      keepAliveTimeout: acmeServer.keepAliveMs,
      handshakeTimeout: limits.http.handshakeTimeoutMs,
      requireHostHeader: true,
    },
    (request, response) => {
      answer(request, response, options).catch((error: unknown) => {
        log.debug({ err: error }, 'ACME client went away')
        response.destroy()
      })
    },
  )
  listener.maxConnections = acmeServer.connections
  const stopped = new AbortController()
  /** Renews the listener's certificate, and sweeps, until it is closed. */
  async function keepUp(): Promise<void> {
    while (!stopped.signal.aborted) {
      await environment.sleep(acmeServer.sweepEveryMs, stopped.signal).catch(() => {})
      if (stopped.signal.aborted) return
      await renew().catch((error: unknown) => {
        log.warn({ err: error }, 'the certificate of the ACME server cannot be renewed; it is tried again')
      })
      await options.server.sweep().catch((error: unknown) => {
        log.warn({ err: error }, 'what has ended cannot be swept from the ACME server; it is tried again')
      })
    }
  }

  async function renew(): Promise<void> {
    if (environment.now() < leaf.renewAtMs) return
    leaf = await ownLeaf(options)
    listener.setSecureContext({ cert: leaf.chain, key: leaf.key, minVersion: 'TLSv1.2' })
  }

  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen({ port: options.port, ...(options.address && { host: options.address }) }, () => {
      listener.off('error', reject)
      resolve()
    })
  })
  const upkeep = keepUp()
  return {
    port: (listener.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await upkeep
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
      listener.closeIdleConnections()
      const over = new AbortController()
      // Answers take moments; who has not even sent a whole request by then is not waited for.
      environment.sleep(acmeServer.closeMs, over.signal).then(
        () => listener.closeAllConnections(),
        () => {},
      )
      await closed
      over.abort()
    },
  }
}

/** The addresses that this machine has now. */
export function machineAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all = []) =>
    all.flatMap(({ address }) => toAddress(address) ?? []),
  )
}

/** A certificate for the names and addresses of this machine that the CA permits. */
function ownLeaf({ ca, names = [] }: AcmeListenerOptions): Promise<Leaf> {
  const machine = hostname().toLowerCase()
  const others = [
    ...names,
    machine,
    `${machine}.local`,
    '127.0.0.1',
    '::1',
    ...machineAddresses().slice(0, limits.acmeServer.ownAddresses),
  ]
  return ca.issue(
    'localhost',
    [...new Set(others)].filter((name) => isOne(name) && ca.permits(name)),
  )
}

/** A name of a machine can be anything, also what no certificate can hold. */
function isOne(name: string): boolean {
  return (
    toAddress(name) !== undefined ||
    /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/.test(name)
  )
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { server }: AcmeListenerOptions,
): Promise<void> {
  const origin = originOf(request, server)
  if (origin === undefined) return send(response, refusal(421, 'this server is not known by that name'))
  const body = await readBody(request)
  if (body === undefined) {
    response.setHeader('connection', 'close')
    return send(response, refusal(413, 'the body is too large'))
  }
  const asked: AcmeRequest = {
    method: request.method ?? '',
    path: (request.url ?? '').slice(0, limits.acmeServer.pathChars),
    origin,
    contentType: request.headers['content-type'],
    body,
    address: request.socket.remoteAddress ?? '',
  }
  send(response, await server.handle(asked))
}

/** `https://` and the authority that was asked, if it is a name or address of this CA's network. */
function originOf({ headers: { host = '' } }: IncomingMessage, server: AcmeServer): string | undefined {
  const found = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(host)
  const name = found?.[1]?.toLowerCase()
  if (name === undefined || !server.isAuthority(toAddress(name) ?? name)) return undefined
  return `https://${host.toLowerCase()}`
}

/** The whole body; undefined when it is larger than it may be. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > limits.acmeServer.bodyBytes) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function refusal(status: number, detail: string): AcmeAnswer {
  const body = JSON.stringify({ type: 'urn:ietf:params:acme:error:malformed', status, detail })
  return { status, headers: { 'content-type': 'application/problem+json' }, body }
}

function send(response: ServerResponse, { status, headers, body }: AcmeAnswer): void {
  // RFC 9110 section 8.6: an answer without content has no length of it.
  response.writeHead(status, status === 204 ? headers : { ...headers, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
