import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { BlockList } from 'node:net'
import type { Duplex } from 'node:stream'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { Agent, WebSocket } from 'undici'
import type { Outcome } from '../../core/exchange.ts'
import type { Session } from '../../core/session.ts'
import { beginNote } from '../../proxy/access-log.ts'
import { createDynamic } from '../../proxy/dynamic.ts'
import { createIdentity } from '../../proxy/identity.ts'
import { createTransport } from '../../proxy/listen.ts'
import { createRemoteUpstream } from '../../proxy/remote-upstream.ts'
import { createWebSockets, shakeWithServer } from '../../proxy/web-socket.ts'
import { deadUrl, httpServer, rawServer } from './fixtures/servers.ts'
import { echoFrames, handshakeLines, type RawClient, rawClient, webSocketServer } from './fixtures/web-sockets.ts'
import { noClientRules } from './transport-harness.ts'

const log = pino({ level: 'silent' })
const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as Record<string, string>
const identity = createIdentity({ identity: { kid: 'k1', jwk }, identityPublic: [{ ...jwk, kid: 'k1' }] })

const session = (extra: Partial<Session> = {}): Session => ({
  id: 's-1',
  userId: 'ada',
  site: 'blog',
  issuedAtMs: Date.now(),
  expiresAtMs: Date.now() + 3_600_000,
  ...extra,
})

interface Options {
  readonly session?: Session
  /** The session of the n-th handshake, from 0. */
  readonly sessions?: readonly Session[]
  readonly timeoutMs?: number
}

/** A real transport whose handshakes go to an upstream at `urls`. */
async function make(t: Pick<Test, 'teardown'>, urls: readonly string[], options: Options = {}) {
  const outcomes: (Outcome & { note: string | undefined })[] = []
  const finished = Promise.withResolvers<void>()
  const dynamic = createDynamic({ log, identity: () => identity, middleware: () => undefined, publicPort: () => 443 })
  const upstream = createRemoteUpstream(urls)
  let handshakes = 0
  const authorities = ['blog.localhost']
  const site = {
    state: {
      name: 'blog',
      authorities,
      upstreams: [...urls],
      timeoutMs: options.timeoutMs ?? 10_000,
      bodyBytes: 1_000,
    },
    info: { name: 'blog', authorities },
    upstream,
  }
  const transport = createTransport({
    secureContext: () => Promise.resolve(undefined),
    ticketKeys: Buffer.alloc(48),
    begun: (exchange) => {
      exchange.note = beginNote()
    },
    handle: (exchange) => exchange.respond(404, []),
    upgrade: (exchange, connection) => {
      dynamic.upgrade(exchange, connection, site, options.sessions?.[handshakes++] ?? options.session)
    },
    finished: (exchange, outcome) => {
      outcomes.push({ ...outcome, note: exchange.note?.error })
      finished.resolve()
    },
    rejected: () => {},
    settings: () => ({ httpsPort: 443, trustedProxies: new BlockList(), serves: () => true, ...noClientRules }),
    log,
  })
  const { port } = await transport.listen('plain', 'k', { port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    dynamic.close()
    await transport.drain(0)
    await upstream.close()
  })
  return { dynamic, port, outcomes, finished: finished.promise }
}

/** A browser's WebSocket, led to the port whatever the name. */
function webSocketTo(t: Pick<Test, 'teardown'>, port: number, path: string, headers: Record<string, string> = {}) {
  const dispatcher = new Agent({
    connect: { lookup: (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]) },
  })
  t.teardown(() => dispatcher.destroy())
  return new WebSocket(`ws://blog.localhost:${port}${path}`, { dispatcher, headers, protocols: ['chat'] })
}

t.test('messages pass both ways, and the upstream knows who sends them', async (t) => {
  const server = await webSocketServer(t, echoFrames, ['Sec-WebSocket-Protocol: chat'])
  const { dynamic, port } = await make(t, [server.url], { session: session() })
  const socket = webSocketTo(t, port, '/live//x?y=|', {
    cookie: 'a=1; __Host-grove=sealed',
    'grove-user': 'root',
    grove_identity: 'forged',
    'x-forwarded-for': '1.2.3.4',
  })
  await once(socket, 'open')
  t.equal(socket.protocol, 'chat')
  t.equal(dynamic.webSockets, 1)
  for (const text of ['hello', 'and again']) {
    const message = once(socket, 'message')
    socket.send(text)
    t.equal((await message)[0].data, text)
  }
  const [request] = server.requests
  t.equal(request?.url, '/live//x?y=|', 'the target as it was sent')
  t.match(request?.headers, {
    host: `blog.localhost:${port}`,
    cookie: 'a=1',
    'grove-user': 'ada',
    'grove-site': 'blog',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
  })
  t.equal(request?.headers['grove_identity'], undefined)
  t.match(request?.headers['grove-identity'], /^[\w-]+\.[\w-]+\.[\w-]+$/)
  const closed = once(socket, 'close')
  socket.close(1000)
  t.equal((await closed)[0].code, 1000)
})

