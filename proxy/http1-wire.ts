/** The way back to an HTTP/1.1 client: node:http's response, and the care that ending a connection takes. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Wire } from './live-exchange.ts'
import type { TransportContext } from './transport.ts'

/** What a wire has to know of its connection. */
export interface EndingConnection {
  /** Whether the answer that begins now is to be the last one. */
  readonly ending: boolean
}

/**
 * One answer on an HTTP/1.1 connection. When the request's body is still coming, a small one is taken and thrown away
 * afterwards; before a big one the connection ends, and then the end is held back for a moment in which the client's
 * bytes are still taken: a socket that is closed on unread bytes is reset, and the client may lose the answer (RFC 9112
 * section 9.6).
 */
export class Http1Wire implements Wire {
  readonly stream: ServerResponse
  readonly #request: IncomingMessage
  readonly #connection: EndingConnection
  readonly #context: TransportContext
  #lingers = false
  /** Set while the client waits for 100 Continue: it may send its body or not, so the connection cannot be used on. */
  awaitsContinue = false

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { connection, context }: { readonly connection: EndingConnection; readonly context: TransportContext },
  ) {
    this.#request = request
    this.stream = response
    this.#connection = connection
    this.#context = context
  }

  get gone(): boolean {
    return this.stream.destroyed || this.#request.socket.destroyed
  }

  begin(status: number, headers: string[]): void {
    const bodyComing = hasBody(this.#request) && !this.#request.complete
    const ends = this.#connection.ending || (bodyComing && (this.awaitsContinue || !this.#isDiscardable()))
    if (ends) headers.push('connection', 'close')
    this.#lingers = ends && bodyComing && !this.awaitsContinue
    this.stream.writeHead(status, headers)
  }

  end(bytes?: Uint8Array): void {
    const { stream } = this
    if (!this.#lingers || this.#request.complete) {
      if (bytes) stream.end(bytes)
      else stream.end()
      return
    }
    if (bytes && bytes.length > 0) stream.write(bytes)
    else stream.flushHeaders()
    this.#linger()
  }

  cut(): void {
    this.#request.socket.destroy()
  }

  limitIdle(timeoutMs: number): void {
    this.#request.socket.setTimeout(timeoutMs)
  }

  #isDiscardable(): boolean {
    const length = this.#request.headers['content-length']
    return length !== undefined && Number(length) <= this.#context.limits.discardBytes
  }

  #linger(): void {
    const request = this.#request
    const { watch } = this.#context
    let leftMs = this.#context.limits.lingerMs
    const over = () => {
      place.leave()
      request.off('end', over)
      request.off('close', over)
      this.stream.end()
    }
    const clock = {
      tick: (elapsedMs: number) => {
        leftMs -= elapsedMs
        if (leftMs <= 0) over()
      },
    }
    const place = watch.add(clock)
    request.on('end', over)
    request.on('close', over)
    discard(request)
  }
}

/** Whether a request's head says that a body follows (RFC 9112 section 6.3). */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return (length !== undefined && !/^0+$/.test(length)) || request.headers['transfer-encoding'] !== undefined
}

/** Takes the rest of a request's body and throws it away, so that the next request can be read. */
export function discard(request: IncomingMessage): void {
  request.removeAllListeners('data')
  request.resume()
}
