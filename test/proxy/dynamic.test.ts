import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { type IncomingMessage, type RequestListener, request, type ServerResponse } from 'node:http'
import { BlockList } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type LoggerOptions, pino } from 'pino'
import t, { type Test } from 'tap'
import type { Outcome } from '../../core/exchange.ts'
import { getHeader, joinHeader } from '../../core/headers.ts'
import type { Plugin } from '../../core/plugin.ts'
import type { Session } from '../../core/session.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { beginNote } from '../../proxy/access-log.ts'
import { createDynamic, type UpgradeSite } from '../../proxy/dynamic.ts'
import { createIdentity } from '../../proxy/identity.ts'
import { createTransport } from '../../proxy/listen.ts'
import { foldMiddleware } from '../../proxy/middleware.ts'
import { createRemoteUpstream } from '../../proxy/remote-upstream.ts'
import { testExchange } from './fixtures/exchange.ts'
import { deadUrl, httpServer, rawServer } from './fixtures/servers.ts'
import { noClientRules } from './transport-harness.ts'

const session: Session = {
  id: 's-1',
  userId: 'ada@example.com',
  site: 'blog',
  issuedAtMs: Date.now(),
  expiresAtMs: Date.now() + 3_600_000,
}
const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as Record<string, string>
const identity = createIdentity({ identity: { kid: 'k1', jwk }, identityPublic: [{ ...jwk, kid: 'k1' }] })

interface Made {
  readonly plugins?: readonly Plugin[]
  readonly timeoutMs?: number
  readonly bodyBytes?: number
}

/** A dynamic path and a site whose upstream is at `url`. `logged` collects what is logged. */
function make(
  t: Pick<Test, 'teardown'>,
  url: string,
  { plugins = [], timeoutMs = 10_000, bodyBytes = 1_000 }: Made = {},
) {
  const logged: { err?: { message: string }; request?: string }[] = []
  const middleware = foldMiddleware(plugins)
  const options: LoggerOptions = { serializers: { err: pino.stdSerializers.err } }
  const dynamic = createDynamic({
    log: pino(options, { write: (line: string) => void logged.push(JSON.parse(line)) }),
    identity: () => identity,
    middleware: () => middleware,
    publicPort: () => 8443,
  })
  const upstream = createRemoteUpstream([url])
  t.teardown(() => upstream.close())
  const authorities = ['blog.localhost']
  const site: UpgradeSite = {
    state: { name: 'blog', authorities, upstreams: [url], timeoutMs, bodyBytes },
    info: { name: 'blog', authorities },
    upstream,
  }
  return { dynamic, site, logged }
}

const echo: RequestListener = async (request: IncomingMessage, response: ServerResponse) => {
  const body = (await buffer(request)).toString()
  const { method, url, headers } = request
  response.end(JSON.stringify({ method, url, headers, body }))
}

t.test('an anonymous request reaches the upstream, and nothing in it says who somebody is', async (t) => {
  const { url } = await httpServer(t, echo)
  const { dynamic, site } = make(t, url)
  const exchange = testExchange({
    method: 'POST',
    target: '/guestbook?x=1',
    headers: [
      'host',
      'blog.localhost:8443',
      'grove-user',
      'root',
      'grove_identity',
      'x',
      'cookie',
      'a=1; __Host-grove=v',
    ],
    body: Readable.from(['hello']),
  })
  dynamic.handle(exchange, site, undefined)
  const { status, headers, body } = await exchange.answered
  const seen = JSON.parse(body.toString())
  t.equal(status, 200)
  t.match(seen, { method: 'POST', url: '/guestbook?x=1', body: 'hello' })
  t.match(seen.headers, {
    host: 'blog.localhost:8443',
    cookie: 'a=1',
    'grove-request-id': exchange.id,
    'grove-site': 'blog',
    'x-forwarded-for': '192.0.2.7',
    forwarded: 'for=192.0.2.7;host="blog.localhost:8443";proto=https',
  })
  for (const name of ['grove-user', 'grove-identity', 'grove_identity']) t.equal(seen.headers[name], undefined, name)
  t.equal(getHeader(headers, 'cache-control'), undefined)
  t.equal(joinHeader(headers, 'vary'), 'Cookie')
  t.match(exchange.note, { how: 'upstream', error: undefined })
})

