import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { connectRaw, readBody, startTransport, tlsFor } from './transport-harness.ts'

const host = 'Host: blog.localhost\r\n'
const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\n${host}${more}\r\n`
const post = (more: string, body = '') => `POST /x HTTP/1.1\r\n${host}${more}\r\n${body}`
const chunked = (body: string) => post('Transfer-Encoding: chunked\r\n', body)

interface Row {
  readonly name: string
  readonly bytes: string
  /** Statuses of all that comes back before the connection ends. */
  readonly statuses: readonly number[]
}

/** What must be refused, with the connection closed and nothing handed on but what the statuses of 200 say. */
const refused: readonly Row[] = [
  // Authority
  { name: 'two Host headers', bytes: `GET / HTTP/1.1\r\n${host}${host}\r\n`, statuses: [400] },
  { name: 'two different Hosts', bytes: `GET / HTTP/1.1\r\n${host}Host: shop.localhost\r\n\r\n`, statuses: [400] },
  { name: 'no Host', bytes: 'GET / HTTP/1.1\r\n\r\n', statuses: [400] },
  { name: 'no Host on HTTP/1.0', bytes: 'GET / HTTP/1.0\r\n\r\n', statuses: [400] },
  { name: 'an empty Host', bytes: 'GET / HTTP/1.1\r\nHost:\r\n\r\n', statuses: [400] },
  { name: 'a Host with a path', bytes: 'GET / HTTP/1.1\r\nHost: a b/../c\r\n\r\n', statuses: [400] },
  {
    name: 'a Host with user information',
    bytes: 'GET / HTTP/1.1\r\nHost: eve@blog.localhost\r\n\r\n',
    statuses: [400],
  },
  {
    name: 'a Host with a port too large',
    bytes: 'GET / HTTP/1.1\r\nHost: blog.localhost:65536\r\n\r\n',
    statuses: [400],
  },
  { name: 'a Host with a port of letters', bytes: 'GET / HTTP/1.1\r\nHost: blog.localhost:x\r\n\r\n', statuses: [400] },
  { name: 'a Host list', bytes: 'GET / HTTP/1.1\r\nHost: blog.localhost, evil\r\n\r\n', statuses: [400] },
  { name: 'a Host in Latin 1', bytes: 'GET / HTTP/1.1\r\nHost: bl\xf6g.localhost\r\n\r\n', statuses: [400] },
  { name: 'an unknown authority', bytes: 'GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n', statuses: [421] },
  { name: 'an absolute target of another authority', bytes: get('http://shop.localhost/'), statuses: [400] },
  {
    name: 'an absolute target of an unknown authority',
    bytes: 'GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n',
    statuses: [421],
  },
  { name: 'an absolute target with user information', bytes: get('http://eve@blog.localhost/'), statuses: [400] },
  { name: 'an absolute target of another scheme', bytes: get('ftp://blog.localhost/'), statuses: [400] },
  // Target
  { name: 'a fragment', bytes: get('/x#f'), statuses: [400] },
  { name: 'a target without a slash', bytes: get('x'), statuses: [400] },
  { name: 'an asterisk for GET', bytes: get('*'), statuses: [400] },
  { name: 'an asterisk for OPTIONS', bytes: `OPTIONS * HTTP/1.1\r\n${host}\r\n`, statuses: [405] },
  { name: 'a dot segment', bytes: get('/a/../b'), statuses: [400] },
  { name: 'a dot segment above the root', bytes: get('/../etc/passwd'), statuses: [400] },
  { name: 'a dot segment at the end', bytes: get('/a/..'), statuses: [400] },
  { name: 'a single dot segment', bytes: get('/a/./b'), statuses: [400] },
  { name: 'encoded dot segments', bytes: get('/a/%2e%2E/b'), statuses: [400] },
  { name: 'a half-encoded dot segment', bytes: get('/a/.%2e/b'), statuses: [400] },
  { name: 'an encoded slash', bytes: get('/a%2Fb'), statuses: [400] },
  { name: 'an encoded backslash', bytes: get('/a%5cb'), statuses: [400] },
  { name: 'a backslash', bytes: get('/a\\b'), statuses: [400] },
  { name: 'an encoded NUL', bytes: get('/a%00'), statuses: [400] },
  { name: 'an encoded line end', bytes: get('/a%0d%0aSet-Cookie:x'), statuses: [400] },
  { name: 'a percent sign alone', bytes: get('/100%'), statuses: [400] },
  { name: 'a percent sign with no hex', bytes: get('/%zz'), statuses: [400] },
  { name: 'a path that is not UTF-8', bytes: get('/%ff'), statuses: [400] },
  { name: 'an overlong encoding of a slash', bytes: get('/%c0%af'), statuses: [400] },
  { name: 'a target of raw bytes', bytes: get('/\xe4'), statuses: [400] },
  { name: 'a control character in the target', bytes: get('/\x01'), statuses: [400] },
  { name: 'a target that is too long', bytes: get(`/${'a'.repeat(9_000)}`), statuses: [414] },
  { name: 'a space in the target', bytes: get('/a b'), statuses: [400] },
  // Framing
  {
    name: 'Transfer-Encoding on HTTP/1.0',
    bytes: `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    statuses: [400],
  },
  { name: 'gzip, chunked', bytes: post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), statuses: [501] },
  { name: 'xchunked', bytes: post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), statuses: [400] },
  { name: 'chunked, identity', bytes: post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'), statuses: [400] },
  { name: 'an empty Transfer-Encoding', bytes: post('Transfer-Encoding:\r\n', '0\r\n\r\n'), statuses: [400] },
  {
    name: 'two Transfer-Encodings',
    bytes: post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    statuses: [400],
  },
  {
    name: 'Content-Length, then Transfer-Encoding',
    bytes: post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    statuses: [400],
  },
  {
    name: 'Transfer-Encoding, then Content-Length',
    bytes: post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', '0\r\n\r\n'),
    statuses: [400],
  },
  { name: 'a space before the colon', bytes: post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'), statuses: [400] },
  { name: 'two Content-Lengths', bytes: post('Content-Length: 4\r\nContent-Length: 4\r\n', 'abcd'), statuses: [400] },
  { name: 'a Content-Length with a sign', bytes: post('Content-Length: +4\r\n', 'abcd'), statuses: [400] },
  { name: 'a negative Content-Length', bytes: post('Content-Length: -4\r\n', 'abcd'), statuses: [400] },
  { name: 'a list of Content-Lengths', bytes: post('Content-Length: 4, 4\r\n', 'abcd'), statuses: [400] },
  { name: 'a Content-Length in hex', bytes: post('Content-Length: 0x4\r\n', 'abcd'), statuses: [400] },
  { name: 'an empty Content-Length', bytes: post('Content-Length:\r\n', 'abcd'), statuses: [400] },
  {
    name: 'a Content-Length beyond all numbers',
    bytes: post(`Content-Length: ${'9'.repeat(30)}\r\n`),
    statuses: [400],
  },
  {
    name: 'a Content-Length of more than 15 digits',
    bytes: post(`Content-Length: ${'0'.repeat(15)}4\r\n`, 'abcd'),
    statuses: [400],
  },
  // Syntax
  { name: 'bare line feeds', bytes: `GET / HTTP/1.1\nHost: blog.localhost\n\n`, statuses: [400] },
  { name: 'a bare line feed after a header', bytes: `GET / HTTP/1.1\r\nHost: blog.localhost\n\r\n`, statuses: [400] },
  { name: 'a bare carriage return in a value', bytes: get('/', 'X: a\rb\r\n'), statuses: [400] },
  { name: 'a folded header', bytes: get('/', 'X: a\r\n b\r\n'), statuses: [400] },
  { name: 'a header without a colon', bytes: get('/', 'foo\r\n'), statuses: [400] },
  { name: 'a header without a name', bytes: get('/', ': x\r\n'), statuses: [400] },
  { name: 'a space in a header name', bytes: get('/', 'X Y: b\r\n'), statuses: [400] },
  { name: 'a NUL in a value', bytes: get('/', 'X: a\x00b\r\n'), statuses: [400] },
  { name: 'a space before the first header', bytes: `GET / HTTP/1.1\r\n ${host}\r\n`, statuses: [400] },
  { name: '101 headers', bytes: get('/', 'a: b\r\n'.repeat(100)), statuses: [431] },
  { name: '2,103 tiny headers', bytes: get('/', 'a:b\r\n'.repeat(2_103)), statuses: [431] },
  { name: 'a header of 20 kB', bytes: get('/', `X: ${'a'.repeat(20_000)}\r\n`), statuses: [431] },
  { name: 'a target of 20 kB', bytes: get(`/${'a'.repeat(20_000)}`), statuses: [431] },
  // Version and method
  { name: 'HTTP/0.9', bytes: 'GET /x\r\n', statuses: [400] },
  { name: 'HTTP/0.9 with an empty line', bytes: 'GET /x\r\n\r\n', statuses: [400] },
  { name: 'HTTP/0.9 said aloud', bytes: `GET /x HTTP/0.9\r\n${host}\r\n`, statuses: [400] },
  { name: 'HTTP/2.0 in a request line', bytes: `GET /x HTTP/2.0\r\n${host}\r\n`, statuses: [505] },
  { name: 'HTTP/1.2', bytes: `GET /x HTTP/1.2\r\n${host}\r\n`, statuses: [505] },
  { name: 'HTTP/3.0', bytes: `GET /x HTTP/3.0\r\n${host}\r\n`, statuses: [505] },
  { name: 'a version in lower case', bytes: `GET /x http/1.1\r\n${host}\r\n`, statuses: [400] },
  { name: 'the preface of HTTP/2', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', statuses: [505] },
  { name: 'TRACE', bytes: `TRACE / HTTP/1.1\r\n${host}\r\n`, statuses: [405] },
  { name: 'CONNECT', bytes: `CONNECT blog.localhost:443 HTTP/1.1\r\n${host}\r\n`, statuses: [405] },
  { name: 'an unknown method', bytes: `FROB / HTTP/1.1\r\n${host}\r\n`, statuses: [501] },
  { name: 'a method in lower case', bytes: `get / HTTP/1.1\r\n${host}\r\n`, statuses: [501] },
  { name: 'a method that is too long', bytes: `${'A'.repeat(33)} / HTTP/1.1\r\n${host}\r\n`, statuses: [405] },
  { name: 'a TLS handshake on a plain port', bytes: '\x16\x03\x01\x02\x00\x01\x00', statuses: [400] },
  { name: 'a tab after the method', bytes: `GET\t/ HTTP/1.1\r\n${host}\r\n`, statuses: [400] },
  { name: 'an unknown expectation', bytes: get('/', 'Expect: a-miracle\r\n'), statuses: [417] },
  // One after the other
  { name: 'garbage after a good request', bytes: `${get('/')}garbage`, statuses: [200, 400] },
  {
    name: 'a second Host in the second request',
    bytes: `${get('/')}GET / HTTP/1.1\r\n${host}${host}\r\n${get('/')}`,
    statuses: [200, 400],
  },
  {
    name: 'a request after one that said close',
    bytes: `${get('/', 'Connection: close\r\n')}${get('/')}`,
    statuses: [200],
  },
  {
    name: 'a WebSocket handshake while an answer is under way',
    bytes: `${get('/slow')}${get('/', 'Connection: upgrade\r\nUpgrade: websocket\r\n')}`,
    statuses: [400],
  },
]

/** Statuses of the answers in what came back, in their order. */
function statusesOf(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status))
}

