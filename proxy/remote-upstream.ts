/**
 * A site's own servers, reached over HTTP/1.1 by undici. Bodies stream both ways at the speed of the slower side.
 *
 * A request is sent again only where the first one cannot have had an effect: on the next server when no connection
 * came to be, and once more when a kept-alive connection turned out to be dead before any byte of an answer, if the
 * method is idempotent and there is no body (RFC 9110 section 9.2.2).
 *
 * A visitor who sends or takes a byte now and then holds a connection for as long. What there is of them is shared
 * ({@link createShares}), or one visitor could keep a site's servers from everybody else.
 */

import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { StreamedAnswer, Upstream, UpstreamRequest } from '../core/upstream.ts'
import { createShares, type Release, type Shares } from './shares.ts'
import { AnswerReceiver } from './upstream-answer.ts'
import {
  type Connector,
  type ConnectorOptions,
  createConnector,
  hadAnsweredBefore,
  hasNeverConnected,
  openConnection,
} from './upstream-connector.ts'

/** A site's own servers. */
export interface RemoteUpstream extends Upstream {
  send(request: UpstreamRequest): Promise<StreamedAnswer>
  /**
   * A connection of its own, for an upgrade: to the server whose turn it is, or the next that takes it. Rejects with
   * `ERR_UPSTREAM_DOWN`, or `ERR_CLOSED` when `signal` aborts. The caller owns the socket.
   */
  connect(signal: AbortSignal): Promise<Socket>
}

/** How servers are reached. */
export interface RemoteUpstreamOptions extends ConnectorOptions {
  /** For logs. Default: the URLs. */
  readonly name?: string
}

interface Origin {
  readonly url: URL
  readonly pool: Pool
}

const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Servers at `urls` (at least one), which take turns. Opens no connection yet. */
export function createRemoteUpstream(urls: readonly string[], options: RemoteUpstreamOptions = {}): RemoteUpstream {
  const connector = createConnector(options)
  const origins: readonly Origin[] = urls.map((text) => {
    const url = new URL(text)
    return { url, pool: openPool(url, connector) }
  })
  const name = options.name ?? urls.join(' ')
  const connections = createShares(limits.upstream.connections * origins.length)
  const requests = createShares(limits.upstream.underWay)
  let turn = 0
  let closed = false

  const nextOrigins = (): Origin[] => {
    turn = (turn + 1) % origins.length
    return [...origins.slice(turn), ...origins.slice(0, turn)]
  }

  const attempt = (
    { url, pool }: Origin,
    request: UpstreamRequest,
    body: Readable | undefined,
    finished: () => void,
  ): AnswerReceiver => {
    const receiver = new AnswerReceiver(request.method, finished)
    const dispatchOptions: Dispatcher.DispatchOptions & { servername: string } = {
      method: request.method,
      path: request.target,
      headers: [...request.headers],
      body: body ?? null,
      servername: url.hostname, // Constant, or undici would reconnect whenever the visitor's Host changes.
    }
    // A request that began before a reload may arrive after it: it gets a connection of its own.
    const target = closed ? openPool(url, connector) : pool
    target.dispatch(dispatchOptions, receiver)
    if (closed) void target.close()
    return receiver
  }

  return {
    name,
    async send(request) {
      const leave = requests.take(request.visitor)
      if (!leave) throw new GroveError('ERR_TOO_MANY', `too many requests to ${name} under way`)
      let parts = 1
      const ended = () => {
        parts -= 1
        if (parts === 0) leave()
      }
      try {
        return await sendInTurn(request, nextOrigins(), connections, (origin, body, release) => {
          parts += 1
          return attempt(origin, request, body, () => {
            release()
            ended()
          })
        })
      } finally {
        ended()
      }
    },
    async connect(signal) {
      for (const [index, { url }] of nextOrigins().entries()) {
        try {
          const socket = await openConnection(connector, url)
          if (!signal.aborted) return socket
          socket.destroy()
        } catch (error) {
          if (index === origins.length - 1 && !signal.aborted) throw downError(url, error)
        }
        if (signal.aborted) break
      }
      throw new GroveError('ERR_CLOSED', 'nobody waits for the connection any more')
    },
    async close() {
      closed = true
      await Promise.all(origins.map(({ pool }) => pool.close()))
    },
  }
}

