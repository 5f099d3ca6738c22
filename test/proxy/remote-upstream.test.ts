import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { openOwnCa } from '../../certs/own-ca.ts'
import { getHeader } from '../../core/headers.ts'
import { limits } from '../../core/limits.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { createRemoteUpstream, type RemoteUpstreamOptions } from '../../proxy/remote-upstream.ts'
import { deadUrl, httpServer, rawServer } from './fixtures/servers.ts'

const get = (parts: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  id: 'r-1',
  method: 'GET',
  authority: 'blog.localhost',
  target: '/',
  headers: ['host', 'blog.localhost:8443'],
  body: undefined,
  signal: new AbortController().signal,
  timeoutMs: 10_000,
  ...parts,
})
const post = (body: Readable, parts: Partial<UpstreamRequest> = {}) => get({ method: 'POST', body, ...parts })

function upstreamAt(t: Pick<Test, 'teardown'>, urls: readonly string[], options?: RemoteUpstreamOptions) {
  const upstream = createRemoteUpstream(urls, options)
  t.teardown(() => upstream.close())
  return upstream
}

const text = async (body: Readable | undefined) => (body ? (await buffer(body)).toString() : undefined)

t.test('a request and its answer pass as they are', async (t) => {
  const { url } = await httpServer(t, async (request, response) => {
    const seen = { method: request.method, url: request.url, headers: request.rawHeaders, body: '' }
    seen.body = (await buffer(request)).toString()
    response.writeHead(201, ['X-Mixed', 'A', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'keep-alive', 'timeout=9'])
    response.end(JSON.stringify(seen))
  })
  const headers = ['host', 'blog.localhost:8443', 'x-a', '1', 'x-a', 'caf\u00e9']
  const upstream = upstreamAt(t, [url])
  t.equal(upstream.name, url)
  const answer = await upstream.send(post(Readable.from(['one', 'two']), { target: '/a//b?x=%20|', headers }))
  t.equal(answer.status, 201)
  t.same(answer.headers.slice(0, 6), ['x-mixed', 'A', 'set-cookie', 'a=1', 'set-cookie', 'b=2'], 'names in lower case')
  for (const name of ['connection', 'keep-alive', 'transfer-encoding'])
    t.equal(getHeader(answer.headers, name), undefined, `${name} is of one hop`)
  const seen = JSON.parse((await text(answer.body)) ?? '')
  t.match(seen, { method: 'POST', url: '/a//b?x=%20|', body: 'onetwo' })
  t.match(seen.headers.join('\n'), 'host\nblog.localhost:8443\n')
  t.match(seen.headers.join('\n'), 'x-a\n1\nx-a\ncaf\u00e9\n')
})

t.test('a length that is known stays known, one that is not is chunked', async (t) => {
  const { url } = await httpServer(t, async (request, response) => {
    await buffer(request)
    const framing = [request.headers['content-length'], request.headers['transfer-encoding']]
    response.end(JSON.stringify(framing))
  })
  const upstream = upstreamAt(t, [url])
  const known = await upstream.send(post(Readable.from(['abc']), { headers: ['content-length', '3'] }))
  t.equal(getHeader(known.headers, 'content-length'), '10')
  t.equal(await text(known.body), '["3",null]')
  t.equal(await text((await upstream.send(post(Readable.from(['abc'])))).body), '[null,"chunked"]')
  t.equal(
    await text((await upstream.send(get({ method: 'POST', headers: ['content-length', '0'] }))).body),
    '["0",null]',
  )
})

t.test('a body that is shorter or longer than it says never looks whole', async (t) => {
  let whole = 0
  const { url } = await httpServer(t, (request, response) => {
    request.on('end', () => {
      whole += 1
    })
    request.on('error', () => {})
    request.resume().on('end', () => response.end('ok'))
  })
  const upstream = upstreamAt(t, [url])
  for (const body of ['ab', 'abcd'])
    await t.rejects(upstream.send(post(Readable.from([body]), { headers: ['content-length', '3'] })), {
      code: 'ERR_UPSTREAM_DOWN',
    })
  t.equal(whole, 0)
})

