import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { getHeader } from '../../../core/headers.ts'
import { createAddressCheck } from '../../../sandbox/egress/addresses.ts'
import { listen, readAll, startEgress, startNames, startWeb } from './fixtures/web.ts'

async function readRequest(request: IncomingMessage): Promise<string> {
  return readAll(request)
}

t.test('a request and its answer', async (t) => {
  const web = await startWeb(t, async (request, response) => {
    const body = await readRequest(request)
    response.writeHead(201, 'Well done', ['x-one', '1', 'set-cookie', 'a=1', 'set-cookie', 'b=2'])
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.rawHeaders, body }))
  })
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], { servers: [dns.server] })
  const answer = await fetch(`http://a.example:${web.port}/p?q=1#f`, {
    method: 'POST',
    headers: ['content-type', 'text/plain', 'x-two', '2', 'x-two', '3'],
    body: Readable.from([Buffer.from('he'), Buffer.from('llo')]),
  })
  t.equal(answer.status, 201)
  t.equal(answer.statusText, 'Well done')
  t.equal(answer.url, `http://a.example:${web.port}/p?q=1`)
  t.equal(answer.isRedirected, false)
  t.equal(getHeader(answer.headers, 'x-one'), '1')
  t.same(
    answer.headers.filter((_, i) => answer.headers[i - 1] === 'set-cookie'),
    ['a=1', 'b=2'],
  )
  t.equal(getHeader(answer.headers, 'connection'), undefined)
  const seen = JSON.parse(await readAll(answer.body))
  t.equal(seen.method, 'POST')
  t.equal(seen.url, '/p?q=1')
  t.equal(seen.body, 'hello')
  const headers: string[] = seen.headers.map((text: string, i: number) => (i % 2 === 0 ? text.toLowerCase() : text))
  t.equal(getHeader(headers, 'host'), `a.example:${web.port}`)
  t.equal(getHeader(headers, 'grove-site'), 'blog')
  t.equal(getHeader(headers, 'grove-hops'), '1')
  t.equal(getHeader(headers, 'accept'), '*/*')
  t.equal(getHeader(headers, 'user-agent'), 'Grove')
  t.same(
    headers.filter((_, i) => headers[i - 1] === 'x-two'),
    ['2', '3'],
  )
  t.same(egress.usage, { subrequests: 1, sentBytes: 5, receivedBytes: JSON.stringify(seen).length })
})

t.test('what is about the connection, or ours to say, cannot be said by the site', async (t) => {
  const web = await startWeb(t, (request, response) => response.end(JSON.stringify(request.rawHeaders)))
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], { servers: [dns.server] })
  const url = `http://a.example:${web.port}/`
  const answer = await fetch(url, {
    headers: [
      ...['host', 'evil.example', 'Connection', 'keep-alive, x-gone', 'x-gone', '1', 'keep-alive', 'timeout=9'],
      ...['te', 'trailers', 'transfer-encoding', 'chunked', 'content-length', '5', 'upgrade', 'websocket'],
      ...['expect', '100-continue', 'proxy-authorization', 'x', 'grove-site', 'other', 'grove-hops', '0'],
      ...['grove-anything', '1', 'accept-encoding', 'br', 'via', '1.1 x', 'user-agent', 'mine', 'accept', 'a/b'],
    ],
  })
  const seen: string[] = JSON.parse(await readAll(answer.body))
  const rest = seen.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))
  t.same(Object.fromEntries(rest.flatMap((text, i) => (i % 2 === 0 ? [[text, rest[i + 1]]] : []))), {
    host: `a.example:${web.port}`,
    connection: 'keep-alive',
    'user-agent': 'mine',
    accept: 'a/b',
    'accept-encoding': 'gzip',
    'grove-site': 'blog',
    'grove-hops': '1',
  })
  for (const headers of [
    ['bad name', 'x'],
    ['x', 'a\r\nb: c'],
    ['x', 'a\0'],
    ['', 'x'],
    ['x', 'ü€'],
    Array.from({ length: 260 }, () => 'x'),
    ['x', 'y'.repeat(40_000)],
  ])
    await t.rejects(fetch(url, { headers }), { code: 'ERR_FETCH_REFUSED' })
  for (const method of ['CONNECT', 'TRACE', 'track', 'G T', '', 'X'.repeat(33), 'GET\r\n'])
    await t.rejects(fetch(url, { method }), { code: 'ERR_FETCH_REFUSED' }, method)
  await t.rejects(fetch(url, { method: 'GET', body: new Uint8Array(1) }), { code: 'ERR_FETCH_REFUSED' })
})