t.test('a page of another origin gets a socket of its own, not the visitor’s', async (t) => {
  const server = await webSocketServer(t, echoFrames)
  const { port } = await make(t, [server.url], { session: session() })
  const rows: [string, string | undefined][] = [
    [`http://blog.localhost:${port}`, 'ada'],
    [`http://evil.localhost:${port}`, undefined],
    ['null', undefined],
  ]
  for (const [origin, user] of rows) {
    const client = await rawClient(port, [...handshakeLines, `Origin: ${origin}`])
    await client.until('101')
    t.equal(server.requests.at(-1)?.headers['grove-user'], user, origin)
    t.equal(server.requests.at(-1)?.headers.origin, origin, 'the upstream can judge for itself')
    client.socket.destroy()
  }
})

t.test('a 101 is cleaned like any other answer', async (t) => {
  const extra = ['Set-Cookie: __Host-grove=forged', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Grove-Version: x', 'X-A: 1']
  const server = await webSocketServer(t, echoFrames, extra)
  const { port } = await make(t, [server.url])
  const client = await rawClient(port)
  await client.until('\r\n\r\n')
  const head = client.received().toLowerCase()
  t.match(head, /^http\/1\.1 101 /)
  for (const line of ['set-cookie: a=1', 'set-cookie: b=2', 'x-a: 1', 'upgrade: websocket', 'connection: upgrade'])
    t.match(head, line)
  t.match(head, 'sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=')
  t.notMatch(head, /grove/)
  client.socket.destroy()
})

t.test('bytes that come with the handshake are not lost, on either side', async (t) => {
  const server = await webSocketServer(t, (socket) => {
    socket.write('early from upstream;')
    socket.pipe(socket)
  })
  const { port } = await make(t, [server.url])
  const client = await rawClient(port, handshakeLines, { after: 'early from visitor;' })
  await client.until('early from upstream;')
  await client.until('early from visitor;')
  client.socket.destroy()
  t.pass()
})

t.test('a handshake that the upstream refuses is answered as it answers', async (t) => {
  const { url } = await httpServer(t, (_, response) => {
    response.writeHead(403, ['x-why', 'no', 'set-cookie', '__Host-grove=forged', 'grove-user', 'root'])
    response.write('not ')
    response.end('you')
  })
  const { port, outcomes } = await make(t, [url])
  const client = await rawClient(port)
  await client.closed
  const answer = client.received()
  t.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n/)
  t.match(answer, 'x-why: no')
  t.match(answer, /not .*you/s)
  t.notMatch(answer, /forged|root/)
  t.notMatch(answer.replace(/^.*?\r\n\r\n/s, ''), /HTTP\//, 'one answer, not two')
  t.match(outcomes, [{ status: 403, complete: true }])
})

t.test('upstreams that fail in the handshake', async (t) => {
  const silent = await httpServer(t, (request) => void request.resume())
  silent.server.on('upgrade', () => {})
  const anotherProtocol = 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n'
  const odd = 'HTTP/1.1 777 Odd\r\ncontent-length: 0\r\n\r\n'
  const huge = `HTTP/1.1 101 Switching\r\nx-big: ${'x'.repeat(100_000)}\r\n\r\n`
  const rows: [string, string, number][] = [
    ['refuses', await deadUrl(), 502],
    ['says nothing', silent.url, 504],
    ['hangs up', (await rawServer(t, (socket) => socket.end())).url, 502],
    ['resets', (await rawServer(t, (socket) => socket.resetAndDestroy())).url, 502],
    ['answers garbage', (await rawServer(t, (socket) => socket.end('garbage\r\n\r\n'))).url, 502],
    ['changes to another protocol', (await rawServer(t, (socket) => socket.end(anotherProtocol))).url, 502],
    ['answers with a status that is none', (await rawServer(t, (socket) => socket.end(odd))).url, 502],
    ['sends more headers than it may', (await rawServer(t, (socket) => socket.end(huge))).url, 502],
    ['hangs up midway', (await rawServer(t, (socket) => socket.end('HTTP/1.1 101 Sw'))).url, 502],
  ]
  for (const [title, url, status] of rows) {
    const { port, outcomes, finished, dynamic } = await make(t, [url], { timeoutMs: status === 504 ? 50 : 10_000 })
    const client = await rawClient(port, [...handshakeLines, 'Accept: application/json'])
    await client.closed
    t.match(client.received(), new RegExp(`^HTTP/1\\.1 ${status} `), title)
    t.match(client.received(), /"request":"[0-9a-z-]+"/, `${title}: with the id`)
    await finished
    t.match(outcomes, [{ status, note: status === 504 ? /^ERR_UPSTREAM_SLOW/ : /^ERR_UPSTREAM_DOWN/ }], title)
    await become(() => dynamic.webSockets, 0)
  }
})

t.test('the next server is asked when one refuses the connection', async (t) => {
  const server = await webSocketServer(t, echoFrames)
  const { port } = await make(t, [await deadUrl(), server.url])
  for (let i = 0; i < 3; i += 1) {
    const client = await rawClient(port)
    await client.until('101')
    client.socket.destroy()
  }
  t.equal(server.requests.length, 3)
})

t.test('handshakes that are none are refused without asking the upstream', async (t) => {
  const server = await webSocketServer(t, echoFrames)
  const { port } = await make(t, [server.url])
  const client = await rawClient(
    port,
    handshakeLines.map((line) => line.replace(': 13', ': 8')),
  )
  await client.closed
  t.match(client.received(), /^HTTP\/1\.1 426 /)
  t.match(client.received().toLowerCase(), 'sec-websocket-version: 13')
  t.match(client.received().toLowerCase(), '\r\nupgrade: websocket\r\n')
  t.match(client.received().toLowerCase(), '\r\nconnection: upgrade\r\n')
  t.match(client.received().toLowerCase(), '\r\nconnection: close\r\n')
  t.equal(server.requests.length, 0)
})

t.test('when one side goes, the other goes', async (t) => {
  const opened = Promise.withResolvers<Duplex>()
  const server = await webSocketServer(t, (socket) => opened.resolve(socket.resume()))
  const { port, dynamic } = await make(t, [server.url])
  const leaving = await rawClient(port)
  await leaving.until('101')
  const upstreamSide = await opened.promise
  const upstreamEnded = once(upstreamSide, 'end')
  leaving.socket.resetAndDestroy()
  await upstreamEnded
  t.pass('the visitor left, and the upstream sees the end')

  for (const how of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const cutting = await webSocketServer(t, (socket) => {
      socket.resume()
      socket.write('last words', () => (socket as unknown as Record<typeof how, () => void>)[how]())
    })
    const made = await make(t, [cutting.url])
    const client = await rawClient(made.port)
    await client.closed
    t.match(client.received(), how === 'resetAndDestroy' ? '101' : 'last words', `upstream left by ${how}`)
    await made.finished
    await become(() => made.dynamic.webSockets, 0)
    t.match(made.outcomes, [{ status: 101 }])
  }
  await become(() => dynamic.webSockets, 0)
})

t.test('a visitor who leaves within the handshake leaves nothing behind', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const server = await rawServer(t, (socket) => {
    socket.on('close', () => gone.resolve())
    arrived.resolve()
  })
  const { port, dynamic, finished, outcomes } = await make(t, [server.url])
  const client = await rawClient(port)
  await arrived.promise
  t.equal(dynamic.webSockets, 1, 'counted from the first')
  client.socket.resetAndDestroy()
  await gone.promise
  await finished
  await become(() => dynamic.webSockets, 0)
  t.match(outcomes, [{ status: 499 }])
})

