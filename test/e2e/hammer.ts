/**
 * Visitors that never stop: each has one connection, asks one thing after the other and checks every answer against the
 * version that it names. What goes wrong is kept with when and on which connection it happened.
 */

import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { Agent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'

/** What the visitors ask, and what is right. */
export interface HammerOptions {
  readonly port: number
  readonly ca: string
  /** The authority that is asked, without a port. */
  readonly authority: string
  readonly paths: readonly string[]
  /** What a path's body is in a version. */
  readonly expected: (path: string, version: number) => string
  /** How many visitors of each kind. */
  readonly http1: number
  readonly http2: number
}

/** A request without an answer. */
export interface Failure {
  readonly protocol: 'http/1.1' | 'h2'
  readonly reason: string
  /** The client's port of the connection, 0 when there was none. */
  readonly port: number
  readonly connectedAtMs: number
  readonly startedAtMs: number
  readonly endedAtMs: number
}

interface Answer {
  readonly status: number
  readonly version: string
  readonly coding: string
  readonly body: Buffer
}

/** One connection. */
interface Line {
  readonly protocol: 'http/1.1' | 'h2'
  port: number
  connectedAtMs: number
  ask(path: string, coding: string): Promise<Answer>
  close(): void
}

const codings = ['identity', 'gzip', 'br', 'zstd'] as const

/** All visitors together. Begins at once. */
export class Hammer {
  readonly failures: Failure[] = []
  /** Answers that were not what they claimed to be; must stay empty. */
  readonly wrong: string[] = []
  readonly versions = new Set<number>()
  answers = 0
  readonly #options: HammerOptions
  readonly #running: Promise<void>[]
  #stopped = false

  constructor(options: HammerOptions) {
    this.#options = options
    const lines = [
      ...Array.from({ length: options.http1 }, () => http1Line(options)),
      ...Array.from({ length: options.http2 }, () => http2Line(options)),
    ]
    this.#running = lines.map((line, index) => this.#visit(line, index))
  }

  /** Lets every visitor finish what it asks and resolves. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
  }

  async #visit(line: Line, index: number): Promise<void> {
    const { paths } = this.#options
    let newest = 0
    let connection = 0
    for (let count = index; !this.#stopped; count += 1) {
      const path = paths[count % paths.length] as string
      const coding = codings[count % codings.length] as string
      const startedAtMs = performance.now()
      try {
        const answer = await line.ask(path, coding)
        // "Never goes back" is promised for one connection; a new one may reach a front that is a moment behind.
        if (line.connectedAtMs !== connection) newest = 0
        connection = line.connectedAtMs
        newest = this.#check(path, answer, newest)
      } catch (error) {
        const { protocol, port, connectedAtMs } = line
        const endedAtMs = performance.now()
        const reason =
          error instanceof Error ? `${(error as { code?: string }).code ?? ''} ${error.message}` : `${error}`
        this.failures.push({ protocol, reason, port, connectedAtMs, startedAtMs, endedAtMs })
        if (this.failures.length > 1_000) return
      }
    }
    line.close()
  }

  #check(path: string, answer: Answer, newest: number): number {
    this.answers += 1
    const version = Number(answer.version.split('@')[1])
    const wrong = (what: string) => this.wrong.push(`${path}: ${what}`)
    if (answer.status !== 200) wrong(`status ${answer.status}`)
    else if (!Number.isInteger(version)) wrong(`Grove-Version ${answer.version}`)
    else if (decode(answer).toString() !== this.#options.expected(path, version))
      wrong(`body is not of ${answer.version}`)
    else if (version < newest) wrong(`went back from ${newest} to ${version}`)
    this.versions.add(version)
    return version
  }
}

function decode({ coding, body }: Answer): Buffer {
  if (coding === 'br') return brotliDecompressSync(body)
  if (coding === 'zstd') return zstdDecompressSync(body)
  return coding === 'gzip' ? gunzipSync(body) : body
}

function http1Line({ port, ca, authority }: HammerOptions): Line {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca, servername: authority })
  const line: Line = {
    protocol: 'http/1.1',
    port: 0,
    connectedAtMs: 0,
    close: () => agent.destroy(),
    ask: (path, coding) =>
      new Promise((resolve, reject) => {
        const headers = { host: `${authority}:${port}`, 'accept-encoding': coding }
        const request = httpsRequest({ agent, host: '127.0.0.1', port, path, headers, timeout: 30_000 })
        const seen = new WeakSet<Socket>()
        request.on('socket', (socket) => {
          const note = () => {
            line.port = socket.localPort ?? 0
            if (!seen.has(socket) && !request.reusedSocket) line.connectedAtMs = performance.now()
            seen.add(socket)
          }
          if (socket.connecting) socket.once('connect', note)
          else note()
        })
        request.on('timeout', () => request.destroy(new Error('no answer')))
        request.on('error', reject)
        request.on('response', (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              version: String(response.headers['grove-version']),
              coding: response.headers['content-encoding'] ?? 'identity',
              body: Buffer.concat(chunks),
            }),
          )
        })
        request.end()
      }),
  }
  return line
}

function http2Line({ port, ca, authority }: HammerOptions): Line {
  let session: ClientHttp2Session | undefined
  const origin = `https://${authority}:${port}`
  const open = async (): Promise<ClientHttp2Session> => {
    const socket = connectTls({ host: '127.0.0.1', port, servername: authority, ca, ALPNProtocols: ['h2'] })
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    line.port = socket.localPort ?? 0
    line.connectedAtMs = performance.now()
    const fresh = connectHttp2(origin, { createConnection: () => socket })
    fresh.on('error', () => {}) // Its streams tell.
    fresh.on('goaway', () => {
      if (session === fresh) session = undefined
    })
    fresh.on('close', () => {
      if (session === fresh) session = undefined
    })
    return fresh
  }
  const line: Line = {
    protocol: 'h2',
    port: 0,
    connectedAtMs: 0,
    close: () => session?.destroy(),
    ask: async (path, coding) => {
      if (!session || session.destroyed || session.closed) session = await open()
      const stream = session.request({ ':path': path, ':authority': `${authority}:${port}`, 'accept-encoding': coding })
      return await new Promise((resolve, reject) => {
        const chunks: Buffer[] = []
        let head: Omit<Answer, 'body'> | undefined
        stream.setTimeout(30_000, () => stream.destroy(new Error('no answer')))
        stream.on('response', (headers) => {
          head = {
            status: headers[':status'] ?? 0,
            version: String(headers['grove-version']),
            coding: headers['content-encoding'] ?? 'identity',
          }
        })
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('error', reject)
        stream.on('close', () => {
          if (head && stream.readableEnded) resolve({ ...head, body: Buffer.concat(chunks) })
          else reject(new Error(`stream ended with ${stream.rstCode}`))
        })
      })
    },
  }
  return line
}
