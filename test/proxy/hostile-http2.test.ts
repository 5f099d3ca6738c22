import t from 'tap'
import { block, connectRawHttp2, flag, frame, frameType, pseudo } from './raw-http2.ts'
import { startTransport } from './transport-harness.ts'

const { endHeaders, endStream } = flag
type Headers = [string, string][]

/** A whole request in one HEADERS frame. */
const request = (stream: number, headers: Headers, more: number = endStream) =>
  frame(frameType.headers, endHeaders | more, stream, block(headers))

const withPseudo = (name: string, value: string): Headers =>
  pseudo().map(([key, old]) => [key, key === name ? value : old])

const without = (name: string): Headers => pseudo().filter(([key]) => key !== name)

interface Row {
  readonly name: string
  readonly headers: Headers
  /** The status of our refusal, or `reset` when nghttp2 resets the stream before we see it. */
  readonly refused: number | 'reset'
}

const rows: readonly Row[] = [
  { name: 'an unknown authority', headers: pseudo('/', 'evil.example'), refused: 421 },
  {
    name: 'an authority that is not the name of the certificate',
    headers: pseudo('/', 'shop.localhost'),
    refused: 421,
  },
  { name: 'an authority with user information', headers: pseudo('/', 'eve@blog.localhost'), refused: 'reset' },
  { name: 'an authority with a bad port', headers: pseudo('/', 'blog.localhost:x'), refused: 400 },
  { name: 'a Host that differs from :authority', headers: [...pseudo(), ['host', 'shop.localhost']], refused: 400 },
  {
    name: 'two Hosts',
    headers: [...without(':authority'), ['host', 'blog.localhost'], ['host', 'blog.localhost']],
    refused: 'reset',
  },
  { name: 'no authority at all', headers: without(':authority'), refused: 'reset' },
  { name: 'an empty authority', headers: pseudo('/', ''), refused: 'reset' },
  { name: 'another scheme', headers: withPseudo(':scheme', 'http'), refused: 400 },
  { name: 'a scheme of another kind', headers: withPseudo(':scheme', 'ftp'), refused: 400 },
  { name: 'no scheme', headers: without(':scheme'), refused: 'reset' },
  { name: 'a fragment', headers: pseudo('/x#f'), refused: 400 },
  { name: 'absolute-form in :path', headers: pseudo('https://blog.localhost/'), refused: 'reset' },
  { name: 'an empty :path', headers: pseudo(''), refused: 'reset' },
  { name: 'an asterisk for GET', headers: pseudo('*'), refused: 'reset' },
  {
    name: 'an asterisk for OPTIONS',
    headers: withPseudo(':method', 'OPTIONS').map(([k, v]) => [k, k === ':path' ? '*' : v]),
    refused: 405,
  },
  { name: 'a dot segment', headers: pseudo('/a/../b'), refused: 400 },
  { name: 'an encoded slash', headers: pseudo('/a%2fb'), refused: 400 },
  { name: 'an encoded NUL', headers: pseudo('/%00'), refused: 400 },
  { name: 'a target of raw bytes', headers: pseudo('/\xe4'), refused: 400 },
  { name: 'a control character in :path', headers: pseudo('/\x01'), refused: 'reset' },
  { name: 'a space in :path', headers: pseudo('/a b'), refused: 'reset' },
  { name: 'a target that is too long', headers: pseudo(`/${'a'.repeat(9_000)}`), refused: 414 },
  { name: 'TRACE', headers: withPseudo(':method', 'TRACE'), refused: 405 },
  {
    name: 'CONNECT',
    headers: [
      [':method', 'CONNECT'],
      [':authority', 'blog.localhost:443'],
    ],
    refused: 405,
  },
  { name: 'a method that is too long', headers: withPseudo(':method', 'A'.repeat(33)), refused: 405 },
  { name: 'a method with a space', headers: withPseudo(':method', 'GET /'), refused: 'reset' },
  { name: 'Transfer-Encoding', headers: [...pseudo(), ['transfer-encoding', 'chunked']], refused: 'reset' },
  { name: 'Connection', headers: [...pseudo(), ['connection', 'close']], refused: 'reset' },
  { name: 'TE other than trailers', headers: [...pseudo(), ['te', 'gzip']], refused: 'reset' },
  {
    name: 'a Content-Length of a body that is not there',
    headers: [...pseudo(), ['content-length', '5']],
    refused: 'reset',
  },
  {
    name: 'two Content-Lengths',
    headers: [...pseudo(), ['content-length', '0'], ['content-length', '0']],
    refused: 'reset',
  },
  { name: 'a name in upper case', headers: [...pseudo(), ['X-Upper', '1']], refused: 'reset' },
  { name: 'a pseudo-header twice', headers: [...pseudo(), [':path', '/b']], refused: 'reset' },
  { name: 'a pseudo-header after others', headers: [['x', '1'], ...pseudo()], refused: 'reset' },
  { name: 'an unknown pseudo-header', headers: [...pseudo(), [':protocol', 'websocket']], refused: 'reset' },
  {
    name: '101 headers',
    headers: [...pseudo(), ...Array.from({ length: 101 }, (): [string, string] => ['a', 'b'])],
    refused: 431,
  },
  { name: 'an unknown expectation', headers: [...pseudo(), ['expect', 'a-miracle']], refused: 417 },
]