t.test('sockets of a site that is gone, or has other upstreams, are cut', async (t) => {
  const server = await webSocketServer(t, (socket) => socket.pipe(socket))
  const { port, dynamic } = await make(t, [server.url])
  const clients = await Promise.all([rawClient(port), rawClient(port)])
  for (const client of clients) await client.until('101')
  t.equal(dynamic.webSockets, 2)
  dynamic.closeSite('other')
  t.equal(dynamic.webSockets, 2)
  clients[0]?.socket.write('still here')
  await clients[0]?.until('still here')
  dynamic.closeSite('blog')
  for (const client of clients) await client.closed
  await become(() => dynamic.webSockets, 0)
})

t.test('a sign-out cuts the sockets of its session, and no others', async (t) => {
  const server = await webSocketServer(t, (socket) => socket.pipe(socket))
  const sessions = [session({ id: 'out' }), session({ id: 'stays' })]
  const { port, dynamic } = await make(t, [server.url], { sessions })
  const out = await rawClient(port)
  await out.until('101')
  const stays = await rawClient(port)
  await stays.until('101')
  const anonymous = await rawClient(port)
  await anonymous.until('101')
  dynamic.closeRevoked(({ id }) => id === 'out')
  await out.closed
  await become(() => dynamic.webSockets, 2)
  for (const client of [stays, anonymous]) {
    client.socket.write('still here')
    await client.until('still here')
  }
  dynamic.close()
  await Promise.all([stays.closed, anonymous.closed])
  await become(() => dynamic.webSockets, 0)
})

