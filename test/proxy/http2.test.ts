import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { Readable } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { block, connectRawHttp2, flag, frame, frameType, pseudo } from './raw-http2.ts'
import { type Harness, readBody, startTransport, tlsFor } from './transport-harness.ts'

const postHead = (stream: number, path = '/') =>
  frame(
    frameType.headers,
    flag.endHeaders,
    stream,
    block(pseudo(path).map(([name, value]) => [name, name === ':method' ? 'POST' : value])),
  )

function openSession(harness: Harness) {
  const session = connectHttp2('https://blog.localhost', {
    createConnection: () =>
      connectTls({ port: harness.ports.https, host: '127.0.0.1', ALPNProtocols: ['h2'], ...tlsFor(harness) }),
  })
  session.on('error', () => {})
  return session
}

t.test('100 Continue is sent when the body is first read, and not when it is refused', async (t) => {
  const harness = await startTransport(t, {
    handle: (exchange) => {
      if (exchange.path === '/refuse') exchange.respond(413, [])
      else void readBody(exchange).then((body) => exchange.respond(200, [], Buffer.from(body)))
    },
  })
  const session = openSession(harness)
  t.teardown(() => session.destroy())
  for (const [path, expected] of [
    ['/', [100, 200]],
    ['/refuse', [413]],
  ] as const) {
    const statuses: number[] = []
    const stream = session.request(
      { ':method': 'POST', ':path': path, ':authority': 'blog.localhost', expect: '100-continue' },
      { endStream: false },
    )
    stream.on('headers', (headers) => void statuses.push(Number(headers[':status'])))
    stream.on('continue', () => stream.end('ping'))
    stream.on('response', (headers) => void statuses.push(Number(headers[':status'])))
    stream.on('error', () => {})
    stream.resume()
    await new Promise((resolve) => stream.on('close', resolve))
    t.same(statuses, expected, path)
  }
})

t.test('a client that sends its body too slowly loses its stream, not its session', async (t) => {
  const harness = await startTransport(t, {
    limits: { bodyIdleMs: 60 },
    handle: (exchange) =>
      void readBody(exchange)
        .then(() => exchange.respond(200, []))
        .catch(() => {}),
  })
  const client = await connectRawHttp2(harness)
  client.send(postHead(1), frame(frameType.data, 0, 1, Buffer.from('abc')))
  await harness.until(() => harness.finished.length === 1)
  t.match(harness.finished[0]?.outcome, { status: 408 })
  client.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 3, block(pseudo())))
  await harness.until(() => harness.finished.length === 2)
  t.match(harness.finished[1]?.outcome, { status: 200, complete: true })
  client.connection.socket.destroy()
})

t.test('a request that is reset aborts its signal and its body', async (t) => {
  const failures: unknown[] = []
  const harness = await startTransport(t, {
    handle: (exchange) => void readBody(exchange).catch((error: unknown) => void failures.push(error)),
  })
  const client = await connectRawHttp2(harness)
  client.send(postHead(1), frame(frameType.data, 0, 1, Buffer.from('abc')))
  await harness.until(() => harness.exchanges.length === 1)
  const signal = harness.exchanges[0]?.signal
  client.send(frame(frameType.rst, 0, 1, Buffer.from([0, 0, 0, 8])))
  await harness.until(() => harness.finished.length === 1 && failures.length === 1)
  t.equal(signal?.aborted, true)
  t.match(failures, [{ code: 'ERR_CLOSED' }])
  t.match(harness.finished[0]?.outcome, { status: 499, complete: false })
  client.connection.socket.destroy()
})

t.test('a body that is cut after its answer has begun, or by the end of its answer, is no whole body', async (t) => {
  const read: unknown[] = []
  const harness = await startTransport(t, {
    handle: (exchange) => {
      readBody(exchange).then(
        () => read.push('whole'),
        (error: unknown) => read.push(error),
      )
      exchange.body?.once('data', () => exchange.respond(200, [], Buffer.from('early')))
    },
  })
  const client = await connectRawHttp2(harness)
  client.send(postHead(1), frame(frameType.data, 0, 1, Buffer.from('abc')))
  await harness.until(() => read.length === 1)
  t.match(read[0], { code: 'ERR_CLOSED' }, 'the end of the answer')
  t.match(harness.finished[0]?.outcome, { status: 200, complete: true })
  client.send(postHead(3), frame(frameType.data, 0, 3, Buffer.from('abc')))
  client.send(frame(frameType.rst, 0, 3, Buffer.from([0, 0, 0, 8])))
  await harness.until(() => read.length === 2)
  t.match(read[1], { code: 'ERR_CLOSED' }, 'a reset')
  client.send(postHead(5), frame(frameType.data, 0, 5, Buffer.from('abc')))
  await harness.until(() => harness.exchanges.length === 3)
  client.connection.socket.destroy()
  await harness.until(() => read.length === 3)
  t.match(read[2], { code: 'ERR_CLOSED' }, 'a broken connection')
})