t.test('an upstream is shared by networks', async (t) => {
  const { url } = await httpServer(t, echo)
  const { dynamic, site } = make(t, url)
  const visitors: (string | undefined)[] = []
  const send = (request: UpstreamRequest) => {
    visitors.push(request.visitor)
    return site.upstream.send(request)
  }
  for (const clientAddress of ['192.0.2.7', '2001:db8::1', '2001:db8::2']) {
    const exchange = testExchange({ clientAddress })
    dynamic.handle(exchange, { ...site, upstream: { ...site.upstream, send } }, undefined)
    t.equal((await exchange.answered).status, 200)
  }
  t.same(visitors, ['192.0.2.7', '2001:db8:0:0::/64', '2001:db8:0:0::/64'])
})

t.test('a signed-in visitor is named, and the upstream can verify it', async (t) => {
  const { url } = await httpServer(t, echo)
  const { dynamic, site } = make(t, url)
  const exchange = testExchange({ headers: ['grove-user', 'root'] })
  dynamic.handle(exchange, site, session)
  const { headers, body } = await exchange.answered
  const seen = JSON.parse(body.toString()).headers
  t.equal(seen['grove-user'], 'ada@example.com')
  const [header, payload, signature] = seen['grove-identity'].split('.')
  const key = createPublicKey({ key: JSON.parse(identity.jwks).keys[0], format: 'jwk' })
  t.ok(verify(null, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')))
  t.match(JSON.parse(Buffer.from(payload, 'base64url').toString()), {
    iss: 'https://blog.localhost:8443',
    sub: 'ada@example.com',
    aud: 'blog',
  })
  t.equal(getHeader(headers, 'cache-control'), 'private, no-cache')
})

t.test('what a page of another origin does is not done by the visitor', async (t) => {
  const { url } = await httpServer(t, echo)
  const { dynamic, site } = make(t, url)
  const exchange = testExchange({
    method: 'POST',
    headers: ['host', 'blog.localhost:8443', 'sec-fetch-site', 'same-site', 'origin', 'https://evil.localhost:8443'],
  })
  exchange.note.userId = session.userId
  dynamic.handle(exchange, site, session)
  const seen = JSON.parse((await exchange.answered).body.toString()).headers
  t.equal(seen['grove-user'], undefined)
  t.equal(seen['grove-identity'], undefined)
  t.equal(exchange.note.userId, undefined)
})

t.test('an upstream cannot sign anybody in or out', async (t) => {
  const { url } = await httpServer(t, (_, response) => {
    response.setHeader('set-cookie', ['a=1', '__Host-grove=forged; Path=/; Secure', '=__Host-grove=forged'])
    response.setHeader('grove-version', 'blog@9')
    response.end()
  })
  const { dynamic, site } = make(t, url)
  const exchange = testExchange()
  dynamic.handle(exchange, site, undefined)
  const { headers } = await exchange.answered
  t.equal(joinHeader(headers, 'set-cookie'), 'a=1')
  t.equal(getHeader(headers, 'grove-version'), undefined)
})

t.test('a body over the limit of the site is 413, announced or not', async (t) => {
  let requests = 0
  const { url } = await httpServer(t, (request, response) => {
    requests += 1
    request.on('error', () => {})
    request.resume().on('end', () => response.end('ok'))
  })
  const { dynamic, site } = make(t, url, { bodyBytes: 10 })
  const untouched = new Readable({ read: () => t.fail('not a byte of it is read') })
  const announced = testExchange({ method: 'POST', headers: ['content-length', '11'], body: untouched })
  dynamic.handle(announced, site, undefined)
  t.equal((await announced.answered).status, 413)
  t.equal(requests, 0)
  t.match(announced.note, { how: 'error', error: /^ERR_TOO_LARGE/ })
  const streamed = testExchange({ method: 'POST', body: Readable.from(['12345', '67890', '1']) })
  dynamic.handle(streamed, site, undefined)
  t.equal((await streamed.answered).status, 413)
  const exact = testExchange({ method: 'POST', headers: ['content-length', '10'], body: Readable.from(['1234567890']) })
  dynamic.handle(exact, site, undefined)
  t.equal((await exact.answered).status, 200)
})

t.test('an upstream that is down is 502, with the id and nothing of the cause', async (t) => {
  const url = await deadUrl()
  const { dynamic, site, logged } = make(t, url)
  const exchange = testExchange({ headers: ['accept', 'application/json'] })
  dynamic.handle(exchange, site, session)
  const { status, headers, body } = await exchange.answered
  t.equal(status, 502)
  t.equal(getHeader(headers, 'cache-control'), 'no-store')
  t.same(JSON.parse(body.toString()), { error: { status: 502, message: 'Bad Gateway', request: exchange.id } })
  t.match(exchange.note, { how: 'error', error: /^ERR_UPSTREAM_DOWN: http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/ })
  t.same(logged, [], 'the access line says it')
})

t.test('an upstream that is slow is 504', async (t) => {
  const { url } = await httpServer(t, () => {})
  const { dynamic, site } = make(t, url, { timeoutMs: 30 })
  const exchange = testExchange()
  dynamic.handle(exchange, site, undefined)
  t.equal((await exchange.answered).status, 504)
  t.match(exchange.note, { how: 'error', error: /^ERR_UPSTREAM_SLOW/ })
})

t.test('an answer that is cut midway never looks whole', async (t) => {
  const server = await rawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')
    cut = () => socket.destroy()
  })
  let cut = () => {}
  const { dynamic, site } = make(t, server.url)
  const exchange = testExchange()
  dynamic.handle(exchange, site, undefined)
  const { body } = await exchange.begun
  await once(body as Readable, 'data')
  cut()
  t.match(await exchange.answered, { status: 200, complete: false })
})

