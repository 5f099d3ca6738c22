/**
 * Requests to targets that were checked, by undici, over connections of the site's own.
 */

import type { Readable } from 'node:stream'
import { Agent, type Dispatcher } from 'undici'
import { GroveError } from '../../core/errors.ts'
import type { HeaderList } from '../../core/headers.ts'
import { limits } from '../../core/limits.ts'
import { AnswerReceiver, type RawAnswer } from './answer-receiver.ts'
import { createEgressConnector, type EgressConnectorOptions } from './connector.ts'
import { isBrokenConnection, toFetchError } from './fetch-faults.ts'
import type { Target } from './targets.ts'

/** One request, as it goes out. */
export interface OutgoingRequest {
  readonly target: Target
  readonly method: string
  readonly headers: HeaderList
  readonly body: Readable | Uint8Array | undefined
  readonly signal: AbortSignal
}

/** Sends requests. */
export interface Sender {
  /**
   * Sends a request and resolves when the answer's head is there. `ended` is called once, when nothing of it is under way
   * any more. Rejects with a {@link GroveError} for the site's author, or the signal's reason.
   */
  send(request: OutgoingRequest, ended: () => void): Promise<RawAnswer>
  /** Does away with an answer's body that nobody wants. */
  discard(body: Readable | undefined): void
  close(): Promise<void>
}

/** What a sender is made with. */
export interface SenderOptions extends EgressConnectorOptions {
  /** Pieces of bodies that went out, and came in. */
  readonly sent: (bytes: number) => void
  readonly received: (bytes: number) => void
}

/** May be sent a second time when the first one may not have arrived (RFC 9110 section 9.2.2). */
const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Opens no connection yet. */
export function createSender(options: SenderOptions): Sender {
  const agent = new Agent({
    connect: createEgressConnector(options),
    allowH2: false,
    connections: limits.egress.connections,
    pipelining: 1,
    keepAliveTimeout: limits.egress.keepAliveMs,
    keepAliveMaxTimeout: limits.egress.keepAliveMs,
    maxHeaderSize: limits.egress.answerHeaderBytes,
    headersTimeout: 0, // The clock of a request bounds it; undici's own counts neither waiting nor connecting.
    bodyTimeout: limits.egress.bodyIdleMs,
  })
  return {
    async send(request, ended) {
      const { method, body, signal, target } = request
      for (let tries = 1; ; tries += 1) {
        signal.throwIfAborted()
        const { receiver, finished } = sendOnce(agent, request, options)
        try {
          const answer = await receiver.answer
          void finished.then(ended)
          return answer
        } catch (error) {
          // A connection that was kept may have been closed by its other end at this very moment.
          const mayRepeat = !receiver.hasBegun && body === undefined && repeatable.has(method)
          if (!signal.aborted && tries === 1 && mayRepeat && isBrokenConnection(error)) continue
          ended()
          throw signal.aborted ? signal.reason : toFetchError(error, target.url.host)
        }
      }
    },
    discard(body) {
      if (!body) return
      let bytes = 0
      // Read to its end if it is short, so that the connection can be used again.
      body.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > limits.egress.discardBytes) body.destroy()
      })
    },
    close: () => agent.destroy(new GroveError('ERR_CLOSED', 'the site fetches nothing any more')),
  }
}

interface Attempt {
  readonly receiver: AnswerReceiver
  /** Resolves when nothing of it is under way any more. */
  readonly finished: Promise<void>
}

function sendOnce(agent: Agent, request: OutgoingRequest, options: SenderOptions): Attempt {
  const { target, method, headers, body, signal } = request
  const { headMs, totalMs } = limits.egress
  const finished = Promise.withResolvers<void>()
  const tooSlow = (ms: number, what: string) => () =>
    receiver.cancel(new GroveError('ERR_UPSTREAM_SLOW', `${target.url.host} did not ${what} within ${ms} ms`))
  const headTimer = setTimeout(tooSlow(headMs, 'answer'), headMs)
  const totalTimer = setTimeout(tooSlow(totalMs, 'end its answer'), totalMs)
  const abort = () => receiver.cancel(signal.reason)
  const receiver = new AnswerReceiver({
    method,
    sent(bytes) {
      options.sent(bytes)
      headTimer.refresh() // A slow upload of the site's own is not a slow server.
    },
    received: options.received,
    finished() {
      clearTimeout(headTimer)
      clearTimeout(totalTimer)
      signal.removeEventListener('abort', abort)
      finished.resolve()
    },
  })
  signal.addEventListener('abort', abort, { once: true })
  const dispatch: Dispatcher.DispatchOptions = {
    origin: target.url.origin,
    path: `${target.url.pathname}${target.url.search}`,
    method,
    headers: [...headers],
    body: body ?? null,
  }
  try {
    agent.dispatch(dispatch, receiver)
  } catch (error) {
    receiver.onResponseError({} as Dispatcher.DispatchController, error as Error)
  }
  const headIsThere = () => clearTimeout(headTimer)
  receiver.answer.then(headIsThere, headIsThere)
  return { receiver, finished: finished.promise }
}