t.test('a socket lasts no longer than its session', async (t) => {
  const server = await webSocketServer(t, (socket) => socket.pipe(socket))
  const { port, dynamic } = await make(t, [server.url], {
    sessions: [session({ expiresAtMs: Date.now() + 100 }), session({ expiresAtMs: Date.now() + 2 ** 40 })],
  })
  const short = await rawClient(port)
  await short.until('101')
  const long = await rawClient(port)
  await long.until('101')
  await short.closed
  await become(() => dynamic.webSockets, 1)
  long.socket.write('still here')
  await long.until('still here')
})

t.test('a session that has expired on the way gets no socket', async (t) => {
  const server = await webSocketServer(t, echoFrames)
  const { port, dynamic } = await make(t, [server.url], { session: session({ expiresAtMs: Date.now() - 1 }) })
  const client = await rawClient(port)
  await client.closed
  t.equal(client.received(), '')
  await become(() => dynamic.webSockets, 0)
})

t.test('what is open is bounded, for a site and for the front, and one visitor gets a share of it', async (t) => {
  for (const bounds of [
    { perFront: 100, perSite: 4 },
    { perFront: 4, perSite: 100 },
  ]) {
    const server = await webSocketServer(t, echoFrames)
    const webSockets = createWebSockets(bounds)
    const upstream = createRemoteUpstream([server.url])
    const trustedProxies = new BlockList()
    trustedProxies.addAddress('127.0.0.1')
    const transport = createTransport({
      secureContext: () => Promise.resolve(undefined),
      ticketKeys: Buffer.alloc(48),
      begun: () => {},
      handle: () => {},
      upgrade: (exchange, connection) =>
        webSockets.open({
          exchange,
          connection,
          site: 'blog',
          session: undefined,
          shake: (ended) =>
            shakeWithServer({ exchange, connection, upstream, headers: exchange.headers, timeoutMs: 10_000 }, ended),
        }),
      finished: () => {},
      rejected: () => {},
      settings: () => ({ httpsPort: 443, trustedProxies, serves: () => true, ...noClientRules }),
      log,
    })
    const { port } = await transport.listen('plain', 'k', { port: 0, host: '127.0.0.1' })
    const open = (visitor: string) => rawClient(port, [`X-Forwarded-For: ${visitor}`, ...handshakeLines])
    const refused = async (visitor: string) => {
      const client = await open(visitor)
      await client.closed
      t.match(client.received(), /^HTTP\/1\.1 503 /)
    }
    const clients: RawClient[] = []
    for (const visitor of ['2001:db8::1', '2001:db8::2']) {
      clients.push(await open(visitor))
      await clients.at(-1)?.until('101')
    }
    await refused('2001:db8::3')
    clients.push(await open('192.0.2.1'))
    await clients.at(-1)?.until('101')
    await refused('192.0.2.1')
    t.equal(webSockets.size, 3)
    webSockets.close()
    for (const client of clients) await client.closed
    await become(() => webSockets.size, 0)
    await transport.drain(0)
    await upstream.close()
  }
})

t.test('a visitor who reads slowly holds the upstream back, not our memory', async (t) => {
  const totalBytes = 64 * 1_048_576
  let written = 0
  const server = await webSocketServer(t, (socket) => {
    const more = () => {
      while (written < totalBytes) {
        written += 65_536
        if (!socket.write(Buffer.alloc(65_536))) {
          socket.once('drain', more)
          return
        }
      }
    }
    more()
  })
  const { port } = await make(t, [server.url])
  const client = await rawClient(port)
  await client.until('101')
  client.socket.pause()
  for (let last = -1, turns = 0; turns < 300; turns = written === last ? turns + 1 : 0) {
    last = written
    await new Promise(setImmediate)
  }
  t.ok(written < totalBytes / 2, `the upstream could write ${written} bytes of which nobody read one`)
  client.socket.destroy()
})

/** Resolves when a count has become what it should; a test that waits in vain fails at its time limit. */
async function become(count: () => number, expected: number): Promise<void> {
  while (count() !== expected) await new Promise(setImmediate)
}