t.test('an answer that breaks at its first byte never looks whole', async (t) => {
  const server = await rawServer(t, (socket) =>
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
  )
  const { dynamic, site } = make(t, server.url)
  const exchange = testExchange()
  dynamic.handle(exchange, site, undefined)
  t.equal((await exchange.answered).complete, false)
})

t.test('a visitor who left gets no answer, and the upstream is let go', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (request) => {
    request.socket.on('close', () => gone.resolve())
    arrived.resolve()
  })
  const { dynamic, site, logged } = make(t, url)
  const exchange = testExchange()
  dynamic.handle(exchange, site, undefined)
  await arrived.promise
  exchange.leave()
  await gone.promise
  await new Promise(setImmediate)
  t.equal(exchange.responded, false)
  t.match(exchange.note, { error: /^ERR_CLOSED/ })
  t.same(logged, [])
})

t.test('a visitor who leaves as the answer comes leaves nothing open', async (t) => {
  const gone = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (request, response) => {
    request.socket.on('close', () => gone.resolve())
    response.write('begun')
  })
  const exchange = testExchange()
  const leaving: Plugin = {
    name: 'leaving',
    async request(request, next) {
      const response = await next(request)
      exchange.leave()
      return response
    },
  }
  const { dynamic, site } = make(t, url, { plugins: [leaving] })
  dynamic.handle(exchange, site, undefined)
  await gone.promise
  t.equal(exchange.responded, false)
})