t.test('answers without a body have none, and keep the length of the body that they stand for', async (t) => {
  const { url } = await httpServer(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'content-length': '1234' }).end()
    else response.writeHead(Number(request.url?.slice(1)), { etag: '"x"' }).end()
  })
  const upstream = upstreamAt(t, [url])
  const head = await upstream.send(get({ method: 'HEAD' }))
  t.equal(getHeader(head.headers, 'content-length'), '1234')
  t.equal(head.body, undefined)
  for (const status of [204, 304]) {
    const answer = await upstream.send(get({ target: `/${status}` }))
    t.equal(answer.status, status)
    t.equal(answer.body, undefined)
  }
  t.equal(await text((await upstream.send(get({ target: '/200' }))).body), '', 'an empty body is a body')
})

t.test('servers take turns', async (t) => {
  const servers = await Promise.all([1, 2, 3].map((n) => httpServer(t, (_, response) => response.end(String(n)))))
  const upstream = upstreamAt(
    t,
    servers.map(({ url }) => url),
  )
  const seen: (string | undefined)[] = []
  for (let i = 0; i < 6; i += 1) seen.push(await text((await upstream.send(get())).body))
  t.same([...new Set(seen.slice(0, 3))].sort(), ['1', '2', '3'])
  t.same(seen.slice(3), seen.slice(0, 3))
})

t.test('a server that refuses the connection is passed over, and the next gets the whole request', async (t) => {
  const { url } = await httpServer(t, (request, response) => void request.pipe(response))
  const upstream = upstreamAt(t, [await deadUrl(), url, await deadUrl()])
  for (let i = 0; i < 6; i += 1)
    t.equal(await text((await upstream.send(post(Readable.from(['whole ', 'body'])))).body), 'whole body')
})

t.test('when all refuse, the upstream is down', async (t) => {
  const upstream = upstreamAt(t, [await deadUrl(), await deadUrl()])
  await t.rejects(upstream.send(get()), { code: 'ERR_UPSTREAM_DOWN', message: /127\.0\.0\.1:\d+: .*ECONNREFUSED/ })
  await t.rejects(upstream.connect(new AbortController().signal), { code: 'ERR_UPSTREAM_DOWN' })
})

t.test('a name that leads nowhere is down', async (t) => {
  const upstream = upstreamAt(t, ['http://does-not-exist.invalid'])
  await t.rejects(upstream.send(get()), { code: 'ERR_UPSTREAM_DOWN' })
})

