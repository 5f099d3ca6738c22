/**
 * A proxy for tests that stands before an S3 server and does what networks and servers do on bad days, by rules: refuses,
 * cuts, loses answers, sends half or wrong bytes, waits. It also counts what it is asked.
 *
 * It passes requests on as they are, with their Host, so signatures stay good; where it takes a header away it signs
 * anew, as a server would look that does not know the header.
 */

import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { finished } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { resign } from './resign.ts'

/** What kind of request it is: its method, or LIST for a GET of a bucket. */
export type RequestKind = 'PUT' | 'GET' | 'HEAD' | 'LIST' | 'DELETE' | 'POST'

/** What is done to a request. */
export type Fault =
  /** Answers in the server's stead, with S3's XML for the code if there is one. The request is not passed on. */
  | { readonly do: 'answer'; readonly status: number; readonly code?: string; readonly body?: string }
  /** Ends the connection: before the request is passed on, or after the server did what was asked (a lost answer). */
  | { readonly do: 'cut'; readonly when: 'before' | 'after' }
  /** Passes on the first bytes of the answer's body (default: half of them) and ends the connection. */
  | { readonly do: 'half'; readonly bytes?: number }
  /** Passes on the first half of the answer's body as if it were all. */
  | { readonly do: 'shorten' }
  /** Changes one byte of the answer's body. */
  | { readonly do: 'flip'; readonly at?: number }
  /** Waits before the request is passed on. */
  | { readonly do: 'delay'; readonly ms: number }
  /** Passes on the first half of the answer's body, then nothing, with the connection open. */
  | { readonly do: 'stall' }
  /** Takes a header away. */
  | { readonly do: 'strip'; readonly header: string; readonly from: 'request' | 'answer' }
  /** Sets a header of the answer. */
  | { readonly do: 'set'; readonly header: string; readonly value: string }

/** When a fault happens. Whatever is left out fits every request. */
export interface Rule {
  readonly kind?: RequestKind
  /** Fits a part of the key, which is the path after the bucket; for LIST the prefix. */
  readonly key?: string | RegExp
  /** Which of the fitting requests is the first to suffer, from 1 on. @default 1 */
  readonly nth?: number
  /** How many suffer. @default 1 */
  readonly times?: number
  readonly fault: Fault
}

/** A request that came by. */
export interface SeenRequest {
  readonly kind: RequestKind
  readonly key: string
  /** What was answered; undefined when the connection was cut before. */
  readonly status: number | undefined
}

/** A running proxy. */
export interface FaultyProxy extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** All requests since the start or the last {@link FaultyProxy.forget}, in the order in which they came. */
  readonly seen: readonly SeenRequest[]
  /** Most requests that were under way at one time, since then. */
  readonly mostAtOnce: number
  /** How many of them were of a kind; of all kinds without one. */
  count(kind?: RequestKind): number
  /** Adds a rule; of several that fit a request, all happen. Answers how often it happened so far. */
  rule(rule: Rule): () => number
  /** Takes all rules away. */
  heal(): void
  /** Begins to count anew. */
  forget(): void
}

interface Armed {
  readonly rule: Rule
  fitting: number
  happened: number
}

type Seen = { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] }

