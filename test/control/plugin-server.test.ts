import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { startPluginServer } from '../../control/plugin-server.ts'
import { limits } from '../../core/limits.ts'
import type { Handler, Plugin, RouteContext } from '../../core/plugin.ts'
import { openSession, type Revocation, sessionCookieName } from '../../core/session.ts'

const keys = { session: [{ kid: 'k1', secret: Buffer.alloc(32, 7).toString('base64url') }] }
const site = { name: 'blog', authorities: ['blog.localhost'] }
const session = { id: 's1', userId: 'ada', site: 'blog', issuedAtMs: 1_000, expiresAtMs: 9_000 }
const nowMs = 5_000

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
}

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

const visit = {
  host: 'blog.localhost:8443',
  'grove-internal-site': 'blog',
  'grove-internal-request-id': 'req-1',
  'grove-internal-client-address': '192.0.2.7',
}
const own = { 'sec-fetch-site': 'same-origin' }

async function setUp(t: Test, routes: Record<string, Handler>, options: { routeTimeoutMs?: number } = {}) {
  const folder = t.testdir({})
  // The path of a socket has to be short.
  const pluginSocket = join(folder.length < 60 ? folder : tmpdir(), `grove-${process.pid}-${Math.random()}.sock`)
  const lines: string[] = []
  const revoked: Revocation[] = []
  const plugin: Plugin = { name: 'login', routes }
  const server = await startPluginServer({
    layout: { pluginSocket },
    plugins: () => [plugin],
    site: (name) => (name === 'blog' ? site : undefined),
    keys: () => keys,
    maxAgeSeconds: () => 600,
    revoke: async (revocation) => void revoked.push(revocation),
    log: pino({ level: 'debug' }, { write: (line: string) => lines.push(line) }),
    now: () => nowMs,
    ...options,
  })
  t.teardown(() => server[Symbol.asyncDispose]())

  async function send({ method = 'GET', path = '/.grove/login/', headers = {}, body }: Sent = {}): Promise<Answer> {
    const outgoing = httpRequest({ socketPath: pluginSocket, method, path, headers: { ...visit, ...headers } })
    outgoing.end(body)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: await text(incoming) }
  }
  return { pluginSocket, lines, revoked, server, send }
}

t.test('the socket is its owner’s alone', async (t) => {
  const { pluginSocket } = await setUp(t, {})
  t.equal((await stat(pluginSocket)).mode & 0o777, 0o600)
})

t.test('a handler gets the visitor’s request and context, and nothing of the front’s own headers', async (t) => {
  const seen: { request: Request; context: RouteContext; body: string }[] = []
  const { send } = await setUp(t, {
    'POST /sign-in': async (request, context) => {
      seen.push({ request, context, body: await request.text() })
      return new Response('hello', { status: 201, headers: { 'x-from': 'plugin' } })
    },
  })
  const answer = await send({
    method: 'POST',
    path: '/.grove/login/sign-in?next=%2Fa',
    headers: {
      ...own,
      'grove-internal-session': JSON.stringify(session),
      'x-seen': 'yes',
      te: 'trailers',
      cookie: 'a=1',
    },
    body: 'name=ada',
  })
  t.match(answer, { status: 201, body: 'hello', headers: { 'x-from': 'plugin', 'cache-control': 'no-store' } })
  const [first] = seen
  if (!first) return void t.fail('the handler was not called')
  const { request, context, body } = first
  t.equal(request.url, 'https://blog.localhost:8443/.grove/login/sign-in?next=%2Fa')
  t.equal(request.method, 'POST')
  t.equal(body, 'name=ada')
  t.match(Object.fromEntries(request.headers), { 'x-seen': 'yes', cookie: 'a=1', 'sec-fetch-site': 'same-origin' })
  const names = [...request.headers.keys()]
  t.strictSame(
    names.filter((name) => name.startsWith('grove-') || name === 'te' || name === 'connection'),
    [],
  )
  t.match(context, { site, requestId: 'req-1', clientAddress: '192.0.2.7', session })
})

