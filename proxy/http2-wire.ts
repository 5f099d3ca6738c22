/** The way back to an HTTP/2 client: one stream. */

import { constants, type ServerHttp2Stream } from 'node:http2'
import { GroveError } from '../core/errors.ts'
import type { Wire } from './live-exchange.ts'

/** One answer on an HTTP/2 stream. */
export class Http2Wire implements Wire {
  readonly stream: ServerHttp2Stream
  #limited = false
  #leftBody = false

  /** `bodyless`: the request ended with its headers. */
  constructor(stream: ServerHttp2Stream, bodyless: boolean) {
    this.stream = stream
    if (bodyless) return
    // What is still to come of the request is not wanted once the answer is out (RFC 9113 section 8.1).
    stream.once('finish', () => {
      // A turn later, or RST_STREAM overtakes an answer that is headers alone.
      setImmediate(() => {
        if (stream.readableEnded || stream.closed) return
        this.#leftBody = true
        stream.close(constants.NGHTTP2_NO_ERROR)
      })
    })
  }

  get gone(): boolean {
    return this.stream.destroyed || this.stream.closed
  }

  /** Whether the request's body was broken off: node:http2 tells a stream's reset as the end of what is read from it. */
  get bodyCut(): boolean {
    return this.#leftBody || this.stream.aborted || this.stream.rstCode !== constants.NGHTTP2_NO_ERROR
  }

  /**
   * Whether the whole answer went out; to be asked when the stream is closed. Both sides have ended then, or it was
   * reset. (`writableFinished` and `writableLength` are behind by then on Node 24.)
   */
  get whole(): boolean {
    const { aborted, rstCode, writableEnded } = this.stream
    return writableEnded && !aborted && rstCode === constants.NGHTTP2_NO_ERROR
  }

  begin(status: number, headers: string[], hasBody: boolean): void {
    this.stream.respond([':status', String(status), ...headers], { endStream: !hasBody })
  }

  end(bytes?: Uint8Array): void {
    if (this.stream.writableEnded) return
    if (bytes) this.stream.end(bytes)
    else this.stream.end()
  }

  cut(): void {
    // Not `close(code)`: that ends the stream first, and the client takes the cut answer for a whole one (measured on
    // Node 24 and 26). Destroying with an error sends RST_STREAM alone.
    this.stream.destroy(new GroveError('ERR_CLOSED', 'answer is broken off'))
  }

  limitIdle(timeoutMs: number): void {
    this.stream.setTimeout(timeoutMs)
    if (this.#limited) return
    this.#limited = true
    this.stream.on('timeout', () => this.cut())
  }
}
