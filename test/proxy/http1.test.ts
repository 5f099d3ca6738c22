import t from 'tap'
import type { Exchange } from '../../core/exchange.ts'
import { connectRaw, openClient, readBody, startTransport, tlsFor } from './transport-harness.ts'

const host = 'Host: blog.localhost\r\n'
const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\n${host}${more}\r\n`
const count = (text: string, what: string | RegExp) => text.split(what).length - 1

t.test('pipelined requests are answered one at a time and in their order', async (t) => {
  const waiting: Exchange[] = []
  const harness = await startTransport(t, { listeners: ['plain'], handle: (exchange) => void waiting.push(exchange) })
  const connection = await connectRaw(harness.ports.plain)
  const paths = Array.from({ length: 200 }, (_, index) => `/${index}`)
  connection.send(paths.map((path) => get(path)).join(''))
  for (const [index, path] of paths.entries()) {
    await harness.until(() => waiting.length > index)
    t.equal(waiting.length, index + 1, 'one under way')
    waiting[index]?.respond(200, [], Buffer.from(`<${path}>`))
  }
  const text = await connection.has('</199>')
  t.same(
    [...text.matchAll(/<(.*?)>/g)].map(([, path]) => path),
    paths,
  )
  connection.socket.destroy()
})

t.test('pipelined requests whose client is gone are not handed on', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'], handle: () => {} })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(get('/a') + get('/b'))
  await harness.until(() => harness.exchanges.length === 1)
  connection.socket.destroy()
  await harness.until(() => harness.finished.length === 1)
  t.match(harness.finished[0]?.outcome, { status: 499, bodyBytes: 0, complete: false })
  t.equal(harness.exchanges.length, 1)
})

t.test('a connection ends after its number of requests, and says so', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'], limits: { requestsPerConnection: 3 } })
  const connection = await connectRaw(harness.ports.plain)
  for (const index of [1, 2, 3]) {
    connection.send(get('/'))
    await harness.until(() => count(connection.text, 'HTTP/1.1 200') === index)
  }
  const text = await connection.whole()
  t.equal(count(text, /connection: close/i), 1)
})

t.test('a connection ends at its age', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'], limits: { connectionAgeMs: 0 } })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(get('/'))
  t.match(await connection.whole(), /connection: close/i)
})

t.test('HTTP/1.0 is answered and closed, or kept when it asks', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'] })
  const closing = await connectRaw(harness.ports.plain)
  closing.send(`GET /a HTTP/1.0\r\n${host}\r\n`)
  t.match(await closing.whole(), /^HTTP\/1\.1 200 [\s\S]*\/a$/)
  t.equal(harness.exchanges[0]?.httpVersion, '1.0')
  const kept = await connectRaw(harness.ports.plain)
  kept.send(`GET /a HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`)
  await kept.has('/a')
  kept.send(`GET /b HTTP/1.0\r\n${host}\r\n`)
  t.match(await kept.whole(), /\/b$/)
})

t.test('time runs out for a client that is slow', async (t) => {
  const rows = [
    { name: 'to say anything', limits: { headersTimeoutMs: 60 }, bytes: '', expected: /^$/ },
    {
      name: 'with its headers',
      limits: { headersTimeoutMs: 60 },
      bytes: 'GET / HTTP/1.1\r\nHo',
      expected: /^HTTP\/1\.1 408 /,
    },
    {
      name: 'with its next headers',
      limits: { headersTimeoutMs: 60 },
      bytes: `${get('/')}GET`,
      expected: /^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 408 /,
    },
    { name: 'with its next request', limits: { keepAliveMs: 60 }, bytes: get('/'), expected: /^HTTP\/1\.1 200 / },
    {
      name: 'with a body that is read',
      limits: { bodyIdleMs: 60 },
      bytes: `POST /read HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nabc`,
      expected: /^HTTP\/1\.1 408 /,
    },
    {
      name: 'with a body that nobody reads',
      limits: { bodyIdleMs: 60 },
      bytes: `POST / HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nabc`,
      expected: /^HTTP\/1\.1 200 /,
    },
    {
      name: 'with a body whose answer has begun',
      limits: { bodyIdleMs: 60 },
      bytes: `POST /echo HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\nabc`,
      expected: /^HTTP\/1\.1 200 [\s\S]*abc/,
    },
  ]
  for (const { name, limits, bytes, expected } of rows) {
    const harness = await startTransport(t, {
      listeners: ['plain'],
      limits: { lingerMs: 40, ...limits },
      handle: (exchange) => {
        if (exchange.path === '/echo') exchange.respond(200, [], exchange.body)
        else if (exchange.path === '/read') readBody(exchange).catch(() => {})
        else exchange.respond(200, [])
      },
    })
    const connection = await connectRaw(harness.ports.plain)
    connection.send(bytes)
    t.match(await connection.whole(), expected, name)
    await harness.until(() => harness.finished.length === harness.exchanges.length)
    await harness.until(() => harness.transport.connections === 0)
  }
})

t.test('empty lines in place of the next request do not keep a connection', async (t) => {
  const harness = await startTransport(t, { limits: { keepAliveMs: 100, headersTimeoutMs: 100 } })
  for (const tls of [undefined, tlsFor(harness)]) {
    const connection = await connectRaw(tls ? harness.ports.https : harness.ports.plain, tls)
    connection.send(get('/'))
    const trickle = setInterval(() => connection.send('\r\n'), 10)
    t.teardown(() => clearInterval(trickle))
    t.match(await connection.whole(), /^HTTP\/1\.1 200 [\s\S]*\/$/)
  }
})

t.test('an answer may take longer than a connection may idle, also when the body before it was not read', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['plain'],
    limits: { keepAliveMs: 40, headersTimeoutMs: 40 },
    handle: (exchange) => {
      if (exchange.path === '/slow') setTimeout(() => exchange.respond(200, [], Buffer.from('in the end')), 250)
      else exchange.respond(200, [])
    },
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(`POST / HTTP/1.1\r\n${host}Content-Length: 6\r\n\r\nabc`)
  await harness.until(() => harness.finished.length === 1)
  connection.send(`def${get('/slow')}`)
  t.match(await connection.has('in the end'), /in the end$/)
})

t.test('a body that trickles below the minimum pace is cut, although it is never idle', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['plain'],
    limits: { bodyIdleMs: 200, minBytesPerSecond: 100_000 },
    handle: (exchange) => void readBody(exchange).catch(() => {}),
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(`POST / HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\n`)
  const trickle = setInterval(() => connection.send('a'), 10)
  t.teardown(() => clearInterval(trickle))
  t.match(await connection.whole(), /^HTTP\/1\.1 408 /)
})

t.test('a body is given time while its reader, not its client, is slow', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['plain'],
    limits: { bodyIdleMs: 40 },
    handle: (exchange) => {
      exchange.body?.once('data', () => {
        exchange.body?.pause()
        setTimeout(() => exchange.respond(200, [], Buffer.from('patient')), 200)
      })
    },
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(`POST / HTTP/1.1\r\n${host}Content-Length: 300000\r\n\r\n${'a'.repeat(300_000)}`)
  t.match(await connection.has('patient'), /^HTTP\/1\.1 200 /)
  connection.socket.destroy()
})

t.test('100 Continue is sent when the body is first read, and not when it is refused', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['plain'],
    handle: (exchange) => {
      if (exchange.path === '/refuse') exchange.respond(413, [])
      else void readBody(exchange).then((body) => exchange.respond(200, [], Buffer.from(`<${body}>`)))
    },
  })
  const post = (path: string) => `POST ${path} HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`
  const read = await connectRaw(harness.ports.plain)
  read.send(post('/'))
  await read.has('100 Continue\r\n\r\n')
  read.send('ping')
  t.match(await read.has('<ping>'), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
  read.send(get('/again'))
  await read.has('<>')
  read.socket.destroy()
  const refused = await connectRaw(harness.ports.plain)
  refused.send(post('/refuse'))
  t.match(await refused.whole(), /^HTTP\/1\.1 413 [\s\S]*connection: close/i)
  t.notMatch(refused.text, /100 Continue/)
})

t.test('a refused upload can read its answer while it still sends', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'], handle: (exchange) => exchange.respond(413, []) })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(`POST / HTTP/1.1\r\n${host}Content-Length: 100000000\r\n\r\n`)
  const piece = Buffer.alloc(65_536)
  const flow = () => {
    while (!connection.socket.destroyed && connection.socket.write(piece));
  }
  connection.socket.on('drain', flow)
  flow()
  t.match(await connection.has('\r\n\r\n'), /^HTTP\/1\.1 413 [\s\S]*connection: close/i)
  connection.socket.destroy()
  await harness.until(() => harness.finished.length === 1)
  t.match(harness.finished[0]?.outcome, { status: 413 })
})

t.test('a connection on which a small body was left unread is used again', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'] })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(`POST /a HTTP/1.1\r\n${host}Content-Length: 8\r\n\r\nab`)
  await connection.has('/a')
  connection.send(`cdefgh${get('/b')}`)
  t.match(await connection.has('/b'), /HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 200 /)
  connection.socket.destroy()
})

t.test('a connection on which a body was read in part is used again', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['plain'],
    handle: (exchange) => {
      if (!exchange.body) exchange.respond(200, [], Buffer.from('next'))
      exchange.body?.once('data', () => {
        exchange.body?.destroy()
        setImmediate(() => exchange.respond(200, [], Buffer.from('enough')))
      })
    },
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(`POST / HTTP/1.1\r\n${host}Content-Length: 65000\r\n\r\n${'a'.repeat(65_000)}`)
  await connection.has('enough')
  connection.send(get('/'))
  t.match(await connection.has('next'), /HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 200 /)
  connection.socket.destroy()
})

t.test('beyond the number of connections new ones are closed', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain', 'https'], limits: { connectionsPerFront: 2 } })
  const first = await connectRaw(harness.ports.plain)
  const second = await connectRaw(harness.ports.https, tlsFor(harness))
  t.equal(harness.transport.connections, 2)
  const third = await connectRaw(harness.ports.plain)
  t.equal(await third.whole(), '')
  await t.rejects(connectRaw(harness.ports.https, tlsFor(harness)))
  first.socket.destroy()
  await harness.until(() => harness.transport.connections === 1)
  const fourth = await connectRaw(harness.ports.plain)
  fourth.send(get('/'))
  await fourth.has('200')
  for (const { socket } of [second, fourth]) socket.destroy()
})

for (const version of ['1.1', '2.0'] as const)
  t.test(
    `beyond the number of connections, an idle one of HTTP/${version} makes room, and no other does`,
    async (t) => {
      const held = Promise.withResolvers<Exchange>()
      const harness = await startTransport(t, {
        listeners: ['plain', 'https'],
        limits: { connectionsPerFront: 3 },
        handle: (exchange) => {
          if (exchange.path === '/held') held.resolve(exchange)
          else exchange.respond(200, [], Buffer.from('answered'))
        },
      })
      const busy = await connectRaw(harness.ports.plain)
      busy.send(get('/held'))
      const exchange = await held.promise
      const begun = await connectRaw(harness.ports.plain)
      begun.send(get('/'))
      await begun.has('answered')
      begun.send('GET /more HT')
      const idle = openClient(version, harness)
      t.equal((await idle.send({})).status, 200)
      t.equal(harness.transport.connections, 3)

      const fresh = await connectRaw(harness.ports.plain)
      await harness.until(() => harness.transport.connections === 3)
      t.equal(await (await connectRaw(harness.ports.plain)).whole(), '', 'nobody else can make room')
      t.equal(fresh.closed, false)
      begun.send(`TP/1.1\r\n${host}\r\n`)
      await harness.until(() => count(begun.text, 'answered') === 2)
      exchange.respond(200, [], Buffer.from('at last'))
      t.match(await busy.has('at last'), /at last/)
      t.equal((await idle.send({})).status, 200, 'one who was idle comes back when there is room')
      for (const { socket } of [busy, begun, fresh]) socket.destroy()
      idle.close()
    },
  )

t.test('the plain port redirects to https, for known authorities only', async (t) => {
  const harness = await startTransport(t, { listeners: ['http'], limits: { lingerMs: 40 } })
  const connection = await connectRaw(harness.ports.http)
  connection.send(`POST /a%20b?x=1 HTTP/1.1\r\n${host}Content-Length: 1\r\n\r\na`)
  t.match(
    await connection.has('\r\n\r\n'),
    /^HTTP\/1\.1 308 [\s\S]*location: https:\/\/blog\.localhost:8443\/a%20b\?x=1\r\n/,
  )
  t.match(harness.finished, [{ outcome: { status: 308, complete: true } }])
  t.match(
    harness.finished[0]?.exchange.note,
    { site: 'blog.localhost', how: 'static' },
    'it has an access line like any',
  )
  connection.send('GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n')
  t.match(await connection.whole(), / 421 /)
  const upgrade = await connectRaw(harness.ports.http)
  upgrade.send(get('/', 'Connection: upgrade\r\nUpgrade: websocket\r\n'))
  t.match(await upgrade.has('\r\n\r\n'), /^HTTP\/1\.1 308 /, 'a WebSocket handshake too')
  upgrade.socket.destroy()
  t.equal(harness.exchanges.length, 0)
})

t.test('a trusted proxy says who the visitor is, and how it came', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'], trusted: ['127.0.0.1', '10.0.0.1'] })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(get('/', 'X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n'))
  await connection.has('\r\n\r\n')
  connection.socket.destroy()
  t.match(harness.exchanges[0], { clientAddress: '192.0.2.7', scheme: 'https' })
})