t.test('what two servers could read in two ways is refused and the connection closed', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['plain'],
    limits: { lingerMs: 50 },
    handle: (exchange) => {
      if (exchange.path !== '/slow') exchange.respond(200, [])
    },
  })
  for (const { name, bytes, statuses } of refused) {
    const before = harness.rejected.length
    const handled = harness.exchanges.length
    const connection = await connectRaw(harness.ports.plain)
    connection.send(bytes)
    const text = await connection.whole()
    t.same(statusesOf(text), statuses, `${name}: statuses`)
    const refusals = statuses.filter((status) => status >= 400)
    t.same(
      harness.rejected.slice(before).map(({ status }) => status),
      refusals,
      `${name}: told`,
    )
    if (!bytes.includes('/slow'))
      t.equal(harness.exchanges.length - handled, statuses.length - refusals.length, `${name}: handed on`)
    if (refusals.length > 0) t.match(text, /\r\nconnection: close\r\n/i, `${name}: says that it closes`)
    t.same(
      [...text.matchAll(/\nrequest ([0-9a-z-]{8,40})\n/g)].map(([, id]) => id),
      harness.rejected.slice(before).map(({ requestId }) => requestId),
      `${name}: shows the request id that is told`,
    )
  }
})

t.test('what is broken within a body ends the body, the answer and the connection', async (t) => {
  const rows = [
    { name: 'a bare line feed in a chunk', bytes: chunked('1\na\r\n0\r\n\r\n') },
    { name: 'a negative chunk', bytes: chunked('-1\r\na\r\n0\r\n\r\n') },
    { name: 'a chunk size in the C way', bytes: chunked('0x1\r\na\r\n0\r\n\r\n') },
    { name: 'a chunk size with a space', bytes: chunked('1 \r\na\r\n0\r\n\r\n') },
    { name: 'a chunk size beyond all numbers', bytes: chunked('fffffffffffffffff\r\na\r\n0\r\n\r\n') },
    { name: 'a chunk that is longer than it says', bytes: chunked('1\r\nab\r\n0\r\n\r\n') },
    { name: 'a chunk extension of 20 kB', bytes: chunked(`1;${'a'.repeat(20_000)}\r\na\r\n0\r\n\r\n`) },
  ]
  const failures: unknown[] = []
  const harness = await startTransport(t, {
    listeners: ['plain'],
    limits: { lingerMs: 50 },
    handle: (exchange) => {
      readBody(exchange).then(
        () => exchange.respond(200, []),
        (error: unknown) => void failures.push(error),
      )
    },
  })
  for (const [index, { name, bytes }] of rows.entries()) {
    const connection = await connectRaw(harness.ports.plain)
    connection.send(bytes)
    t.same(statusesOf(await connection.whole()), [400], name)
    await harness.until(() => harness.finished.length > index && failures.length > index)
    t.match(failures[index], { code: 'ERR_BAD_REQUEST' }, `${name}: the reader is told`)
    t.match(harness.finished[index]?.outcome, { status: 400 })
  }
})