t.test('no connection is made to what may not be reached (rows 75, 76, 79)', async (t) => {
  const inner = createNetServer((socket) => socket.destroy())
  const { port, connections } = await listen(t, inner, '127.0.0.2')
  const dns = await startNames(t, {
    'inner.example': [{ type: 'A', data: '127.0.0.2' }],
    'mixed.example': [
      { type: 'A', data: '127.0.0.1' },
      { type: 'A', data: '127.0.0.2' },
    ],
  })
  const { fetch, egress } = startEgress(t, [port], { servers: [dns.server] })
  for (const url of [
    `http://127.0.0.2:${port}/`,
    `http://127.2:${port}/`,
    `http://0x7f000002:${port}/`,
    `http://2130706434:${port}/`,
    `http://[::ffff:127.0.0.2]:${port}/`,
    `http://inner.example:${port}/`,
    `http://mixed.example:${port}/`,
    `https://inner.example:${port}/`,
    `http://localhost:${port}/`,
  ])
    await t.rejects(fetch(url), { code: 'ERR_FETCH_REFUSED' }, url)
  t.equal(connections(), 0)
  t.ok(egress.usage.receivedBytes === 0)
})

t.test('a name that changes between two look-ups is looked up once (row 77)', async (t) => {
  const inner = createNetServer((socket) => socket.destroy())
  const place = await listen(t, inner, '127.0.0.2')
  const web = await startWeb(t, (_, response) => response.end('public'))
  let turns = 0
  const dns = await startNames(t, {
    'rebind.example': () => {
      turns += 1
      return [{ type: 'A', data: turns <= 2 ? '127.0.0.1' : '127.0.0.2' }]
    },
  })
  const first = startEgress(t, [web.port, place.port], { servers: [dns.server] })
  const answer = await first.fetch(`http://rebind.example:${web.port}/`)
  t.equal(await readAll(answer.body), 'public')
  t.same(dns.questions.length, 2, 'one question for each family, for check and connection together')
  const second = startEgress(t, [web.port, place.port], { servers: [dns.server] })
  await t.rejects(second.fetch(`http://rebind.example:${place.port}/`), { code: 'ERR_FETCH_REFUSED' })
  t.equal(place.connections(), 0)
})

t.test('an answer in gzip is decoded, one in another coding is left alone', async (t) => {
  const web = await startWeb(t, (request, response) => {
    if (request.url === '/gzip') response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('decoded'))
    else if (request.url === '/bad') response.writeHead(200, { 'content-encoding': 'gzip' }).end('not gzip at all')
    else if (request.url === '/cut')
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(100)).subarray(0, 15))
    else if (request.url === '/range') response.end(request.headers['accept-encoding'])
    else response.writeHead(200, { 'content-encoding': 'zz' }).end('as it is')
  })
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], { servers: [dns.server] })
  const origin = `http://a.example:${web.port}`
  const answer = await fetch(`${origin}/gzip`)
  t.equal(getHeader(answer.headers, 'content-encoding'), undefined)
  t.equal(getHeader(answer.headers, 'content-length'), undefined)
  t.equal(await readAll(answer.body), 'decoded')
  const other = await fetch(`${origin}/other`)
  t.equal(getHeader(other.headers, 'content-encoding'), 'zz')
  t.equal(await readAll(other.body), 'as it is')
  const head = await fetch(`${origin}/gzip`, { method: 'HEAD' })
  t.equal(head.body, undefined)
  t.equal(getHeader(head.headers, 'content-encoding'), 'gzip')
  await t.rejects(readAll((await fetch(`${origin}/bad`)).body), { code: 'ERR_UPSTREAM_DOWN', message: /not the gzip/ })
  await t.rejects(readAll((await fetch(`${origin}/cut`)).body), { code: 'ERR_UPSTREAM_DOWN' })
  t.equal(await readAll((await fetch(`${origin}/range`, { headers: ['range', 'bytes=0-1'] })).body), 'identity')
})