t.test('signing in sets the cookie of a new session that lasts as the config says', async (t) => {
  const { send } = await setUp(t, {
    'POST /in': (_, { signIn }) => new Response(null, { headers: { 'set-cookie': signIn('ada') } }),
  })
  const ids = new Set<string>()
  for (let i = 0; i < 3; i++) {
    const { headers } = await send({ method: 'POST', path: '/.grove/login/in', headers: own })
    const cookie = headers['set-cookie']?.[0] ?? ''
    t.match(cookie, /^__Host-grove=[^;]+; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=600$/)
    const value = cookie.slice(sessionCookieName.length + 1, cookie.indexOf(';'))
    const opened = openSession(value, 'blog', keys.session, nowMs)
    t.match(opened, { userId: 'ada', site: 'blog', issuedAtMs: nowMs, expiresAtMs: nowMs + 600_000 })
    ids.add(opened?.id ?? '')
  }
  t.equal(ids.size, 3)
})

t.test('a user id that no cookie can carry is an error, not a sign-in that does not hold', async (t) => {
  const { lines, send } = await setUp(t, {
    'POST /in': async (request, { signIn }) => new Response(signIn(await request.text())),
  })
  for (const userId of ['', 'a'.repeat(257), '\u0001'.repeat(256)]) {
    const answer = await send({ method: 'POST', path: '/.grove/login/in', headers: own, body: userId })
    t.match(answer, { status: 500, headers: { 'set-cookie': undefined } })
    t.match(JSON.parse(lines.pop() ?? ''), { err: { code: 'ERR_USER' } })
  }
  t.match(await send({ method: 'POST', path: '/.grove/login/in', headers: own, body: 'ä'.repeat(256) }), {
    status: 200,
  })
})

t.test('signing out revokes the session before the cookie goes, and needs none', async (t) => {
  const { revoked, send } = await setUp(t, {
    'POST /out': async (_, context) => {
      const cookie = await context.signOut()
      return new Response(JSON.stringify(revoked), { headers: { 'set-cookie': cookie } })
    },
  })
  const path = '/.grove/login/out'
  const signedIn = { ...own, 'grove-internal-session': JSON.stringify(session) }
  const answer = await send({ method: 'POST', path, headers: signedIn })
  t.match(answer.headers['set-cookie'], [/^__Host-grove=; .*Max-Age=0$/])
  t.strictSame(JSON.parse(answer.body), [{ kind: 'session', id: 's1', untilMs: 9_000 }])
  await send({ method: 'POST', path, headers: own })
  t.equal(revoked.length, 1)
})

t.test('HEAD gets what GET says without its body; several cookies stay several', async (t) => {
  let cancelled = false
  const { send } = await setUp(t, {
    'GET /': () => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(Buffer.from('text')),
        cancel() {
          cancelled = true
        },
      })
      const headers = new Headers([
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['cache-control', 'max-age=60'],
      ])
      headers.set('connection', 'x-secret')
      return new Response(body, { headers })
    },
  })
  const answer = await send({ method: 'HEAD' })
  t.match(answer, { status: 200, body: '', headers: { 'set-cookie': ['a=1', 'b=2'], 'cache-control': 'max-age=60' } })
  t.not(answer.headers.connection, 'x-secret')
  t.ok(cancelled)
})

t.test('unsafe methods need a page of the site itself', async (t) => {
  let calls = 0
  const count = () => {
    calls += 1
    return new Response('done')
  }
  const { send } = await setUp(t, { 'POST /': count, 'DELETE /': count, 'GET /': count })
  const foreign: OutgoingHttpHeaders[] = [
    {},
    { 'sec-fetch-site': 'same-site', origin: 'https://evil.localhost:8443' },
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
  ]
  for (const headers of foreign)
    for (const method of ['POST', 'DELETE'])
      t.match(await send({ method, headers }), { status: 403, body: /Request req-1/ }, JSON.stringify(headers))
  t.equal(calls, 0)
  t.match(await send({ method: 'POST', headers: { origin: 'https://blog.localhost:8443' } }), { status: 200 })
  t.match(await send({ method: 'GET', headers: { 'sec-fetch-site': 'cross-site' } }), { status: 200 })
  t.equal(calls, 2)
})

