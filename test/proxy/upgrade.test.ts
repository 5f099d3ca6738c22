import t from 'tap'
import { connectRaw, startTransport, tlsFor } from './transport-harness.ts'

const host = 'Host: blog.localhost\r\n'
const handshake = (path: string, more = 'Connection: upgrade\r\nUpgrade: WebSocket\r\n') =>
  `GET ${path} HTTP/1.1\r\n${host}${more}\r\n`

t.test('a handshake becomes a tunnel whose exchange lasts as long as its socket', async (t) => {
  const harness = await startTransport(t, {
    upgrade: (exchange, { socket, head, request }) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n<${exchange.path}><${request.method}><${head}>`)
      socket.on('data', (chunk) => socket.write(chunk))
      socket.on('end', () => socket.end())
    },
  })
  for (const [index, tls] of [undefined, tlsFor(harness)].entries()) {
    const connection = await connectRaw(tls ? harness.ports.https : harness.ports.plain, tls)
    connection.send(`${handshake('/chat?x')}early`)
    await connection.has('early')
    connection.send('ping')
    const text = await connection.has('ping')
    t.match(text, /^HTTP\/1\.1 101 [\s\S]*<\/chat><GET>/)
    t.equal(harness.transport.connections, 1, 'counts as a connection')
    t.equal(harness.finished.length, index, 'not over')
    connection.socket.end()
    await connection.whole()
    await harness.until(() => harness.finished.length === index + 1)
    const outcome = harness.finished[index]?.outcome
    t.match(outcome, { status: 101, complete: true })
    t.ok((outcome?.bodyBytes ?? 0) > 30)
  }
})

t.test('a handshake that is refused gets its answer, and the connection ends', async (t) => {
  const harness = await startTransport(t, {
    upgrade: (exchange) => {
      if (exchange.path === '/throw') throw new Error('a bug')
      exchange.respond(403, ['content-type', 'text/plain'], Buffer.from('not you'))
    },
  })
  const refused = await connectRaw(harness.ports.plain)
  refused.send(handshake('/'))
  t.match(await refused.whole(), /^HTTP\/1\.1 403 [\s\S]*content-length: 7[\s\S]*connection: close[\s\S]*not you$/i)
  const failed = await connectRaw(harness.ports.plain)
  failed.send(handshake('/throw'))
  t.match(await failed.whole(), /^HTTP\/1\.1 500 /)
  await harness.until(() => harness.finished.length === 2)
  t.match(harness.finished, [
    { outcome: { status: 403, bodyBytes: 7, complete: true } },
    { outcome: { status: 500, complete: true } },
  ])
})

t.test('a handshake whose client leaves before an answer is told as such', async (t) => {
  const harness = await startTransport(t, {
    upgrade: (_exchange, { socket }) => {
      socket.resume()
      socket.on('end', () => socket.destroy())
    },
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(handshake('/'))
  await harness.until(() => harness.exchanges.length === 1)
  const signal = harness.exchanges[0]?.signal
  connection.socket.destroy()
  await harness.until(() => harness.finished.length === 1)
  t.match(harness.finished[0]?.outcome, { status: 499, complete: false })
  t.equal(signal?.aborted, true)
})

t.test('handshakes pass the same checks as requests', async (t) => {
  const harness = await startTransport(t, { limits: { lingerMs: 40 } })
  const rows = [
    { name: 'an unknown authority', bytes: handshake('/').replace('blog', 'evil'), status: 421 },
    { name: 'two Hosts', bytes: handshake('/', `${host}Connection: upgrade\r\nUpgrade: websocket\r\n`), status: 400 },
    { name: 'a dot segment', bytes: handshake('/../x'), status: 400 },
    {
      name: '101 headers',
      bytes: handshake('/', `Connection: upgrade\r\nUpgrade: websocket\r\n${'a: b\r\n'.repeat(100)}`),
      status: 431,
    },
  ]
  for (const { name, bytes, status } of rows) {
    const connection = await connectRaw(harness.ports.plain)
    connection.send(bytes)
    t.match(await connection.whole(), new RegExp(`^HTTP/1\\.1 ${status} `), name)
  }
  t.equal(harness.exchanges.length, 0)
  t.same(
    harness.rejected.map(({ status }) => status),
    rows.map(({ status }) => status),
  )
})
