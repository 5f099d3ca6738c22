import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t from 'tap'
import type { Exchange } from '../../core/exchange.ts'
import { block, connectRawHttp2, flag, frame, frameType, pseudo } from './raw-http2.ts'
import { connectRaw, type Harness, openClient, openTestCa, startTransport, tlsFor } from './transport-harness.ts'

const get = 'GET / HTTP/1.1\r\nHost: blog.localhost\r\n\r\n'

/** One TLS connection that asks for / and tells whether it resumed, and the session to resume from. */
async function handshake(harness: Harness, version: 'TLSv1.2' | 'TLSv1.3', session?: Buffer) {
  const socket: TLSSocket = connectTls({
    port: harness.ports.https,
    host: '127.0.0.1',
    ...tlsFor(harness, { minVersion: version, maxVersion: version }),
    ...(session && { session }),
  })
  let ticket: Buffer | undefined
  socket.on('session', (given: Buffer) => {
    ticket = given
  })
  await once(socket, 'secureConnect')
  socket.write(get)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  const resumed = socket.isSessionReused()
  const given = version === 'TLSv1.2' ? socket.getSession() : ticket
  socket.destroy()
  return { resumed, session: given, status: answer.toString('latin1', 9, 12) }
}

t.test('sessions resume on every transport with the same ticket keys', async (t) => {
  const ca = await openTestCa(t)
  const keys = randomBytes(48)
  const first = await startTransport(t, { ca, ticketKeys: keys })
  const second = await startTransport(t, { ca, ticketKeys: keys })
  const stranger = await startTransport(t, { ca, ticketKeys: randomBytes(48) })
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const full = await handshake(first, version)
    t.equal(full.resumed, false)
    t.match(await handshake(first, version, full.session), { resumed: true, status: '200' }, `${version}: the same`)
    t.match(await handshake(second, version, full.session), { resumed: true, status: '200' }, `${version}: another`)
    t.match(
      await handshake(stranger, version, full.session),
      { resumed: false, status: '200' },
      `${version}: other keys`,
    )
  }
  const { session } = await handshake(first, 'TLSv1.3')
  stranger.transport.setTicketKeys({ current: keys, previous: [] })
  t.match(await handshake(stranger, 'TLSv1.3', session), { resumed: true, status: '200' }, 'after a rotation')
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { session } = await handshake(first, version)
    stranger.transport.setTicketKeys({ current: randomBytes(48), previous: [randomBytes(48), keys] })
    const renewed = await handshake(stranger, version, session)
    t.match(renewed, { resumed: true, status: '200' }, `${version}: with a key of before`)
  }
})

t.test('a listening handle of the parent is accepted from, and let go', async (t) => {
  const harness = await startTransport(t, { listeners: [] })
  const net = createRequire(import.meta.url)('node:net')
  const handle = net._createServerHandle('127.0.0.1', 0, 4, undefined, undefined)
  const { port } = await harness.transport.listen('plain', 'native', handle)
  const kept = await connectRaw(port)
  kept.send(get)
  await kept.has('200')
  harness.transport.unlisten('native')
  harness.transport.unlisten('no such key')
  await t.rejects(connectRaw(port))
  kept.send(get)
  await harness.until(() => harness.finished.length === 2)
  kept.socket.destroy()
})

t.test('a connection keeps its limits after its listening socket is gone', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'], limits: { headersTimeoutMs: 60, lingerMs: 40 } })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(get)
  await connection.has('200')
  harness.transport.unlisten('plain')
  connection.send('GET / HT')
  t.match(await connection.whole(), / 408 /)
})

t.test('what cannot be listened on is told', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'] })
  await t.rejects(harness.transport.listen('plain', 'plain', { port: 0, host: '127.0.0.1' }), { code: 'ERR_EXISTS' })
  const taken = { port: harness.ports.plain, host: '127.0.0.1' }
  await t.rejects(harness.transport.listen('plain', 'other', taken), { code: 'EADDRINUSE' })
  const { port } = await harness.transport.listen('plain', 'other', { port: 0, host: '127.0.0.1' })
  t.ok(port > 0, 'the key is free again')
  await harness.transport.drain(0)
  await t.rejects(harness.transport.listen('plain', 'late', { port: 0, host: '127.0.0.1' }), { code: 'ERR_CLOSED' })
})

