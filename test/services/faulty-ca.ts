/**
 * A proxy for tests that stands before a real ACME server and does what CAs and networks do on bad days, by rules:
 * errors, silence, garbage, wrong certificates, nonces that are never good. It notes what it was asked, and adds what
 * Pebble 2.4 lacks: renewal information (RFC 9773) and profiles.
 *
 * Pebble makes its addresses from the Host of a request, so all of them lead through here.
 */

import { once } from 'node:events'
import { type IncomingMessage, request as plainRequest, type ServerResponse } from 'node:http'
import { createServer, request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Test } from 'tap'
import { makeServerCertificate } from './test-certificates.ts'

/** What is asked for. */
export type Endpoint =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'newOrder'
  | 'account'
  | 'order'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate'
  | 'revokeCert'
  | 'keyChange'
  | 'renewalInfo'
  | 'other'

/** An answer on its way back, to be changed. */
export interface Passing {
  status: number
  headers: Record<string, string>
  body: string
  /** The request's payload. */
  readonly asked: unknown
}

/** What is done to a request. */
export type CaFault =
  /** Answers in the CA's stead. */
  | {
      readonly do: 'answer'
      readonly status: number
      readonly type?: string
      readonly detail?: string
      readonly body?: string
      readonly headers?: Readonly<Record<string, string>>
    }
  /** Takes the request and never answers. */
  | { readonly do: 'hang' }
  /** Answers the head and a little of the body, and then a byte now and then, without end. */
  | { readonly do: 'drip' }
  /** Ends the connection: before the CA heard of it, or after it did what was asked. */
  | { readonly do: 'cut'; readonly when: 'before' | 'after' }
  /** Changes the CA's answer. */
  | { readonly do: 'edit'; readonly edit: (answer: Passing) => void | Promise<void> }
  /** Something happens, and then the request goes its way; or after the CA did what was asked. */
  | { readonly do: 'call'; readonly when: 'before' | 'after'; readonly call: () => void | Promise<void> }

/** When a fault happens. */
export interface CaRule {
  readonly at: Endpoint
  /** Which of the fitting requests is the first to suffer, from 1 on. @default 1 */
  readonly nth?: number
  /** How many suffer. @default all */
  readonly times?: number
  readonly fault: CaFault
}

/** A request that came by. */
export interface CaRequest {
  readonly at: Endpoint
  readonly method: string
  readonly url: string
  /** What was signed; undefined when nothing was, or it was only read. */
  readonly payload: Readonly<Record<string, unknown>> | undefined
  /** What was answered; undefined when there was no answer. */
  readonly status: number | undefined
}

/** A running proxy. */
export interface FaultyCa extends AsyncDisposable {
  readonly directory: string
  /** The root that it is trusted by, PEM. */
  readonly roots: string
  /** All requests since the start or the last {@link FaultyCa.heal}, in the order in which they came. */
  readonly seen: readonly CaRequest[]
  count(at?: Endpoint, status?: number): number
  rule(rule: CaRule): void
  /** Takes all rules away, and forgets what was seen. */
  heal(): void
  /** The CA has renewal information, and answers this; undefined: it has none. */
  renewalInfo: (() => { readonly status: number; readonly body: string; readonly headers?: object }) | undefined
  /** Profiles that the directory names. */
  profiles: Readonly<Record<string, string>> | undefined
}

/** Paths of Pebble 2.4. */
const paths: readonly (readonly [prefix: string, at: Endpoint])[] = [
  ['/dir', 'directory'],
  ['/nonce-plz', 'newNonce'],
  ['/sign-me-up', 'newAccount'],
  ['/order-plz', 'newOrder'],
  ['/my-account/', 'account'],
  ['/my-order/', 'order'],
  ['/authZ/', 'authorization'],
  ['/chalZ/', 'challenge'],
  ['/finalize-order/', 'finalize'],
  ['/certZ/', 'certificate'],
  ['/revoke-cert', 'revokeCert'],
  ['/rollover-account-key', 'keyChange'],
  ['/renewal/', 'renewalInfo'],
]

interface Armed {
  readonly rule: CaRule
  fitting: number
}