t.test('hosts that this Grove serves are reached at the front, though their address is inner (row 81)', async (t) => {
  const front = await startWeb(t, (request, response) =>
    response.end(`${request.headers.host} ${request.headers['grove-hops']}${request.headers['x-forwarded-for'] ?? ''}`),
  )
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [], {
    servers: [dns.server],
    check: createAddressCheck(),
    policy: {
      own: (hostname, port) =>
        hostname.endsWith('.localhost') && port === 8080 ? { address: '127.0.0.1', port: front.port } : undefined,
    },
  })
  const url = 'http://shop.localhost:8080/'
  t.equal(await readAll((await fetch(url)).body), 'shop.localhost:8080 1')
  const headers = ['x-forwarded-for', '192.0.2.1', 'forwarded', 'for=192.0.2.1', 'x-real-ip', '192.0.2.1']
  t.equal(
    await readAll((await fetch(url, { hops: 2, headers })).body),
    'shop.localhost:8080 3',
    'and learns nothing false',
  )
  await t.rejects(fetch(url, { hops: 3 }), { code: 'ERR_FETCH_REFUSED', message: /in a circle/ })
  await t.rejects(fetch(url, { hops: Number.POSITIVE_INFINITY }), { code: 'ERR_FETCH_REFUSED' })
  await t.rejects(fetch('http://shop.localhost:8081/'), { code: 'ERR_FETCH_REFUSED' })
  t.same(dns.questions, [], 'nobody is asked for the name')
})

t.test('servers that misbehave', async (t) => {
  const raw = createNetServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes) => {
      const path = /^\w+ (\S+)/.exec(bytes.toString('latin1'))?.[1] ?? ''
      const answers: Readonly<Record<string, string>> = {
        '/garbage': 'SSH-2.0-OpenSSH\r\n',
        '/status': 'HTTP/1.1 700 What\r\ncontent-length: 0\r\n\r\n',
        '/switch': 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello',
        '/coding': 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
        '/headers': `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(200)}content-length: 0\r\n\r\n`,
        '/long': `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}\r\ncontent-length: 0\r\n\r\n`,
        '/short': 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc',
        '/smuggle': 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil',
        '/early': 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
        '/text': 'HTTP/1.1 200 a\x1bb\r\ncontent-length: 0\r\n\r\n',
      }
      socket.end(answers[path] ?? '')
    })
  })
  const { port } = await listen(t, raw)
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [port], { servers: [dns.server] })
  const origin = `http://a.example:${port}`
  for (const path of ['/garbage', '/status', '/switch', '/coding', '/headers', '/nothing'])
    await t.rejects(fetch(origin + path), { code: 'ERR_UPSTREAM_DOWN' }, path)
  await t.rejects(fetch(`${origin}/long`), { code: 'ERR_TOO_LARGE' })
  await t.rejects(readAll((await fetch(`${origin}/short`)).body), { code: 'ERR_UPSTREAM_DOWN', message: /broke/ })
  t.equal(await readAll((await fetch(`${origin}/early`)).body), 'ok')
  t.equal(await readAll((await fetch(`${origin}/smuggle`)).body), 'abc')
  await t.rejects(fetch(`http://a.example:${port}/`.replace('a.example', 'b.test')), { code: 'ERR_FETCH_REFUSED' })
})

t.test('a server that is not there, and errors that tell no address', async (t) => {
  const web = await startWeb(t, () => undefined)
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], { servers: [dns.server] })
  web.server.close()
  await once(web.server, 'close')
  await t.rejects(fetch(`http://a.example:${web.port}/`), {
    code: 'ERR_UPSTREAM_DOWN',
    message: `a.example:${web.port}: it refused the connection`,
  })
})

t.test('a connection that its server has closed meanwhile is replaced', async (t) => {
  const raw = createNetServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      // At the next request, and not before: it looks alive.
      socket.once('data', () => socket.destroy())
    })
  })
  const { port, connections } = await listen(t, raw)
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [port], { servers: [dns.server] })
  const url = `http://a.example:${port}/`
  t.equal(await readAll((await fetch(url)).body), 'ok')
  t.equal(await readAll((await fetch(url)).body), 'ok')
  t.equal(connections(), 2)
  await t.rejects(fetch(url, { method: 'POST', body: new Uint8Array(1) }), { code: 'ERR_UPSTREAM_DOWN' })
})

t.test('a site that goes has no connections any more', async (t) => {
  const web = await startWeb(t, (_, response) => void response.write('begun'))
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], { servers: [dns.server] })
  const answer = await fetch(`http://a.example:${web.port}/`)
  const read = readAll(answer.body)
  await egress.close()
  await t.rejects(read)
  await t.rejects(fetch(`http://a.example:${web.port}/`))
})