t.test('a drain ends what is idle at once and lets what has begun end', async (t) => {
  const open: Exchange[] = []
  const harness = await startTransport(t, { handle: (exchange) => void open.push(exchange) })
  const idle = await connectRaw(harness.ports.plain)
  idle.send(get)
  await harness.until(() => open.length === 1)
  open[0]?.respond(200, [])
  await idle.has('200')
  const busy = await connectRaw(harness.ports.https, tlsFor(harness))
  busy.send(get)
  const h2 = openClient('2.0', harness)
  const answers = [h2.send({ path: '/1' }), h2.send({ path: '/2' })]
  await harness.until(() => open.length === 4)
  const body = new Readable({ read() {} })
  open[1]?.respond(200, [], body)
  body.push('begun')
  await busy.has('begun')
  let drained = false
  const done = harness.transport.drain(60_000).then(() => {
    drained = true
  })
  t.match(await idle.whole(), /^HTTP\/1\.1 200 /)
  t.equal(drained, false)
  await t.rejects(connectRaw(harness.ports.plain))
  body.push(' and ended')
  body.push(null)
  t.match(await busy.whole(), /begun[\s\S]* and ended[\s\S]*\r\n0\r\n\r\n$/, 'whole')
  for (const exchange of open.slice(2)) exchange.respond(200, [], Buffer.from(exchange.path))
  t.match(await Promise.all(answers), [
    { status: 200, body: '/1', cut: false },
    { status: 200, body: '/2', cut: false },
  ])
  await done
  t.equal(harness.transport.connections, 0)
})

t.test('answers that begin during a drain say that the connection ends', async (t) => {
  const open: Exchange[] = []
  const harness = await startTransport(t, { listeners: ['plain'], handle: (exchange) => void open.push(exchange) })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(get)
  await harness.until(() => open.length === 1)
  const done = harness.transport.drain(60_000)
  open[0]?.respond(200, [], Buffer.from('last'))
  t.match(await connection.whole(), /connection: close[\s\S]*last$/i)
  await done
})

t.test('a request that arrives on a fresh connection just before a drain is answered', async (t) => {
  const harness = await startTransport(t, { limits: { freshGraceMs: 5_000 } })
  const plain = await connectRaw(harness.ports.plain)
  const h1 = await connectRaw(harness.ports.https, tlsFor(harness))
  const h2 = await connectRawHttp2(harness)
  await harness.until(() => h2.frames().length > 1)
  const done = harness.transport.drain(60_000)
  await new Promise((resolve) => setTimeout(resolve, 50))
  plain.send(get)
  h1.send(get)
  h2.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 1, block(pseudo())))
  t.match(await plain.whole(), /^HTTP\/1\.1 200 [\s\S]*connection: close/i)
  t.match(await h1.whole(), /^HTTP\/1\.1 200 [\s\S]*connection: close/i)
  await h2.connection.whole()
  t.ok(h2.frames().some(({ type }) => type === frameType.goaway))
  await done
  t.equal(harness.finished.filter(({ outcome }) => outcome.complete).length, 3)
})

t.test('fresh connections that ask for nothing hold up a drain only for their moment of grace', async (t) => {
  const harness = await startTransport(t, { limits: { freshGraceMs: 50 } })
  const fresh = [
    await connectRaw(harness.ports.plain),
    await connectRaw(harness.ports.https, tlsFor(harness)),
    (await connectRawHttp2(harness)).connection,
  ]
  await harness.transport.drain(60_000)
  await Promise.all(fresh.map((connection) => connection.whole()))
  t.equal(harness.transport.connections, 0)
})

t.test('a drain stops hard at its end: requests, tunnels and handshakes', async (t) => {
  const harness = await startTransport(t, {
    handle: () => {},
    upgrade: (_exchange, { socket }) => void socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  })
  const request = await connectRaw(harness.ports.plain)
  request.send(get)
  const tunnel = await connectRaw(harness.ports.https, tlsFor(harness))
  tunnel.send('GET / HTTP/1.1\r\nHost: blog.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  await tunnel.has('101')
  const h2 = await connectRawHttp2(harness)
  h2.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 1, block(pseudo())))
  await connectRaw(harness.ports.https)
  await harness.until(() => harness.exchanges.length === 3 && harness.transport.connections === 4)
  const done = harness.transport.drain(60_000)
  await harness.transport.drain(50)
  await done
  t.equal(harness.transport.connections, 0)
  await harness.until(() => harness.finished.length === 3)
  t.same(harness.finished.map(({ outcome }) => outcome.status).sort(), [101, 499, 499])
})

t.test('a certificate that cannot be had refuses the handshake and nothing else', async (t) => {
  const harness = await startTransport(t)
  await t.rejects(connectRaw(harness.ports.https, tlsFor(harness, { servername: 'evil.localhost' })))
  const connection = await connectRaw(harness.ports.https, tlsFor(harness, { servername: 'BLOG.localhost' }))
  connection.send(get)
  t.match(await connection.has('\r\n\r\n'), /^HTTP\/1\.1 200 /)
  connection.socket.destroy()
})