t.test('a client that opens its window a byte at a time is cut by the minimum pace', async (t) => {
  const harness = await startTransport(t, {
    limits: { writeIdleMs: 150, minBytesPerSecond: 1_000_000 },
    handle: (exchange) => exchange.respond(200, [], Buffer.alloc(10_000_000)),
  })
  const client = await connectRawHttp2(harness)
  client.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 1, block(pseudo())))
  const one = Buffer.from([0, 0, 0, 1])
  const trickle = setInterval(
    () => client.send(frame(frameType.window, 0, 0, one), frame(frameType.window, 0, 1, one)),
    10,
  )
  t.teardown(() => clearInterval(trickle))
  await harness.until(() => harness.finished.length === 1)
  t.match(harness.finished[0]?.outcome, { status: 200, complete: false })
  await harness.until(() => client.frames().some(({ type }) => type === frameType.rst))
  client.connection.socket.destroy()
})

const setting = (id: number, value: number) => {
  const payload = Buffer.alloc(6)
  payload.writeUInt16BE(id)
  payload.writeUInt32BE(value, 2)
  return frame(frameType.settings, 0, 0, payload)
}

const ask = (stream: number, path: string) =>
  frame(frameType.headers, flag.endHeaders | flag.endStream, stream, block(pseudo(path)))

const impatient = { writeIdleMs: 60, keepAliveMs: 60 }

t.test('a client that leaves no window for a refusal does not keep its session', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'], limits: impatient })
  const client = await connectRawHttp2(harness)
  client.send(setting(4, 0)) // SETTINGS_INITIAL_WINDOW_SIZE
  client.send(ask(1, '/a/../b'))
  await client.connection.whole()
  t.match(harness.rejected, [{ status: 400 }])
  await harness.until(() => harness.transport.connections === 0)
})

t.test(
  'a client that takes no bytes loses its connection, whatever waits to be sent and however it ends',
  async (t) => {
    const ends: Record<string, { limits?: object; bytes?: Buffer[] }> = {
      'for being idle': {},
      'at its number of requests': { limits: { requestsPerConnection: 10 } },
      'for a flood': { bytes: Array.from({ length: 200 }, () => frame(frameType.ping, 0, 0, Buffer.alloc(8))) },
      'by its own GOAWAY': { bytes: [frame(frameType.goaway, 0, 0, Buffer.alloc(8))] },
    }
    for (const [name, { limits = {}, bytes = [] }] of Object.entries(ends)) {
      const harness = await startTransport(t, {
        listeners: ['https'],
        limits: { ...impatient, ...limits },
        handle: (exchange) => {
          if (exchange.path === '/big') exchange.respond(200, [], Buffer.alloc(64 * 1024 * 1024))
          else exchange.respond(200, ['x-big', 'x'.repeat(8_000)])
        },
      })
      const client = await connectRawHttp2(harness)
      client.connection.socket.pause()
      const most = Buffer.alloc(4)
      most.writeUInt32BE(0x7fff0000)
      client.send(setting(4, 0x7fffffff), frame(frameType.window, 0, 0, most))
      // The first answer fills what the kernel holds; those that are headers alone are stuck behind it.
      client.send(ask(1, '/big'))
      for (let stream = 3; stream < 30; stream += 2) client.send(ask(stream, stream % 4 === 1 ? '/a/../b' : '/'))
      client.send(...bytes)
      await harness.until(() => harness.exchanges.length > 0 && harness.transport.connections === 0)
      t.equal(harness.finished.length, harness.exchanges.length, `${name}: every exchange has ended`)
      client.connection.socket.destroy()
    }
  },
)

t.test('an answer that HTTP/2 cannot carry leaves room for another', async (t) => {
  const freed: boolean[] = []
  const harness = await startTransport(t, {
    handle: (exchange) => {
      const body = new Readable({ read() {} }).once('close', () => freed.push(true))
      const send = () => exchange.respond(200, ['etag', '"a"', 'etag', '"b"'], body)
      t.throws(send, { code: 'ERR_HTTP2_HEADER_SINGLE_VALUE' })
      t.notOk(exchange.responded)
      exchange.respond(500, [])
    },
  })
  const session = openSession(harness)
  const stream = session.request({ ':path': '/', ':authority': 'blog.localhost' })
  const [headers] = (await once(stream, 'response')) as [{ ':status': number }]
  t.equal(headers[':status'], 500)
  t.same(freed, [true], 'the body that was not sent is freed')
  session.destroy()
})

t.test('an answer is not delayed by a request body that nobody wants', async (t) => {
  const harness = await startTransport(t, { handle: (exchange) => exchange.respond(413, [], Buffer.from('too big')) })
  const client = await connectRawHttp2(harness)
  client.send(postHead(1))
  await harness.until(() => client.frames().some(({ type, stream }) => type === frameType.rst && stream === 1))
  const reset = client.frames().find(({ type }) => type === frameType.rst)
  t.equal(reset?.payload.readUInt32BE(0), 0, 'NO_ERROR: RFC 9113 section 8.1')
  t.ok(
    client.frames().some(({ type, stream }) => type === frameType.data && stream === 1),
    'after the answer',
  )
  t.match(harness.finished[0]?.outcome, { status: 413, bodyBytes: 7, complete: true })
  client.connection.socket.destroy()
})