t.test('answers that are none', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const rows: [string, string][] = [
    ['nothing', ''],
    ['half a status line', 'HTTP/1.1 2'],
    ['headers without an end', `${ok}x-a: 1\r\n`],
    ['garbage', '\x00\x01\x02 garbage\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['a status that is no number', 'HTTP/1.1 abc OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n'],
    ['a status beyond 599', 'HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n'],
    ['an upgrade that nobody asked for', 'HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
    ['an unasked 100 Continue', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
    [
      'more headers than allowed',
      `${ok}x-big: ${'x'.repeat(limits.upstream.headerBytes)}\r\ncontent-length: 0\r\n\r\n`,
    ],
    ['a control character in a header', `${ok}x-a: a\x01b\r\ncontent-length: 0\r\n\r\n`],
    ['a space in a header name', `${ok}x a: b\r\ncontent-length: 0\r\n\r\n`],
    ['a folded header', `${ok}x-a: 1\r\n folded\r\ncontent-length: 0\r\n\r\n`],
    ['two lengths that differ', `${ok}content-length: 1\r\ncontent-length: 2\r\n\r\nab`],
    ['a length that is no number', `${ok}content-length: x\r\n\r\n`],
    ['length and chunks', `${ok}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a transfer coding that Grove does not undo', `${ok}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ]
  for (const [title, bytes] of rows) {
    const server = await rawServer(t, (socket) => socket.end(bytes, 'latin1'))
    const upstream = upstreamAt(t, [server.url])
    await t.rejects(upstream.send(get()), { code: 'ERR_UPSTREAM_DOWN' }, title)
    t.equal(server.connections(), 1, `${title}: asked once only`)
  }
})

t.test('a reset before the answer is down, and the request is not sent again on a fresh connection', async (t) => {
  const server = await rawServer(t, (socket) => socket.resetAndDestroy())
  await t.rejects(upstreamAt(t, [server.url]).send(get()), { code: 'ERR_UPSTREAM_DOWN' })
  t.equal(server.heads.length, 1)
})

t.test('interim answers are passed over', async (t) => {
  const server = await rawServer(t, (socket) =>
    socket.write(
      'HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    ),
  )
  const answer = await upstreamAt(t, [server.url]).send(get())
  t.equal(answer.status, 200)
  t.same(answer.headers, ['content-length', '2'])
  t.equal(await text(answer.body), 'ok')
})

t.test('a body that is cut midway errors, however it is framed', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const rows: [string, string, 'end' | 'reset'][] = [
    ['a known length, closed', `${ok}content-length: 10\r\n\r\nhalf`, 'end'],
    ['a known length, reset', `${ok}content-length: 10\r\n\r\nhalf`, 'reset'],
    ['a known length, no keep-alive, closed', `${ok}connection: close\r\ncontent-length: 10\r\n\r\nhalf`, 'end'],
    ['chunks, closed', `${ok}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`, 'end'],
    [
      'chunks, closed, no keep-alive',
      `${ok}connection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
      'end',
    ],
    ['chunks, reset', `${ok}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`, 'reset'],
    ['a broken chunk', `${ok}transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n`, 'end'],
    ['up to the end of the connection, reset', `${ok}connection: close\r\n\r\nhalf`, 'reset'],
    ['up to the end of the connection, HTTP/1.0, reset', 'HTTP/1.0 200 OK\r\n\r\nhalf', 'reset'],
  ]
  for (const [title, bytes, how] of rows) {
    let socketOf: (() => void) | undefined
    const server = await rawServer(t, (socket) => {
      socket.write(bytes)
      socketOf = () => (how === 'end' ? socket.end() : socket.resetAndDestroy())
    })
    const { body } = await upstreamAt(t, [server.url]).send(get())
    const [first] = (await once(body as Readable, 'data')) as [Buffer]
    t.equal(first.toString(), 'half', title)
    socketOf?.()
    await t.rejects(buffer(body as Readable), title)
  }
})

t.test('a body up to the end of the connection is whole when the connection ends in order', async (t) => {
  const server = await rawServer(t, (socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it'))
  t.equal(await text((await upstreamAt(t, [server.url]).send(get())).body), 'all of it')
})

t.test('a body may come as slowly as it likes', async (t) => {
  let write: (text: string) => void = () => {}
  const { url } = await httpServer(t, (_, response) => {
    response.writeHead(200)
    write = (text) => (text === '' ? response.end() : response.write(text))
    write('a')
  })
  const { body } = await upstreamAt(t, [url]).send(get({ timeoutMs: 1_000 }))
  const seen: string[] = []
  for await (const chunk of body as Readable) {
    seen.push(String(chunk))
    write(seen.length < 5 ? 'b' : '')
  }
  t.same(seen, ['a', 'b', 'b', 'b', 'b'], 'each piece passed on at once')
})

t.test('a server that takes the request and says nothing is slow', async (t) => {
  const gone = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (request) => request.socket.on('close', () => gone.resolve()))
  await t.rejects(upstreamAt(t, [url]).send(get({ timeoutMs: 50 })), { code: 'ERR_UPSTREAM_SLOW' })
  await gone.promise
  t.pass('its connection was given up')
})

t.test('a server that does not read a body is slow', async (t) => {
  const server = await rawServer(t, (socket) => socket.pause())
  const endless = Readable.from(
    (function* () {
      for (let i = 0; i < 10_000; i += 1) yield Buffer.alloc(65_536)
    })(),
  )
  await t.rejects(upstreamAt(t, [server.url]).send(post(endless, { timeoutMs: 200 })), { code: 'ERR_UPSTREAM_SLOW' })
  t.equal(endless.readableEnded, false, 'and not all of it was taken into memory')
})

t.test('a slow upload is not a slow upstream', async (t) => {
  const { url } = await httpServer(t, (request, response) => void request.pipe(response))
  const body = new Readable({ read() {} })
  const answer = upstreamAt(t, [url]).send(post(body, { timeoutMs: 30 }))
  body.push('a')
  await once(AbortSignal.timeout(120), 'abort') // Four times as long as the upstream may take.
  body.push('b')
  body.push(null)
  t.equal(await text((await answer).body), 'ab')
})

t.test('a visitor who leaves ends the request at the upstream', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (request) => {
    request.socket.on('close', () => gone.resolve())
    arrived.resolve()
  })
  const abort = new AbortController()
  const answer = upstreamAt(t, [url]).send(get({ signal: abort.signal }))
  await arrived.promise
  abort.abort()
  await t.rejects(answer, { code: 'ERR_CLOSED' })
  await gone.promise
  await t.rejects(upstreamAt(t, [url]).send(get({ signal: abort.signal })), { code: 'ERR_CLOSED' }, 'left before')
})

t.test('an answer that is taken no further ends the request at the upstream', async (t) => {
  const gone = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (request, response) => {
    request.socket.on('close', () => gone.resolve())
    response.write('begun')
  })
  const { body } = await upstreamAt(t, [url]).send(get())
  body?.destroy()
  await gone.promise
  t.pass()
})

t.test('a request body that fails fails the request with its own error, and the upstream sees a cut', async (t) => {
  const cut = Promise.withResolvers<void>()
  const half = Promise.withResolvers<void>()
  const { url } = await httpServer(t, (request) => {
    request.on('error', () => cut.resolve())
    request.on('data', () => half.resolve())
  })
  const body = new Readable({ read() {} }).on('error', () => {})
  const answer = upstreamAt(t, [url]).send(post(body))
  body.push('half')
  await half.promise
  body.destroy(new RangeError('over the limit'))
  await t.rejects(answer, RangeError)
  await cut.promise
  t.pass()
})

t.test('an upstream that answers early and hangs up still answers', async (t) => {
  const { url } = await httpServer(t, (_, response) => {
    response.writeHead(401, { connection: 'close' }).end('no')
  })
  const source = new Readable({ read() {} })
  source.push('begin')
  const answer = await upstreamAt(t, [url]).send(post(source))
  t.equal(answer.status, 401)
  t.equal(await text(answer.body), 'no')
  t.equal(source.destroyed, false, "the visitor's side stays open")
})

t.test('connections are kept and used again', async (t) => {
  const server = await rawServer(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
  const upstream = upstreamAt(t, [server.url])
  for (let i = 0; i < 5; i += 1) {
    t.equal(await text((await upstream.send(get())).body), 'ok')
    await idle()
  }
  t.equal(server.connections(), 1)
})

t.test('a kept connection that turns out dead costs a read nothing, and a write an error', async (t) => {
  for (const how of ['end', 'reset'] as const) {
    const make = () =>
      rawServer(t, (socket, _head, count) => {
        if (count === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        else if (how === 'end') socket.destroy()
        else socket.resetAndDestroy()
      })
    const rows: [string, () => UpstreamRequest, boolean][] = [
      ['GET', () => get(), true],
      ['HEAD', () => get({ method: 'HEAD' }), true],
      ['DELETE', () => get({ method: 'DELETE' }), true],
      ['POST without a body', () => get({ method: 'POST' }), false],
      ['PATCH', () => get({ method: 'PATCH' }), false],
      ['PUT with a body', () => get({ method: 'PUT', body: Readable.from(['x']) }), false],
    ]
    for (const [title, request, again] of rows) {
      const server = await make()
      const upstream = upstreamAt(t, [server.url])
      await text((await upstream.send(get())).body)
      await idle()
      if (again) t.equal((await upstream.send(request())).status, 200, `${title}, ${how}`)
      else await t.rejects(upstream.send(request()), { code: 'ERR_UPSTREAM_DOWN' }, `${title}, ${how}`)
      t.equal(server.heads.length, again ? 3 : 2, `${title}, ${how}: requests that the server saw`)
    }
  }
})

t.test('a server that cuts every connection is asked twice at most', async (t) => {
  const server = await rawServer(t, (socket) => {
    if (server.heads.length > 1) socket.resetAndDestroy()
    else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  })
  const upstream = upstreamAt(t, [server.url])
  await text((await upstream.send(get())).body)
  await idle()
  await t.rejects(upstream.send(get()), { code: 'ERR_UPSTREAM_DOWN' })
  t.equal(server.heads.length, 3, 'one that was answered, two that were cut')
})

t.test('a dead kept connection after a first byte of an answer is an error', async (t) => {
  const server = await rawServer(t, (socket, _head, count) => {
    if (count === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    else socket.write('HTTP/1.1 2', () => socket.resetAndDestroy())
  })
  const upstream = upstreamAt(t, [server.url])
  await text((await upstream.send(get())).body)
  await idle()
  await t.rejects(upstream.send(get()), { code: 'ERR_UPSTREAM_DOWN' })
})

t.test('a visitor who reads slowly holds the upstream back, not our memory', async (t) => {
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
  const { body } = await upstreamAt(t, [url]).send(get())
  await once(body as Readable, 'readable')
  await still(() => written)
  t.ok(written < totalBytes / 2, `the upstream could write ${written} bytes of which nobody read one`)
  t.ok((body as Readable).readableLength < 1_048_576, 'and little of it lies with us')
  let bytes = 0
  for await (const chunk of body as Readable) bytes += chunk.length
  t.equal(bytes, totalBytes)
})

t.test('an upstream that reads slowly holds the visitor back, not our memory', async (t) => {
  const totalBytes = 64 * 1_048_576
  let given = 0
  const go = Promise.withResolvers<void>()
  const { url } = await httpServer(t, async (request, response) => {
    await go.promise
    response.end(String((await buffer(request)).length))
  })
  const source = new Readable({
    read() {
      given += 65_536
      this.push(given > totalBytes ? null : Buffer.alloc(65_536))
    },
  })
  const answer = upstreamAt(t, [url]).send(post(source))
  await still(() => given)
  t.ok(given < totalBytes / 2, `took ${given} bytes of which the upstream read none`)
  go.resolve()
  t.equal(await text((await answer).body), String(totalBytes))
})

t.test('what is under way is bounded', async (t) => {
  const { url } = await httpServer(t, () => {})
  const upstream = createRemoteUpstream([url])
  const abort = new AbortController()
  const max = limits.upstream.underWay
  const waiting = Array.from({ length: max }, () => upstream.send(get({ signal: abort.signal })).catch(() => 'ended'))
  await t.rejects(upstream.send(get()), { code: 'ERR_TOO_MANY' })
  abort.abort()
  t.equal((await Promise.all(waiting)).filter((end) => end === 'ended').length, max)
  await upstream.close()
})

t.test('one visitor cannot keep an upstream from everybody else', async (t) => {
  const { url } = await httpServer(t, (request, response) => {
    if (request.url !== '/slow') response.end('answered')
  })
  const upstream = createRemoteUpstream([url])
  const abort = new AbortController()
  const ends: unknown[] = []
  const hog = Array.from({ length: limits.upstream.underWay }, async () => {
    const request = get({ target: '/slow', visitor: '192.0.2.1', signal: abort.signal })
    await upstream.send(request).catch(({ code }) => ends.push(code))
  })
  for (const visitor of ['192.0.2.2', '192.0.2.3', undefined]) {
    const answer = await upstream.send(get(visitor === undefined ? {} : { visitor }))
    t.equal(await text(answer.body), 'answered')
  }
  t.equal(ends.length, limits.upstream.underWay / 2, 'half of its requests were turned away')
  t.ok(ends.every((code) => code === 'ERR_TOO_MANY'))
  abort.abort()
  await Promise.all(hog)
  const again = await upstream.send(get({ visitor: '192.0.2.1' }))
  t.equal(await text(again.body), 'answered', 'what it gave back it may have again')
  await upstream.close()
})

t.test('closing lets what is under way finish, and turns nobody away who was on the way', async (t) => {
  let finish: () => void = () => {}
  const { url } = await httpServer(t, (request, response) => {
    if (request.url === '/late') response.end('late')
    else {
      response.write('first ')
      finish = () => response.end('last')
    }
  })
  const upstream = createRemoteUpstream([url])
  const { body } = await upstream.send(get())
  const closed = upstream.close()
  t.equal(await text((await upstream.send(get({ target: '/late' }))).body), 'late')
  finish()
  t.equal(await text(body), 'first last')
  await closed
})

t.test('https upstreams have to prove who they are, whatever Host the visitor asked for', async (t) => {
  const ca = await openOwnCa(t.testdir())
  const leaf = await ca.issue('localhost')
  const server = createHttpsServer({ cert: leaf.chain, key: leaf.key }, (request, response) =>
    response.end(request.headers.host),
  )
  server.listen(0, 'localhost')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const trusting = { ca: ca.rootPem }
  const good = upstreamAt(t, [`https://localhost:${port}`], trusting)
  for (const host of ['blog.localhost:8443', 'other.example'])
    t.equal(await text((await good.send(get({ headers: ['host', host] }))).body), host)
  await t.rejects(upstreamAt(t, [`https://localhost:${port}`]).send(get()), { code: 'ERR_UPSTREAM_DOWN' }, 'no such CA')
  const wrong = await ca.issue('blog.localhost')
  server.setSecureContext({ cert: wrong.chain, key: wrong.key })
  await t.rejects(
    upstreamAt(t, [`https://localhost:${port}`], trusting).send(get({ headers: ['host', 'blog.localhost'] })),
    { code: 'ERR_UPSTREAM_DOWN' },
    'a certificate for the visited name is not one for the server',
  )
  const address = upstreamAt(t, [`https://127.0.0.1:${port}`], trusting)
  await t.rejects(address.send(get()), { code: 'ERR_UPSTREAM_DOWN' }, 'an address that the certificate does not have')
})

t.test('a connection for an upgrade goes to a server that takes it, and to nobody who left', async (t) => {
  const server = await rawServer(t, (socket) => socket.end('hello'))
  const upstream = upstreamAt(t, [await deadUrl(), server.url])
  for (let i = 0; i < 3; i += 1) {
    const socket = await upstream.connect(new AbortController().signal)
    socket.end('GET / HTTP/1.1\r\n\r\n')
    t.equal((await buffer(socket)).toString(), 'hello')
  }
  await t.rejects(upstream.connect(AbortSignal.abort()), { code: 'ERR_CLOSED' })
})

/** Some turns of the event loop, in which undici sees that a connection is free again. */
async function idle(): Promise<void> {
  for (let i = 0; i < 10; i += 1) await new Promise(setImmediate)
}

/** Resolves when a count has stopped growing: no change in many turns of the event loop. */
async function still(count: () => number): Promise<void> {
  for (let last = -1, turns = 0; turns < 300; turns = count() === last ? turns + 1 : 0) {
    last = count()
    await new Promise(setImmediate)
  }
}
