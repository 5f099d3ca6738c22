import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { getHeader, joinHeader } from '../../core/headers.ts'
import { limits } from '../../core/limits.ts'
import type { Session } from '../../core/session.ts'
import { createPluginRoutes } from '../../proxy/plugin-routes.ts'
import { testExchange } from './fixtures/exchange.ts'

const site = { name: 'blog', authorities: ['blog.localhost'] }
const session: Session = { id: 's-1', userId: 'jürgen 日本', site: 'blog', issuedAtMs: 1, expiresAtMs: 2 }

/** A short path, since that of a socket may have 107 bytes only. */
async function socketPath(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'grove-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return join(folder, 'plugins.sock')
}

/** A stand-in for control's end of the socket, and the front's end of it. */
async function make(t: Test, handle: RequestListener) {
  const pluginSocket = await socketPath(t)
  const server = createServer(handle)
  server.listen(pluginSocket)
  await once(server, 'listening')
  const routes = createPluginRoutes({ pluginSocket }, () => 8443)
  const close = async () => {
    server.closeAllConnections()
    server.close()
  }
  t.teardown(async () => {
    await close()
    await routes.close()
  })
  return { routes, close }
}

const echo: RequestListener = async (request, response) => {
  const body = (await buffer(request)).toString()
  response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }))
}

t.test('a route gets the request, and what the front knows of it', async (t) => {
  const { routes } = await make(t, echo)
  const exchange = testExchange({
    method: 'POST',
    target: '/.grove/login/enter?next=/',
    headers: ['content-length', '5', 'cookie', 'a=1; __Host-grove=sealed', 'origin', 'https://blog.localhost:8443'],
    body: Readable.from(['hello']),
  })
  routes.handle(exchange, site, undefined)
  const { status, headers, body } = await exchange.answered
  const seen = JSON.parse(body.toString())
  t.equal(status, 200)
  t.match(seen, { method: 'POST', url: '/.grove/login/enter?next=/', body: 'hello' })
  t.match(seen.headers, {
    host: 'blog.localhost:8443',
    cookie: 'a=1',
    origin: 'https://blog.localhost:8443',
    'grove-internal-site': 'blog',
    'grove-internal-request-id': exchange.id,
    'grove-internal-client-address': '192.0.2.7',
  })
  t.equal(seen.headers['grove-internal-session'], undefined)
  t.equal(getHeader(headers, 'cache-control'), 'no-store')
})

t.test('a session goes with it, whatever its user is called', async (t) => {
  const { routes } = await make(t, echo)
  const exchange = testExchange({ target: '/.grove/login/' })
  routes.handle(exchange, site, session)
  const seen = JSON.parse((await exchange.answered).body.toString())
  t.same(JSON.parse(seen.headers['grove-internal-session']), session)
})

t.test('nobody can say from outside what a front says', async (t) => {
  const { routes } = await make(t, echo)
  const names = ['site', 'request-id', 'client-address', 'session', 'anything']
  for (const spelling of ['grove-internal-', 'grove_internal_', 'grove.internal.', 'grove-internal_']) {
    const headers = names.flatMap((name) => [`${spelling}${name}`, 'evil'])
    const exchange = testExchange({ target: '/.grove/login/', headers: [...headers, 'host', 'evil.localhost'] })
    routes.handle(exchange, site, undefined)
    t.notMatch((await exchange.answered).body.toString(), /evil/, spelling)
  }
})

t.test('a plugin may set the session cookie, and say how its answer is cached', async (t) => {
  const { routes } = await make(t, (_, response) => {
    response.setHeader('set-cookie', ['__Host-grove=sealed; Path=/', 'b=2'])
    response.writeHead(303, { location: '/', 'cache-control': 'public, max-age=5' }).end()
  })
  const exchange = testExchange({ target: '/.grove/login/' })
  routes.handle(exchange, site, undefined)
  const { status, headers } = await exchange.answered
  t.equal(status, 303)
  t.equal(joinHeader(headers, 'set-cookie'), '__Host-grove=sealed; Path=/, b=2')
  t.equal(joinHeader(headers, 'cache-control'), 'public, max-age=5')
  t.equal(getHeader(headers, 'transfer-encoding'), undefined)
})

t.test('a body that is too large is 413', async (t) => {
  const { routes } = await make(t, (request, response) => {
    request.on('error', () => {})
    request.resume().on('end', () => response.end())
  })
  const max = limits.plugin.routeBodyBytes
  const announced = testExchange({ method: 'POST', headers: ['content-length', String(max + 1)] })
  routes.handle(announced, site, undefined)
  t.equal((await announced.answered).status, 413)
  const streamed = testExchange({ method: 'POST', body: Readable.from([Buffer.alloc(max), Buffer.alloc(1)]) })
  routes.handle(streamed, site, undefined)
  t.equal((await streamed.answered).status, 413)
  t.match(streamed.note, { how: 'error', error: /^ERR_TOO_LARGE/ })
})

t.test('bodies that never end keep nobody else from a route', async (t) => {
  const { routes } = await make(t, echo)
  const slow = Array.from({ length: limits.upstream.connections }, () => new PassThrough())
  for (const body of slow) {
    body.write('username=')
    routes.handle(testExchange({ method: 'POST', target: '/.grove/login/enter', body }), site, undefined)
  }
  const exchange = testExchange({ method: 'POST', target: '/.grove/login/enter', body: Readable.from(['whole']) })
  routes.handle(exchange, site, undefined)
  t.match(JSON.parse(String((await exchange.answered).body)), { body: 'whole' })
  for (const body of slow) body.destroy()
})

t.test('while control is away it is 503, and soon worth another try', async (t) => {
  const { routes, close } = await make(t, echo)
  await close()
  const exchange = testExchange({ target: '/.grove/login/' })
  routes.handle(exchange, site, undefined)
  const { status, headers, body } = await exchange.answered
  t.equal(status, 503)
  t.equal(getHeader(headers, 'retry-after'), '1')
  t.match(body.toString(), exchange.id)
  t.match(exchange.note, { how: 'error', error: /^ERR_UPSTREAM_DOWN/ })
})

t.test('a visitor who left is answered no more', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<void>()
  const { routes } = await make(t, (request) => {
    request.socket.on('close', () => gone.resolve())
    arrived.resolve()
  })
  const exchange = testExchange({ target: '/.grove/login/' })
  routes.handle(exchange, site, undefined)
  await arrived.promise
  exchange.leave()
  await gone.promise
  await new Promise(setImmediate)
  t.equal(exchange.responded, false)
})

t.test('without a word about the port it is that of https', async (t) => {
  const pluginSocket = await socketPath(t)
  const server = createServer(echo).listen(pluginSocket)
  await once(server, 'listening')
  const routes = createPluginRoutes({ pluginSocket })
  const exchange = testExchange({ target: '/.grove/login/', headers: [] })
  routes.handle(exchange, site, undefined)
  t.equal(JSON.parse((await exchange.answered).body.toString()).headers.host, 'blog.localhost')
  await routes.close()
  server.close()
})