t.test('unknown sites, plugins, paths and methods are told apart, in this order', async (t) => {
  const { send } = await setUp(t, { 'GET /': () => new Response('root'), 'POST /a': () => new Response('a') })
  t.match(await send({ headers: { 'grove-internal-site': 'gone' } }), { status: 404 })
  t.match(await send({ path: '/.grove/other/' }), { status: 404 })
  t.match(await send({ path: '/.grove/login' }), { status: 404 })
  t.match(await send({ path: '/.grove/login/nothing' }), { status: 404 })
  t.match(await send({ method: 'POST', headers: own }), { status: 405, headers: { allow: 'GET, HEAD' } })
  t.match(await send({ path: '/.grove/login/a' }), { status: 405, headers: { allow: 'POST' } })
})

t.test('what no front sends is refused', async (t) => {
  const { send } = await setUp(t, { 'GET /': () => new Response('root') })
  const wrong: (Sent & { name: string })[] = [
    { name: 'no site', headers: { 'grove-internal-site': '' } },
    { name: 'no request id', headers: { 'grove-internal-request-id': '' } },
    { name: 'no address', headers: { 'grove-internal-client-address': '' } },
    { name: 'no host name', headers: { host: 'a b' } },
    { name: 'a host with a user', headers: { host: 'x@blog.localhost' } },
    { name: 'another path', path: '/index.html' },
    { name: 'a plugin name with other letters', path: '/.grove/Login/' },
    { name: 'a URL in place of a path', path: 'https://blog.localhost/.grove/login/' },
    { name: 'a session that is no JSON', headers: { 'grove-internal-session': 'ada' } },
    { name: 'half a session', headers: { 'grove-internal-session': '{"userId":"ada"}' } },
    {
      name: 'a session of another site',
      headers: { 'grove-internal-session': JSON.stringify({ ...session, site: 'shop' }) },
    },
  ]
  for (const { name, ...sent } of wrong) t.match(await send(sent), { status: 400, body: 'Bad Request\n' }, name)
})

t.test('a body over the limit is refused, announced or not, and one at the limit passes', async (t) => {
  const { send } = await setUp(t, {
    'POST /': async (request) => new Response(String((await request.bytes()).length)),
  })
  const most = Buffer.alloc(limits.plugin.routeBodyBytes)
  const more = Buffer.alloc(limits.plugin.routeBodyBytes + 1)
  t.match(await send({ method: 'POST', headers: own, body: most }), { status: 200, body: String(most.length) })
  t.match(await send({ method: 'POST', headers: own, body: more }), { status: 413 })
  const chunked = { ...own, 'transfer-encoding': 'chunked' }
  t.match(await send({ method: 'POST', headers: chunked, body: most }), { status: 200, body: String(most.length) })
  t.match(await send({ method: 'POST', headers: chunked, body: more }), { status: 413 })
})

t.test(
  'what a handler throws, or answers in place of a response, is a 500 that says the request id alone',
  async (t) => {
    const failures: Record<string, Handler> = {
      'GET /throw': () => {
        throw new Error('secret')
      },
      'GET /reject': () => Promise.reject(new Error('secret')),
      'GET /nothing': () => undefined as unknown as Response,
      'GET /text': () => 'secret' as unknown as Response,
      'GET /error': () => Response.error(),
      'GET /used': async () => {
        const response = new Response('secret')
        response.body?.getReader()
        return response
      },
    }
    const { lines, send } = await setUp(t, failures)
    for (const key of Object.keys(failures)) {
      const path = `/.grove/login${key.slice('GET '.length)}`
      const { status, body } = await send({ path })
      t.strictSame({ status, body }, { status: 500, body: 'Internal Server Error\nRequest req-1\n' }, key)
      t.match(JSON.parse(lines.pop() ?? ''), { level: 50, request: 'req-1', plugin: 'login', site: 'blog' })
    }
  },
)

