/** A visitor of tests: HTTP/1.1 and HTTP/2 over TLS with a root certificate to trust, every name at 127.0.0.1. */

import { type ClientHttp2Session, connect as connectHttp2, constants, type IncomingHttpHeaders } from 'node:http2'
import { Agent, request as httpsRequest } from 'node:https'
import { connect as connectTls } from 'node:tls'

/** An answer, with its body as it came over the wire. */
export interface Answer {
  readonly status: number
  /** Keyed by lower-case name; no pseudo-headers. */
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What is asked besides the URL. */
export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

const timeoutMs = 30_000

/** Somebody with a browser's manners: keeps connections, and gives up after half a minute. */
export class Visitor {
  readonly #ca: string
  readonly #port: number
  readonly #agent: Agent
  readonly #sessions = new Map<string, ClientHttp2Session>()

  /** `ca`: the root to trust, PEM. `port`: where every name is asked, whatever the URL says. */
  constructor(ca: string, port: number, options: { readonly maxSockets?: number } = {}) {
    this.#ca = ca
    this.#port = port
    // `*.localhost` is for browsers to resolve; the system's resolver need not know it.
    this.#agent = new Agent({ keepAlive: true, ca, ...options })
  }

  /** One request over HTTP/1.1. Redirects are not followed, codings not undone. */
  http1(url: string, { method = 'GET', headers = {}, body }: Ask = {}): Promise<Answer> {
    const { hostname, host, pathname, search } = new URL(url)
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        agent: this.#agent,
        host: '127.0.0.1',
        port: this.#port,
        servername: hostname,
        method,
        path: pathname + search,
        headers: { host, ...headers },
        timeout: timeoutMs,
      })
      request.on('error', reject)
      request.on('timeout', () => request.destroy(new Error(`no answer from ${url}`)))
      request.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        )
      })
      request.end(body)
    })
  }

  /**
   * One request over HTTP/2, on one connection per authority. One that was on its way when the server began to close the
   * connection was not looked at, and is sent again on a new one (RFC 9113 section 8.7), as browsers do.
   */
  async http2(url: string, ask: Ask = {}): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#http2Once(url, ask)
      } catch (error) {
        if (tries === 3 || !/REFUSED_STREAM|GOAWAY/.test(`${error}`)) throw error
      }
    }
  }

  #http2Once(url: string, { method = 'GET', headers = {}, body }: Ask): Promise<Answer> {
    const { host, origin, hostname, pathname, search } = new URL(url)
    return new Promise((resolve, reject) => {
      const stream = this.#session(origin, hostname).request(
        { ':method': method, ':path': pathname + search, ':scheme': 'https', ':authority': host, ...headers },
        { endStream: body === undefined },
      )
      const chunks: Buffer[] = []
      let answered: IncomingHttpHeaders & { ':status'?: number | undefined } = {}
      stream.setTimeout(timeoutMs, () => stream.close(constants.NGHTTP2_CANCEL))
      stream.on('response', (responseHeaders) => {
        answered = responseHeaders
      })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('error', reject)
      stream.on('close', () => {
        const { ':status': status, ...plain } = answered
        if (status === undefined) reject(new Error(`no answer from ${url}: stream ended with ${stream.rstCode}`))
        else if (!stream.readableEnded) reject(new Error(`answer from ${url} broke off`))
        else resolve({ status, headers: plain, body: Buffer.concat(chunks) })
      })
      if (body !== undefined) stream.end(body)
    })
  }

  /** Ends all connections. */
  close(): void {
    this.#agent.destroy()
    for (const session of this.#sessions.values()) session.destroy()
    this.#sessions.clear()
  }

  #session(origin: string, servername: string): ClientHttp2Session {
    const open = this.#sessions.get(origin)
    if (open && !open.closed && !open.destroyed) return open
    const session = connectHttp2(origin, {
      createConnection: () =>
        connectTls({ host: '127.0.0.1', port: this.#port, servername, ca: this.#ca, ALPNProtocols: ['h2'] }),
    })
    // The streams of a session that fails fail too, and tell.
    session.on('error', () => {})
    session.on('goaway', () => this.#sessions.delete(origin))
    this.#sessions.set(origin, session)
    return session
  }
}