t.test('what is not clearly one request is refused or reset, and the session goes on', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'] })
  for (const { name, headers, refused } of rows) {
    const client = await connectRawHttp2(harness)
    const before = harness.rejected.length
    client.send(request(1, headers))
    client.send(request(3, pseudo('/next')))
    const answered = () =>
      client.frames().some(({ type, stream, flags }) => stream === 3 && type < 2 && flags & endStream)
    await harness.until(() => answered() || client.connection.closed)
    const reset = client.frames().some(({ type, stream }) => type === frameType.rst && stream === 1)
    if (refused === 'reset') t.ok(reset, `${name}: stream is reset`)
    else {
      const told = harness.rejected[before]
      t.equal(told?.status, refused, `${name}: status`)
      const sent = client.frames().filter(({ type, stream }) => type === 0 && stream === 1)
      const text = Buffer.concat(sent.map(({ payload }) => payload)).toString('latin1')
      t.match(text, `\nrequest ${told?.requestId}\n`, `${name}: shows the request id that is told`)
    }
    t.notOk(client.connection.closed, `${name}: session goes on`)
    client.connection.socket.destroy()
  }
  t.ok(
    harness.exchanges.every(({ path }) => path === '/next'),
    'none of them was handed on',
  )
  t.equal(harness.exchanges.length, rows.length, 'the request after each was')
})

t.test('a header whose value no header may have is not handed on', async (t) => {
  // node:http2 leaves such a header out instead of resetting the stream (measured on Node 26).
  const harness = await startTransport(t, { listeners: ['https'] })
  const client = await connectRawHttp2(harness)
  const bad: Headers = [
    ['x-line', 'a\r\nhost: evil'],
    ['x-nul', 'a\0b'],
    ['x-good', 'yes'],
  ]
  client.send(request(1, [...pseudo(), ...bad]))
  await harness.until(() => harness.exchanges.length === 1)
  t.same(harness.exchanges[0]?.headers, ['x-good', 'yes', 'host', 'blog.localhost'])
  client.connection.socket.destroy()
})

const pair = (name: string, length: number): [string, string] => [name, 'a'.repeat(length)]

t.test('headers beyond 16 KiB in sum are refused, in one frame or in many', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'] })
  const client = await connectRawHttp2(harness)
  const many = Array.from({ length: 30 }, (_, index) => pair(`x-${index}`, 700))
  const whole = block([...pseudo(), ...many])
  client.send(frame(frameType.headers, endStream, 1, whole.subarray(0, 16_000)))
  client.send(frame(frameType.continuation, endHeaders, 1, whole.subarray(16_000)))
  client.send(request(3, [...pseudo(), ...many.slice(0, 15)]))
  await harness.until(() => harness.exchanges.length === 1 || client.connection.closed)
  t.ok(
    harness.rejected.some(({ status }) => status === 431) ||
      client.frames().some(({ type, stream }) => type === frameType.rst && stream === 1),
  )
  t.equal(harness.exchanges.length, 1, 'the request with less passes')
})