t.test('a body that fails midway cuts the connection, so that the answer does not look whole', async (t) => {
  const { lines, send } = await setUp(t, {
    'GET /': () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(Buffer.from('first')),
          pull: (controller) => controller.error(new Error('broken')),
        }),
      ),
  })
  await t.rejects(send(), { code: 'ECONNRESET' })
  t.match(JSON.parse(lines.pop() ?? ''), { level: 50, err: { message: 'broken' } })
})

t.test('a handler that takes too long is a 504, and its signal says so', async (t) => {
  const aborted = Promise.withResolvers<unknown>()
  const { send } = await setUp(
    t,
    {
      'GET /': (request) => {
        request.signal.addEventListener('abort', () => aborted.resolve(request.signal.reason))
        return new Promise(() => {})
      },
    },
    { routeTimeoutMs: 30 },
  )
  t.match(await send(), { status: 504, body: /Request req-1/ })
  t.match(await aborted.promise, { code: 'ERR_TIMEOUT' })
})

t.test('a body that does not come is a 504 too', async (t) => {
  const { pluginSocket } = await setUp(t, { 'POST /': () => new Response('never') }, { routeTimeoutMs: 30 })
  const socket = connect(pluginSocket)
  const headers = Object.entries({ ...visit, ...own, 'content-length': 10 }).map(([name, value]) => `${name}: ${value}`)
  socket.write(`POST /.grove/login/ HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\nhalf`)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  t.match(chunk.toString(), /^HTTP\/1\.1 504 /)
  socket.destroy()
})

t.test('a visitor that goes away aborts the handler, and is no error', async (t) => {
  const started = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<unknown>()
  const { lines, pluginSocket } = await setUp(t, {
    'GET /': (request) => {
      request.signal.addEventListener('abort', () => aborted.resolve(request.signal.reason))
      started.resolve()
      return new Promise(() => {})
    },
  })
  const outgoing = httpRequest({ socketPath: pluginSocket, path: '/.grove/login/', headers: visit })
  outgoing.on('error', () => {})
  outgoing.end()
  await started.promise
  outgoing.destroy()
  t.match(await aborted.promise, { code: 'ERR_CLOSED' })
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(lines, [])
})

t.test('a visitor that goes away while sending or reading is no error either', async (t) => {
  const cancelled = Promise.withResolvers<void>()
  const { lines, pluginSocket } = await setUp(t, {
    'POST /': () => new Response('never'),
    'GET /': () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(Buffer.alloc(65_536)),
          cancel: () => cancelled.resolve(),
        }),
      ),
  })
  const common = { socketPath: pluginSocket, path: '/.grove/login/' }
  const reading = httpRequest({ ...common, headers: visit })
  reading.on('error', () => {})
  reading.end()
  const [incoming] = (await once(reading, 'response')) as [IncomingMessage]
  incoming.on('error', () => {})
  incoming.destroy()
  await cancelled.promise

  const sending = httpRequest({ ...common, method: 'POST', headers: { ...visit, ...own, expect: '100-continue' } })
  sending.on('error', () => {})
  sending.write('half')
  await once(sending, 'continue')
  sending.destroy()
  await new Promise((resolve) => sending.once('close', resolve))
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(lines, [])
})

t.test('an answer that went out does not abort its request', async (t) => {
  let signal: AbortSignal | undefined
  const { send } = await setUp(t, {
    'GET /': (request) => {
      signal = request.signal
      return new Response('done')
    },
  })
  await send()
  t.equal(signal?.aborted, false)
})

t.test('stopping lets what is under way finish and takes nothing more', async (t) => {
  const started = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const { pluginSocket, send, server } = await setUp(t, {
    'GET /': async () => {
      started.resolve()
      await gate.promise
      return new Response('finished')
    },
  })
  const answer = send()
  await started.promise
  const stopped = server[Symbol.asyncDispose]()
  await t.rejects(send(), { code: /ENOENT|ECONNREFUSED/ })
  gate.resolve()
  t.match(await answer, { status: 200, body: 'finished' })
  await stopped
  await t.rejects(stat(pluginSocket), { code: 'ENOENT' })
})