/** What a proxy stands before, and how it looks. */
export interface ProxyOptions {
  /** For signing anew. */
  readonly secretAccessKey?: string
  /** Key and certificate in PEM: it then speaks TLS with clients. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** Starts a proxy before a server, `http://127.0.0.1:<port>`. */
export async function startFaultyProxy(target: string, options: ProxyOptions = {}): Promise<FaultyProxy> {
  const { secretAccessKey = '', tls } = options
  const authority = new URL(target)
  let armed: Armed[] = []
  let seen: Seen[] = []
  let atOnce = 0
  let mostAtOnce = 0
  const listener: RequestListener = (incoming, answer) => {
    atOnce += 1
    mostAtOnce = Math.max(mostAtOnce, atOnce)
    answer.once('close', () => {
      atOnce -= 1
    })
    const asked: Seen = { ...readTarget(incoming), status: undefined }
    seen.push(asked)
    const faults = armed.filter((one) => happens(one, asked)).map(({ rule }) => rule.fault)
    // A connection that breaks on either side ends this one request; whoever asked sees it.
    forward({ incoming, answer, faults, asked, authority, secretAccessKey }).catch(() => incoming.socket.destroy())
  }
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  server.on('checkContinue', (incoming, answer) => {
    answer.writeContinue()
    server.emit('request', incoming, answer)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http${tls ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get seen() {
      return seen
    },
    get mostAtOnce() {
      return mostAtOnce
    },
    count: (kind) => seen.filter((one) => kind === undefined || one.kind === kind).length,
    rule(rule) {
      const one: Armed = { rule, fitting: 0, happened: 0 }
      armed.push(one)
      return () => one.happened
    },
    heal() {
      armed = []
    },
    forget() {
      seen = []
      mostAtOnce = atOnce
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function readTarget(incoming: IncomingMessage): { kind: RequestKind; key: string } {
  const url = new URL(incoming.url ?? '/', 'http://x')
  const [, , ...parts] = url.pathname.split('/')
  const key = decodeURIComponent(parts.join('/'))
  const isList = incoming.method === 'GET' && key === ''
  return isList
    ? { kind: 'LIST', key: url.searchParams.get('prefix') ?? '' }
    : { kind: incoming.method as RequestKind, key }
}

function happens(one: Armed, asked: SeenRequest): boolean {
  const { kind, key = '', nth = 1, times = 1 } = one.rule
  if (kind !== undefined && kind !== asked.kind) return false
  if (!(typeof key === 'string' ? asked.key.includes(key) : key.test(asked.key))) return false
  one.fitting += 1
  if (one.fitting < nth || one.fitting >= nth + times) return false
  one.happened += 1
  return true
}

interface Passage {
  readonly incoming: IncomingMessage
  readonly answer: ServerResponse
  readonly faults: readonly Fault[]
  readonly asked: Seen
  readonly authority: URL
  readonly secretAccessKey: string
}

async function forward({ incoming, answer, faults, asked, authority, secretAccessKey }: Passage): Promise<void> {
  let headers = incoming.rawHeaders
  for (const fault of faults) {
    if (fault.do === 'delay') await pause(fault.ms)
    if (fault.do === 'cut' && fault.when === 'before') return void incoming.socket.destroy()
    if (fault.do === 'answer') return answerInstead(incoming, answer, fault, asked)
    if (fault.do === 'strip' && fault.from === 'request') {
      headers = without(headers, fault.header)
      headers = resign({ method: incoming.method ?? '', target: incoming.url ?? '', headers, secretAccessKey })
    }
  }
  const { hostname, port } = authority
  const onward = request({ hostname, port, method: incoming.method, path: incoming.url, headers, agent: false })
  incoming.pipe(onward)
  incoming.once('error', () => onward.destroy())
  const [response] = (await once(onward, 'response')) as [IncomingMessage]
  asked.status = response.statusCode
  if (faults.some((fault) => fault.do === 'cut')) {
    response.resume()
    await finished(response)
    return void incoming.socket.destroy()
  }
  await passBack({ response, onward, answer, faults, isHead: incoming.method === 'HEAD' })
}

/** Takes the whole body first: a server that answers while it is still being sent to looks like a broken connection. */
async function answerInstead(
  incoming: IncomingMessage,
  answer: ServerResponse,
  fault: Extract<Fault, { do: 'answer' }>,
  asked: Seen,
): Promise<void> {
  incoming.resume()
  if (!incoming.complete) await finished(incoming)
  asked.status = fault.status
  const xml = fault.code === undefined ? '' : `<?xml version="1.0"?><Error><Code>${fault.code}</Code></Error>`
  answer.writeHead(fault.status, { 'content-type': 'application/xml' })
  answer.end(fault.body ?? xml)
}

interface Return {
  readonly response: IncomingMessage
  readonly onward: ClientRequest
  readonly answer: ServerResponse
  readonly faults: readonly Fault[]
  readonly isHead: boolean
}

async function passBack({ response, onward, answer, faults, isHead }: Return): Promise<void> {
  const changed = faults.some((fault) => ['half', 'shorten', 'flip', 'stall'].includes(fault.do))
  let headers = response.rawHeaders
  for (const fault of faults) {
    if (fault.do === 'strip' && fault.from === 'answer') headers = without(headers, fault.header)
    if (fault.do === 'set') headers = [...without(headers, fault.header), fault.header, fault.value]
  }
  answer.once('close', () => onward.destroy())
  if (!changed || isHead) {
    answer.writeHead(response.statusCode ?? 502, headers)
    response.pipe(answer)
    await finished(response)
    return
  }
  let body = Buffer.concat(await response.toArray())
  for (const fault of faults) {
    if (fault.do === 'flip' && body.length > 0) {
      const at = Math.min(fault.at ?? body.length >> 1, body.length - 1)
      body = Buffer.from(body)
      body.writeUInt8(body.readUInt8(at) ^ 0x20, at)
    }
    if (fault.do === 'shorten') {
      body = body.subarray(0, body.length >> 1)
      headers = [...without(headers, 'content-length'), 'content-length', String(body.length)]
    }
  }
  answer.writeHead(response.statusCode ?? 502, headers)
  const broken = faults.find((fault) => fault.do === 'half' || fault.do === 'stall')
  if (broken === undefined) return void answer.end(body)
  const most = broken.do === 'half' ? (broken.bytes ?? body.length >> 1) : body.length >> 1
  await new Promise<void>((written) => answer.write(body.subarray(0, most), () => written()))
  if (broken.do === 'half') answer.destroy()
}

/** Raw headers (name, value, name, value …) without one of them. */
function without(headers: readonly string[], name: string): string[] {
  const kept: string[] = []
  for (let index = 0; index < headers.length; index += 2) {
    const [key = '', value = ''] = headers.slice(index, index + 2)
    if (key.toLowerCase() !== name.toLowerCase()) kept.push(key, value)
  }
  return kept
}