t.test('plugins stand between, and a fault of theirs is 500 with its stack in the log', async (t) => {
  const { url } = await httpServer(t, echo)
  const adding: Plugin = {
    name: 'adding',
    async request(request, next, context) {
      request.headers.set('x-plugin', `${context.session?.userId} from ${context.clientAddress}`)
      const response = await next(request)
      response.headers.set('set-cookie', '__Host-grove=forged')
      return response
    },
  }
  const good = make(t, url, { plugins: [adding] })
  const exchange = testExchange({ target: '/a|b' })
  good.dynamic.handle(exchange, good.site, session)
  const { headers, body } = await exchange.answered
  t.match(JSON.parse(body.toString()), { url: '/a|b', headers: { 'x-plugin': 'ada@example.com from 192.0.2.7' } })
  t.equal(getHeader(headers, 'set-cookie'), undefined)

  const rows: [string, Plugin][] = [
    ['broken', { name: 'broken', request: () => Promise.reject(new Error('oh no')) }],
    [
      'a header that cannot be sent',
      { name: 'odd', request: () => new Response('x', { headers: { 'x-odd': 'a\u0001b' } }) },
    ],
  ]
  for (const [title, plugin] of rows) {
    const bad = make(t, url, { plugins: [plugin] })
    const failing = testExchange()
    if (plugin.name === 'odd') refuseControlCharacters(failing)
    bad.dynamic.handle(failing, bad.site, undefined)
    const answer = await failing.answered
    t.equal(answer.status, 500, title)
    t.notMatch(answer.body.toString(), /oh no/)
    t.match(bad.logged, [{ request: failing.id }])
  }
})

/** The dynamic path behind a real transport, on a plain port. */
async function serve(t: Pick<Test, 'teardown'>, url: string, made: Made = {}) {
  const { dynamic, site } = make(t, url, made)
  const outcomes: (Outcome & { error: string | undefined })[] = []
  const told = new EventEmitter()
  const transport = createTransport({
    secureContext: () => Promise.resolve(undefined),
    ticketKeys: Buffer.alloc(48),
    begun: (exchange) => {
      exchange.note = beginNote()
    },
    handle: (exchange) => dynamic.handle(exchange, site, session),
    upgrade: () => {},
    finished: (exchange, outcome) => {
      outcomes.push({ ...outcome, error: exchange.note?.error })
      told.emit('finished')
    },
    rejected: () => {},
    settings: () => ({ httpsPort: 443, trustedProxies: new BlockList(), serves: () => true, ...noClientRules }),
    log: pino({ level: 'silent' }),
  })
  const { port } = await transport.listen('plain', 'k', { port: 0, host: '127.0.0.1' })
  t.teardown(() => transport.drain(0))
  return { port, outcomes, finished: () => once(told, 'finished') }
}

t.test('a big upload and its echo pass whole through the real transport', async (t) => {
  const { url } = await httpServer(t, (request, response) => void request.pipe(response))
  const { port } = await serve(t, url, { bodyBytes: 100_000_000 })
  const bytes = Buffer.alloc(20_000_000, 'grove ')
  const outgoing = request({ port, host: '127.0.0.1', method: 'POST', headers: { host: 'blog.localhost' } })
  outgoing.end(bytes)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.ok((await buffer(answer)).equals(bytes))
})

t.test('a client that waits for 100 Continue is told at once that its body is too large', async (t) => {
  let requests = 0
  const { url } = await httpServer(t, (incoming, response) => {
    requests += 1
    t.equal(incoming.headers.expect, undefined, 'the expectation is of this hop')
    incoming.pipe(response)
  })
  const { port } = await serve(t, url, { bodyBytes: 10 })
  for (const [length, status] of [
    [11, 413],
    [10, 200],
  ] as const) {
    const headers = { host: 'blog.localhost', expect: '100-continue', 'content-length': length }
    const outgoing = request({ port, host: '127.0.0.1', method: 'PUT', headers })
    let continued = false
    outgoing.on('continue', () => {
      continued = true
      outgoing.end('x'.repeat(length))
    })
    outgoing.flushHeaders()
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    t.equal(answer.statusCode, status)
    t.equal(continued, status === 200)
    answer.resume()
    outgoing.destroy()
  }
  t.equal(requests, 1)
})

