import { createServer } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { getHeader } from '../../../core/headers.ts'
import { createBudget } from '../../../sandbox/egress/budget.ts'
import { afterRedirect } from '../../../sandbox/egress/outgoing-headers.ts'
import { redirectOf } from '../../../sandbox/egress/redirect.ts'
import { listen, readAll, startEgress, startNames, startWeb } from './fixtures/web.ts'

t.test('what a redirect asks for', (t) => {
  const to = ['location', '/next']
  for (const [status, method, expected, keepsBody] of [
    [301, 'GET', 'GET', true],
    [301, 'POST', 'GET', false],
    [302, 'POST', 'GET', false],
    [301, 'PUT', 'PUT', true],
    [302, 'DELETE', 'DELETE', true],
    [303, 'POST', 'GET', false],
    [303, 'PUT', 'GET', false],
    [303, 'HEAD', 'HEAD', true],
    [303, 'GET', 'GET', true],
    [307, 'POST', 'POST', true],
    [308, 'PUT', 'PUT', true],
  ] as const)
    t.same(redirectOf(status, to, method), { location: '/next', method: expected, keepsBody }, `${status} ${method}`)
  for (const status of [200, 201, 300, 304, 305, 306, 309, 404]) t.equal(redirectOf(status, to, 'GET'), undefined)
  t.equal(redirectOf(302, [], 'GET'), undefined)
  t.equal(redirectOf(302, ['location', Buffer.from('/ü').toString('latin1')], 'GET')?.location, '/ü')
  t.end()
})

t.test('headers after a redirect', (t) => {
  const headers = ['Authorization', 'a', 'Cookie', 'b', 'Content-Type', 'c', 'content-language', 'd', 'x', 'e']
  t.same(afterRedirect(headers, { body: false, origin: false }), headers)
  t.same(afterRedirect(headers, { body: true, origin: false }), ['Authorization', 'a', 'Cookie', 'b', 'x', 'e'])
  t.same(afterRedirect(headers, { body: true, origin: true }), ['x', 'e'])
  t.end()
})

t.test('redirects are followed, and said', async (t) => {
  const seen: string[] = []
  const web = await startWeb(t, async (request, response) => {
    const body = await readAll(request)
    seen.push(`${request.method} ${request.url} ${body} ${request.headers['content-type'] ?? '-'}`)
    const to = new URL(request.url ?? '', 'http://x').searchParams.get('to')
    if (to === null) response.end('there')
    else
      response.writeHead(Number(new URL(request.url ?? '', 'http://x').searchParams.get('as')), { location: to }).end()
  })
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], { servers: [dns.server] })
  const origin = `http://a.example:${web.port}`
  const post = { method: 'POST', headers: ['content-type', 'text/plain'] }

  const first = await fetch(`${origin}/?as=302&to=/b`, { ...post, body: Readable.from([Buffer.from('x')]) })
  t.equal(await readAll(first.body), 'there')
  t.equal(first.url, `${origin}/b`)
  t.equal(first.isRedirected, true)
  t.same(seen.splice(0), ['POST /?as=302&to=/b x text/plain', 'GET /b  -'])

  const again = await fetch(`${origin}/?as=307&to=/b`, {
    ...post,
    body: Readable.from([Buffer.from('hel'), Buffer.from('lo')]),
  })
  t.equal(await readAll(again.body), 'there')
  t.same(seen.splice(0), ['POST /?as=307&to=/b hello text/plain', 'POST /b hello text/plain'])

  const whole = await fetch(`${origin}/?as=308&to=/b`, { ...post, body: Buffer.from('whole') })
  await readAll(whole.body)
  t.same(seen.splice(0), ['POST /?as=308&to=/b whole text/plain', 'POST /b whole text/plain'])

  await t.rejects(fetch(`${origin}/?as=307&to=/b`, { ...post, body: Readable.from([Buffer.alloc(70_000)]) }), {
    code: 'ERR_FETCH_REFUSED',
    message: /a body that was a stream/,
  })
  seen.splice(0)

  const manual = await fetch(`${origin}/?as=302&to=/b`, { redirect: 'manual' })
  t.equal(manual.status, 302)
  t.equal(getHeader(manual.headers, 'location'), '/b')
  t.equal(manual.isRedirected, false)
  await t.rejects(fetch(`${origin}/?as=302&to=/b`, { redirect: 'error' }), { code: 'ERR_FETCH_REFUSED' })
  t.equal((await fetch(`${origin}/?as=303&to=/b`, { method: 'HEAD' })).body, undefined)
  const before = egress.usage.subrequests
  await readAll((await fetch(`${origin}/?as=302&to=/b`)).body)
  t.equal(egress.usage.subrequests - before, 2, 'each hop counts')
})