t.test('floods end the session', async (t) => {
  const limits = { resets: { burst: 20, perSecond: 1 }, controlFrames: { burst: 20, perSecond: 1 } }
  const floods: Record<string, (index: number) => Buffer[]> = {
    'PING frames': () => [frame(frameType.ping, 0, 0, Buffer.alloc(8))],
    'SETTINGS frames': () => [frame(frameType.settings, 0, 0)],
    'streams that the client resets at once (CVE-2023-44487)': (index) => [
      request(index * 2 + 1, pseudo('/wait')),
      frame(frameType.rst, 0, index * 2 + 1, Buffer.from([0, 0, 0, 8])),
    ],
    'streams that the client makes the server reset (CVE-2025-8671)': (index) => [
      request(index * 2 + 1, pseudo('/wait'), 0),
      frame(frameType.window, 0, index * 2 + 1, Buffer.from([0, 0, 0, 0])),
    ],
    'CONTINUATION frames without an end (CVE-2024-27316)': (index) => [
      index === 0
        ? frame(frameType.headers, endStream, 1, block(pseudo()))
        : frame(frameType.continuation, 0, 1, block([['x', String(index)]])),
    ],
  }
  for (const [name, flood] of Object.entries(floods)) {
    const harness = await startTransport(t, { listeners: ['https'], limits, handle: () => {} })
    const client = await connectRawHttp2(harness)
    for (let index = 0; index < 200 && !client.connection.closed; index += 1) client.send(...flood(index))
    await client.connection.whole()
    t.ok(client.connection.closed, name)
    t.ok(harness.exchanges.length <= 100, `${name}: no more requests than concurrent streams`)
    await harness.until(() => harness.finished.length === harness.exchanges.length)
    t.equal(harness.transport.connections, 0, `${name}: nothing is left`)
  }
})

t.test('streams beyond the limit are refused, not queued', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['https'],
    limits: { concurrentStreams: 5 },
    handle: () => {},
  })
  const client = await connectRawHttp2(harness)
  await harness.until(() => client.frames().some(({ type, flags }) => type === frameType.settings && flags === 0))
  const settings = client.frames().find(({ type, flags }) => type === frameType.settings && flags === 0)
  const values = new Map<number, number>()
  for (let at = 0; at < (settings?.payload.length ?? 0); at += 6)
    values.set(settings?.payload.readUInt16BE(at) ?? 0, settings?.payload.readUInt32BE(at + 2) ?? 0)
  t.equal(values.get(3), 5, 'SETTINGS_MAX_CONCURRENT_STREAMS')
  t.equal(values.get(6), 16_384, 'SETTINGS_MAX_HEADER_LIST_SIZE')
  for (let index = 0; index < 10; index += 1) client.send(request(index * 2 + 1, pseudo()))
  await harness.until(() => client.frames().filter(({ type }) => type === frameType.rst).length === 5)
  t.equal(harness.exchanges.length, 5)
  t.notOk(client.connection.closed, 'it may not have known the limit yet')
  client.send(frame(frameType.settings, flag.ack, 0))
  client.send(request(21, pseudo()))
  await client.connection.whole()
  t.equal(harness.exchanges.length, 5, 'one that knows the limit loses the session')
})

t.test('a client that chooses h2 and says nothing is sent away', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'], limits: { headersTimeoutMs: 50 } })
  const client = await connectRawHttp2(harness, false)
  await client.connection.whole()
  t.ok(client.connection.closed)
})

t.test(
  'a session without streams is ended after the idle time, one with a header block that never ends, too',
  async (t) => {
    const harness = await startTransport(t, { listeners: ['https'], limits: { keepAliveMs: 60 } })
    const idle = await connectRawHttp2(harness)
    const stuck = await connectRawHttp2(harness)
    stuck.send(frame(frameType.headers, endStream, 1, block(pseudo())))
    await Promise.all([idle.connection.whole(), stuck.connection.whole()])
    t.ok(idle.frames().some(({ type }) => type === frameType.goaway))
    t.equal(harness.exchanges.length, 0)
  },
)

t.test('a session retires after its number of requests, and what has begun is answered', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'], limits: { requestsPerConnection: 3 } })
  const client = await connectRawHttp2(harness)
  for (const stream of [1, 3, 5]) client.send(request(stream, pseudo()))
  await client.connection.whole()
  const frames = client.frames()
  const goaway = frames.findIndex(({ type }) => type === frameType.goaway)
  t.equal(frames[goaway]?.payload.readUInt32BE(0), 5, 'GOAWAY names the last that is answered')
  t.equal(harness.finished.filter(({ outcome }) => outcome.complete).length, 3)
  const answered = frames.findIndex(({ type, stream, flags }) => type < 2 && stream === 5 && (flags & endStream) !== 0)
  t.ok(goaway < answered, 'and comes before the last answer ends')
})

t.test('a session retires at its age', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'], limits: { connectionAgeMs: 30, keepAliveMs: 5_000 } })
  const client = await connectRawHttp2(harness)
  client.send(request(1, pseudo()))
  await client.connection.whole()
  t.ok(client.frames().some(({ type }) => type === frameType.goaway))
  t.match(harness.finished, [{ outcome: { complete: true } }])
})