t.test('a body that passes the limit midway is answered with 413, and the upstream sees a cut', async (t) => {
  const cut = Promise.withResolvers<void>()
  const arrived = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (incoming) => {
    incoming.on('error', () => cut.resolve()).on('data', () => arrived.resolve())
  })
  const { port } = await serve(t, url, { bodyBytes: 10 })
  const outgoing = request({ port, host: '127.0.0.1', method: 'POST', headers: { host: 'blog.localhost' } })
  outgoing.on('error', () => {})
  outgoing.write('12345')
  await arrived.promise
  outgoing.write('678901')
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.equal(answer.statusCode, 413)
  await cut.promise
  outgoing.destroy()
})

t.test('a cut answer reaches the client as a cut', async (t) => {
  for (const framing of ['content-length: 10\r\n\r\nhalf', 'transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n']) {
    let cut = () => {}
    const server = await rawServer(t, (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\n${framing}`)
      cut = () => socket.destroy()
    })
    const { port, outcomes, finished } = await serve(t, server.url)
    const over = finished()
    const outgoing = request({ port, host: '127.0.0.1', headers: { host: 'blog.localhost' } }).end()
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    await once(answer, 'data')
    cut()
    await t.rejects(buffer(answer), { code: 'ECONNRESET' })
    await over
    t.match(outcomes, [{ status: 200, complete: false }])
  }
})

t.test('a client that leaves while its answer comes ends the request at the upstream', async (t) => {
  const gone = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (incoming, response) => {
    incoming.socket.on('close', () => gone.resolve())
    response.write('begun')
  })
  const { port, outcomes, finished } = await serve(t, url)
  const over = finished()
  const outgoing = request({ port, host: '127.0.0.1', headers: { host: 'blog.localhost' } }).end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  await once(answer, 'data')
  outgoing.destroy()
  await gone.promise
  await over
  t.match(outcomes, [{ status: 200, complete: false }])
})

t.test('HEAD keeps the length that the body would have', async (t) => {
  const { url } = await httpServer(t, (_, response) => response.writeHead(200, { 'content-length': '1234' }).end())
  const { port } = await serve(t, url)
  const outgoing = request({ port, host: '127.0.0.1', method: 'HEAD', headers: { host: 'blog.localhost' } }).end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.equal(answer.headers['content-length'], '1234')
  t.equal((await buffer(answer)).length, 0)
})

t.test('a client that reads slowly holds the upstream back, not our memory', async (t) => {
  const totalBytes = 64 * 1_048_576
  let written = 0
  const { url } = await httpServer(t, (_, response) => {
    const more = () => {
      while (written < totalBytes) {
        written += 65_536
        if (!response.write(Buffer.alloc(65_536))) {
          response.once('drain', more)
          return
        }
      }
      response.end()
    }
    more()
  })
  const { port } = await serve(t, url)
  const outgoing = request({ port, host: '127.0.0.1', headers: { host: 'blog.localhost' } }).end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  for (let last = -1, turns = 0; turns < 300; turns = written === last ? turns + 1 : 0) {
    last = written
    await new Promise(setImmediate)
  }
  t.ok(written < totalBytes / 2, `the upstream could write ${written} bytes of which nobody read one`)
  let bytes = 0
  for await (const chunk of answer) bytes += chunk.length
  t.equal(bytes, totalBytes)
})

/** Makes `respond` throw as the real transports do. */
function refuseControlCharacters(exchange: ReturnType<typeof testExchange>): void {
  const { respond } = exchange
  exchange.respond = (status, headers, body) => {
    if (headers.some((text) => text.includes('\u0001'))) throw new TypeError('header has a control character')
    respond(status, headers, body)
  }
}