t.test('a redirect is checked as the first URL is (row 78)', async (t) => {
  const { port, connections } = await listen(
    t,
    createServer((socket) => socket.destroy()),
    '127.0.0.2',
  )
  const web = await startWeb(t, (request, response) =>
    response.writeHead(302, { location: decodeURIComponent((request.url ?? '').slice(1)) }).end(),
  )
  const dns = await startNames(t, { 'inner.example': [{ type: 'A', data: '127.0.0.2' }] })
  const { fetch } = startEgress(t, [web.port, port], { servers: [dns.server] })
  for (const location of [
    `http://127.0.0.2:${port}/`,
    `//127.0.0.2:${port}/`,
    `http://inner.example:${port}/`,
    `http://0x7f000002:${port}/`,
    'http://169.254.169.254/latest/meta-data/',
    'file:///etc/passwd',
    'data:text/plain,x',
    'javascript:x',
    'http://user:pw@b.example/',
    'http://b.example:25/',
    'http://[::1',
    '/loop',
  ])
    await t.rejects(
      fetch(`http://a.example:${web.port}/${encodeURIComponent(location)}`),
      { code: 'ERR_FETCH_REFUSED' },
      location,
    )
  t.equal(connections(), 0)
})

t.test('a circle ends', async (t) => {
  const web = await startWeb(t, (_, response) => response.writeHead(302, { location: '/' }).end('x'.repeat(100)))
  const dns = await startNames(t)
  const { fetch, egress } = startEgress(t, [web.port], { servers: [dns.server] })
  await t.rejects(fetch(`http://a.example:${web.port}/`), {
    code: 'ERR_FETCH_REFUSED',
    message: /more than 5 redirects/,
  })
  t.equal(egress.usage.subrequests, 6)
  t.ok(web.connections() <= 2, 'what nobody wants is read to its end, so that the connection can be used again')
  await t.rejects(fetch(`http://a.example:${web.port}/`, { budget: createBudget(3, 1) }), { code: 'ERR_TOO_MANY' })
})

t.test('the body of a redirect is not awaited if it is long', async (t) => {
  let closed = false
  const web = await startWeb(t, (request, response) => {
    if (request.url === '/end') {
      response.end('there')
      return
    }
    response.writeHead(302, { location: '/end' })
    const more = () => void (closed || response.write('x'.repeat(4_096), () => setImmediate(more)))
    response.on('close', () => {
      closed = true
    })
    more()
  })
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port], { servers: [dns.server] })
  t.equal(await readAll((await fetch(`http://a.example:${web.port}/`)).body), 'there')
  while (!closed) await new Promise((resolve) => setImmediate(resolve))
  t.ok(closed)
})

t.test('credentials stay with their origin (row 83)', async (t) => {
  const seen: string[] = []
  const other = await startWeb(t, (request, response) => {
    seen.push(`other ${request.headers.authorization} ${request.headers.cookie} ${request.headers['x-mine']}`)
    response.end()
  })
  const web = await startWeb(t, (request, response) => {
    seen.push(`web ${request.headers.authorization} ${request.headers.cookie}`)
    const location = request.url === '/same' ? '/done' : `http://a.example:${other.port}/`
    if (request.url === '/done') response.end()
    else response.writeHead(307, { location }).end()
  })
  const dns = await startNames(t)
  const { fetch } = startEgress(t, [web.port, other.port], { servers: [dns.server] })
  const headers = ['authorization', 'Bearer x', 'cookie', 'a=b', 'x-mine', '1']
  await fetch(`http://a.example:${web.port}/same`, { headers })
  t.same(seen.splice(0), ['web Bearer x a=b', 'web Bearer x a=b'])
  await fetch(`http://a.example:${web.port}/other`, { headers })
  t.same(seen.splice(0), ['web Bearer x a=b', 'other undefined undefined 1'], 'another port is another origin')
})