/** Starts a proxy before a CA's directory; it ends with the test. */
export async function startFaultyCa(t: Pick<Test, 'teardown'>, target: string): Promise<FaultyCa> {
  const { key, cert } = await makeServerCertificate()
  let armed: Armed[] = []
  let seen: CaRequest[] = []
  const proxy: FaultyCa = {
    directory: '',
    roots: cert,
    get seen() {
      return seen
    },
    count: (at, status) =>
      seen.filter((one) => (at === undefined || one.at === at) && (status === undefined || one.status === status))
        .length,
    rule: (rule) => void armed.push({ rule, fitting: 0 }),
    heal() {
      armed = []
      seen = []
    },
    renewalInfo: undefined,
    profiles: undefined,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  const server = createServer({ key, cert }, (incoming, answer) => {
    pass({ incoming, answer, target: new URL(target), proxy, faultsOf, note }).catch(() => answer.destroy())
  })
  const faultsOf = (at: Endpoint) =>
    armed.flatMap((one) => {
      const { nth = 1, times = Number.POSITIVE_INFINITY, fault } = one.rule
      if (one.rule.at !== at) return []
      one.fitting += 1
      return one.fitting >= nth && one.fitting < nth + times ? [fault] : []
    })
  const note = (request: CaRequest) => void seen.push(request)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => proxy[Symbol.asyncDispose]())
  return Object.defineProperty(proxy, 'directory', {
    value: `https://127.0.0.1:${(server.address() as AddressInfo).port}/dir`,
  })
}

interface Passage {
  readonly incoming: IncomingMessage
  readonly answer: ServerResponse
  readonly target: URL
  readonly proxy: FaultyCa
  readonly faultsOf: (at: Endpoint) => CaFault[]
  readonly note: (request: CaRequest) => void
}

async function pass({ incoming, answer, target, proxy, faultsOf, note }: Passage): Promise<void> {
  const { method = '', url = '' } = incoming
  const body = Buffer.concat(await incoming.toArray()).toString()
  const at = paths.find(([prefix]) => url.startsWith(prefix))?.[1] ?? 'other'
  const asked = { at, method, url, payload: payloadOf(body), status: undefined as number | undefined }
  note(asked)
  const faults = faultsOf(at)
  for (const fault of faults) {
    if (fault.do === 'hang') return
    if (fault.do === 'drip') return drip(answer)
    if (fault.do === 'cut' && fault.when === 'before') return void incoming.socket.destroy()
    if (fault.do === 'call' && fault.when === 'before') await fault.call()
    if (fault.do === 'answer') {
      asked.status = fault.status
      return answerInstead(answer, fault)
    }
  }
  const passing = {
    ...(at === 'renewalInfo' ? renewal(proxy) : await forward(incoming, body, target)),
    asked: asked.payload,
  }
  asked.status = passing.status
  for (const fault of faults) {
    if (fault.do === 'call' && fault.when === 'after') await fault.call()
    if (fault.do === 'cut') return void incoming.socket.destroy()
  }
  if (at === 'directory') addToDirectory(passing, proxy, String(incoming.headers.host))
  for (const fault of faults) if (fault.do === 'edit') await fault.edit(passing)
  delete passing.headers['content-length']
  delete passing.headers['transfer-encoding']
  answer.writeHead(passing.status, passing.headers)
  answer.end(method === 'HEAD' ? undefined : passing.body)
}

function payloadOf(body: string): Record<string, unknown> | undefined {
  try {
    const { payload } = JSON.parse(body) as { payload?: string }
    return payload ? (JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function answerInstead(answer: ServerResponse, fault: Extract<CaFault, { do: 'answer' }>): void {
  const problem = { type: fault.type, detail: fault.detail, status: fault.status }
  answer.writeHead(fault.status, { 'content-type': 'application/problem+json', ...fault.headers })
  answer.end(fault.body ?? JSON.stringify(problem))
}

async function drip(answer: ServerResponse): Promise<void> {
  answer.writeHead(200, { 'content-type': 'application/json' })
  answer.write('{')
  while (!answer.destroyed) {
    await pause(20)
    answer.write(' ')
  }
}

function renewal({ renewalInfo }: FaultyCa): Omit<Passing, 'asked'> {
  const { status, body, headers } = renewalInfo?.() ?? { status: 404, body: '{}' }
  return { status, body, headers: { 'content-type': 'application/json', ...headers } }
}

function addToDirectory(passing: Passing, { renewalInfo, profiles }: FaultyCa, authority: string): void {
  if (!renewalInfo && !profiles) return
  const directory = JSON.parse(passing.body) as { meta?: object }
  passing.body = JSON.stringify({
    ...directory,
    ...(renewalInfo && { renewalInfo: `https://${authority}/renewal` }),
    meta: { ...directory.meta, ...(profiles && { profiles }) },
  })
}

async function forward(incoming: IncomingMessage, body: string, target: URL): Promise<Omit<Passing, 'asked'>> {
  const send = target.protocol === 'https:' ? tlsRequest : plainRequest
  const onward = send({
    hostname: target.hostname,
    port: target.port,
    method: incoming.method,
    path: incoming.url,
    headers: incoming.rawHeaders,
    agent: false,
    rejectUnauthorized: false,
  })
  onward.end(body)
  const [response] = (await once(onward, 'response')) as [IncomingMessage]
  const text = Buffer.concat(await response.toArray()).toString()
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(response.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : String(value)
  return { status: response.statusCode ?? 502, headers, body: text }
}