t.test('a body that breaks after the answer has begun cuts the answer', async (t) => {
  const harness = await startTransport(t, {
    listeners: ['plain'],
    handle: (exchange) => exchange.respond(200, [], exchange.body),
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(chunked('3\r\none\r\n'))
  await connection.has('one')
  connection.send('zz\r\n')
  const text = await connection.whole()
  t.notMatch(text, /\r\n0\r\n\r\n$/, 'no clean end')
  await harness.until(() => harness.finished.length === 1)
  t.match(harness.finished[0]?.outcome, { status: 200, complete: false })
})

/** What looks odd and is one thing only. */
const accepted = [
  { name: 'a port', bytes: 'GET /x HTTP/1.1\r\nHost: blog.localhost:8443\r\n\r\n', path: '/x' },
  { name: 'capitals and a trailing dot', bytes: 'GET /x HTTP/1.1\r\nHost: BLOG.Localhost.\r\n\r\n', path: '/x' },
  { name: 'absolute-form', bytes: get('http://BLOG.localhost:80/x?y'), path: '/x' },
  { name: 'absolute-form without a path', bytes: get('http://blog.localhost'), path: '/' },
  { name: 'absolute-form with a query alone', bytes: get('http://blog.localhost?y'), path: '/' },
  { name: 'absolute-form on HTTP/1.0 without Host', bytes: 'GET http://blog.localhost/x HTTP/1.0\r\n\r\n', path: '/x' },
  { name: 'empty lines first', bytes: `\r\n\r\n${get('/x')}`, path: '/x' },
  { name: 'two slashes', bytes: get('//x'), path: '//x' },
  { name: 'dots that are no segment', bytes: get('/..x/x../.x/...'), path: '/..x/x../.x/...' },
  { name: 'a percent sign that was encoded twice', bytes: get('/%252e%252e'), path: '/%2e%2e' },
  { name: 'a path that is not in form NFC', bytes: get('/a%CC%88'), path: '/\u00e4' },
  {
    name: 'an upgrade to HTTP/2',
    bytes: get('/x', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n'),
    path: '/x',
  },
  {
    name: 'a WebSocket handshake with a body',
    bytes: `${get('/x', 'Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n')}a`,
    path: '/x',
  },
  { name: 'a chunk extension', bytes: chunked('1;a=b\r\na\r\n0\r\n\r\n'), path: '/x' },
  { name: 'trailers', bytes: chunked('1\r\na\r\n0\r\nHost: evil\r\n\r\n'), path: '/x' },
]

t.test('what is odd yet clear is answered', async (t) => {
  const harness = await startTransport(t, { listeners: ['plain'] })
  for (const { name, bytes, path } of accepted) {
    const before = harness.exchanges.length
    const connection = await connectRaw(harness.ports.plain)
    connection.send(bytes)
    const text = await connection.has('\r\n\r\n')
    connection.socket.destroy()
    t.same(statusesOf(text), [200], name)
    t.equal(harness.exchanges[before]?.path, path, `${name}: path`)
    t.equal(harness.exchanges[before]?.authority, 'blog.localhost', `${name}: authority`)
    t.equal(harness.exchanges[before]?.scheme, 'http', `${name}: scheme`)
    t.match(harness.exchanges[before]?.target, /^\//, `${name}: origin-form`)
  }
})

t.test('on TLS the authority has to be the name of the certificate, and the scheme https', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'], limits: { lingerMs: 50 } })
  const rows = [
    { name: 'the same name', bytes: get('/'), statuses: [200] },
    { name: 'the same name in absolute-form', bytes: get('https://blog.localhost/'), statuses: [200] },
    { name: 'another site', bytes: 'GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n', statuses: [421] },
    { name: 'another scheme', bytes: get('http://blog.localhost/'), statuses: [400] },
    { name: 'HTTP/0.9', bytes: 'GET /\r\n', statuses: [400] },
    { name: 'two Hosts', bytes: `GET / HTTP/1.1\r\n${host}${host}\r\n`, statuses: [400] },
  ]
  for (const { name, bytes, statuses } of rows) {
    const connection = await connectRaw(harness.ports.https, tlsFor(harness))
    connection.send(bytes)
    const text = statuses[0] === 200 ? await connection.has('\r\n\r\n') : await connection.whole()
    connection.socket.destroy()
    t.same(statusesOf(text), statuses, name)
  }
})

t.test('the handshake is refused for a name that no site has, and without a name', async (t) => {
  const harness = await startTransport(t, { listeners: ['https'] })
  for (const servername of ['evil.example', '', 'localhost'])
    await t.rejects(
      connectRaw(harness.ports.https, tlsFor(harness, { servername, checkServerIdentity: () => undefined })),
      {
        code: /ALERT_HANDSHAKE_FAILURE/,
      },
    )
  await t.rejects(connectRaw(harness.ports.https, tlsFor(harness, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' })))
  await t.rejects(connectRaw(harness.ports.https, tlsFor(harness, { ALPNProtocols: ['h3'] })))
})

t.test(
  'a client that asks for another TLS handshake on its connection gets none, whatever it has sent before',
  async (t) => {
    const harness = await startTransport(t, {
      listeners: ['https'],
      upgrade: (_, { socket }) => void socket.write('tunnel'),
    })
    const handshake = `Connection: Upgrade\r\nUpgrade: websocket\r\n`
    const beginnings: Record<string, [bytes: string, answer: string]> = {
      nothing: ['', ''],
      'a request': [`GET /asked HTTP/1.1\r\n${host}\r\n`, '/asked'],
      'a WebSocket handshake': [`GET / HTTP/1.1\r\n${host}${handshake}\r\n`, 'tunnel'],
    }
    for (const [name, [bytes, answer]] of Object.entries(beginnings)) {
      const client = await connectRaw(harness.ports.https, tlsFor(harness, { maxVersion: 'TLSv1.2' }))
      client.send(bytes)
      await client.has(answer)
      const socket = client.socket as TLSSocket
      const refused = new Promise((_, reject) => {
        socket.once('error', reject)
        socket.renegotiate({}, (error) => error && reject(error))
      })
      await t.rejects(refused, { code: 'ERR_SSL_NO_RENEGOTIATION' }, name)
      client.socket.destroy()
    }
  },
)