function openPool(url: URL, connect: Connector): Pool {
  return new Pool(url.origin, {
    connect,
    allowH2: false,
    connections: limits.upstream.connections,
    pipelining: 1,
    keepAliveTimeout: limits.upstream.keepAliveMs,
    keepAliveMaxTimeout: limits.upstream.keepAliveMs,
    maxHeaderSize: limits.upstream.headerBytes,
    headersTimeout: 0, // The clock of a request bounds it; undici's own counts neither waiting nor connecting.
    bodyTimeout: limits.upstream.bodyIdleMs,
  })
}

type Attempt = (origin: Origin, body: Readable | undefined, release: Release) => AnswerReceiver

/** Sends a request to the first of `origins`, and to others as far as that is safe. */
async function sendInTurn(
  request: UpstreamRequest,
  origins: readonly Origin[],
  connections: Shares,
  attempt: Attempt,
): Promise<StreamedAnswer> {
  const { signal, timeoutMs, visitor } = request
  const stop = new AbortController()
  let receiver: AnswerReceiver | undefined
  /** Why the request ended, when that was not the upstream's own doing. */
  let reason: Error | null | undefined
  const giveUp = (error: GroveError) => {
    reason ??= error
    stop.abort(error)
    receiver?.cancel(error)
  }
  const clock = new AnswerClock(timeoutMs, () =>
    giveUp(new GroveError('ERR_UPSTREAM_SLOW', `no answer within ${timeoutMs} ms`)),
  )
  const goneAway = () => giveUp(new GroveError('ERR_CLOSED', 'the visitor went away'))
  signal.addEventListener('abort', goneAway, { once: true })
  if (signal.aborted) goneAway()
  let mayRepeat = request.body === undefined && idempotentMethods.has(request.method)
  try {
    for (let index = 0; ; ) {
      const origin = origins[index] as Origin
      if (reason) throw reason
      const release = connections.take(visitor) ?? (await connections.wait(visitor, stop.signal))
      if (reason) {
        release()
        throw reason
      }
      const body = request.body && pace(request.body, clock)
      try {
        receiver = attempt(origin, body, release)
        return await receiver.answer
      } catch (error) {
        body?.destroy()
        reason ??= request.body?.errored
        if (reason) throw reason
        if (hasNeverConnected(error) && index + 1 < origins.length) index += 1
        else if (mayRepeat && receiver?.begun === false && hadAnsweredBefore(error)) mayRepeat = false
        else throw downError(origin.url, error)
      }
    }
  } finally {
    clock.end()
    // From here on the answer's body is what the visitor's going away destroys.
    signal.removeEventListener('abort', goneAway)
  }
}

function downError(url: URL, error: unknown): GroveError {
  if (error instanceof GroveError && error.code !== 'ERR_UPSTREAM_DOWN') return error
  const message = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : String(error)
  return new GroveError('ERR_UPSTREAM_DOWN', `${url.origin}: ${message}`, { cause: error })
}

/**
 * A request's body on its way to an upstream. It holds the clock while the visitor is awaited, since a slow upload is
 * not a slow upstream, and leaves the visitor's own stream open when the upstream wants no more of it: the answer has
 * still to be sent there.
 */
function pace(source: Readable, clock: AnswerClock): Readable {
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    clock.hold()
    for await (const chunk of source.iterator({ destroyOnReturn: false })) {
      clock.run()
      yield chunk
      clock.hold()
    }
    clock.run()
  }
  const body = Readable.from(chunks(), { objectMode: false })
  body.on('error', () => {}) // Whoever sends it learns of it; after that nobody may listen any more.
  return body
}

/** Measures how long the upstream keeps a request waiting, leaving out the time in which the visitor does. */
class AnswerClock {
  readonly #limitMs: number
  readonly #expired: () => void
  #timer: NodeJS.Timeout | undefined
  #ended = false

  constructor(limitMs: number, expired: () => void) {
    this.#limitMs = limitMs
    this.#expired = expired
    this.run()
  }

  run(): void {
    if (!this.#ended) this.#timer ??= setTimeout(this.#expired, this.#limitMs)
  }

  hold(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  end(): void {
    this.#ended = true
    this.hold()
  }
}
