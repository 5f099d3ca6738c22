import { createPublicKey, verify } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Harness, startGrove } from './harness.ts'
import type { Answer, Visitor } from './visitor.ts'

/** An upstream that says what it was sent; `/slow` never answers. */
async function startUpstream(t: Test) {
  const server = createServer(async (request, response) => {
    if (request.url === '/slow') return
    let bytes = 0
    for await (const chunk of request as AsyncIterable<Buffer>) bytes += chunk.length
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ method: request.method, url: request.url, bytes, headers: spread(request) }))
  })
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(stop)
  return { url: `http://127.0.0.1:${port}`, stop, start: () => listen(port) }
}

/** Every header line, so that one that was sent twice shows. */
function spread({ rawHeaders }: IncomingMessage): [string, string][] {
  return rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [[name.toLowerCase(), rawHeaders[index + 1] ?? ''] as [string, string]] : [],
  )
}

interface Seen {
  readonly method: string
  readonly url: string
  readonly bytes: number
  readonly headers: readonly [string, string][]
}

function seen(answer: Answer): Seen & { all: (name: string) => string[] } {
  const told = JSON.parse(String(answer.body)) as Seen
  return { ...told, all: (wanted) => told.headers.flatMap(([name, value]) => (name === wanted ? [value] : [])) }
}

async function signIn(grove: Harness, visitor: Visitor, password = 'correct horse'): Promise<string> {
  const answer = await visitor.http1(grove.url('shop', '/.grove/login-password/sign-in'), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: grove.url('shop').slice(0, -1) },
    body: `username=ada&password=${encodeURIComponent(password)}&next=/`,
  })
  if (answer.status !== 303) throw new Error(`sign-in answered ${answer.status}`)
  return String(answer.headers['set-cookie']?.[0]).split(';')[0] ?? ''
}

async function startShop(t: Test, site: Record<string, unknown> = {}) {
  const upstream = await startUpstream(t)
  const grove = await startGrove(t, {
    config: { fronts: 2, sites: { shop: { upstreams: [upstream.url], timeoutMs: 300, bodyBytes: 1_000, ...site } } },
    plugins: 'grove.loginPassword()',
  })
  await grove.publish('shop', t.testdir({ 'index.html': 'for everybody', 'style.css': 'body {}' }))
  t.match(await grove.command(['user', 'add', 'ada', '--password-stdin'], 'correct horse'), { exitCode: 0 })
  return { grove, upstream }
}

t.test('a signed-in visitor is handed to the upstream with an identity that cannot be made up', async (t) => {
  const { grove } = await startShop(t)
  const { visitor } = grove
  const url = grove.url('shop')
  t.equal(String((await visitor.http2(url)).body), 'for everybody')
  const cookie = await signIn(grove, visitor)
  t.equal(String((await visitor.http2(grove.url('shop', '/style.css'), { headers: { cookie } })).body), 'body {}')
  const lineOf = (path: string) => grove.until(() => grove.logLines.find((line) => line['path'] === path))
  t.match(await lineOf('/style.css'), { how: 'static', user: 'ada' })
  t.match(await lineOf('/'), { how: 'static', user: undefined })

  const made = { 'grove-user': 'root', Grove_User: 'root', 'grove-identity': 'x', 'x-forwarded-for': '6.6.6.6' }
  for (const ask of ['http1', 'http2'] as const) {
    const headers = { ...made, cookie: `a=1; ${cookie}; b=2`, forwarded: 'for=6.6.6.6', 'x-real-ip': '6.6.6.6' }
    const answer = await visitor[ask](url, { headers: lowered(headers) })
    t.equal(answer.status, 200)
    t.match(answer.headers, { 'cache-control': /private/, vary: /cookie/i })
    const { all, headers: lines } = seen(answer)
    t.same(all('grove-user'), ['ada'])
    t.same(all('cookie'), ['a=1; b=2'], 'without the session')
    t.same(all('x-forwarded-for'), ['127.0.0.1'])
    t.same(all('x-forwarded-proto'), ['https'])
    t.same(all('x-forwarded-host'), [`shop.localhost:${grove.httpsPort}`])
    t.notMatch(JSON.stringify(lines), /6\.6\.6\.6|"root"|grove_user/i)
    const [token = ''] = all('grove-identity')
    t.match(await verified(grove, token), { sub: 'ada', aud: 'shop', iss: grove.url('shop').slice(0, -1) })
  }
  const anonymous = seen(
    await visitor.http1(grove.url('shop', '/api'), { method: 'POST', headers: lowered(made), body: 'x' }),
  )
  t.match(anonymous, { method: 'POST', url: '/api', bytes: 1 })
  t.same(anonymous.all('grove-user'), [])
  t.same(anonymous.all('grove-identity'), [])
})

/** Verifies a Grove-Identity token as an upstream would, with the published keys, and answers its claims. */
async function verified(grove: Harness, token: string): Promise<Record<string, unknown>> {
  const { keys } = JSON.parse(String((await grove.visitor.http2(grove.url('shop', '/.grove/jwks.json'))).body))
  const [head = '', claims = '', signature = ''] = token.split('.')
  const { kid, alg } = JSON.parse(String(Buffer.from(head, 'base64url')))
  if (alg !== 'EdDSA') throw new Error(`alg ${alg}`)
  const jwk = keys.find((key: { kid: string }) => key.kid === kid)
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  if (!verify(null, Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url')))
    throw new Error('forged')
  return JSON.parse(String(Buffer.from(claims, 'base64url')))
}

function lowered(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

t.test('a sign-out holds on every front at once, and so does a new password', async (t) => {
  const { grove } = await startShop(t)
  const url = grove.url('shop')
  /** Asks over so many new connections that both fronts are met. */
  const everywhere = async (cookie: string): Promise<Set<string>> => {
    const bodies = await Promise.all(
      Array.from({ length: 24 }, async () => {
        const visitor = grove.newVisitor()
        try {
          return String((await visitor.http1(url, { headers: { cookie } })).body)
        } finally {
          visitor.close()
        }
      }),
    )
    return new Set(bodies.map((body) => (body === 'for everybody' ? 'static' : 'personal')))
  }
  const cookie = await signIn(grove, grove.visitor)
  t.same([...(await everywhere(cookie))], ['personal'])
  const out = await grove.visitor.http1(grove.url('shop', '/.grove/login-password/sign-out'), {
    method: 'POST',
    headers: { cookie, origin: url.slice(0, -1) },
  })
  t.match(out.headers['set-cookie']?.[0], /^__Host-grove=; .*Max-Age=0/)
  t.same([...(await everywhere(cookie))], ['static'])

  const other = await signIn(grove, grove.visitor)
  t.match(await grove.command(['user', 'passwd', 'ada', '--password-stdin'], 'another horse'), { exitCode: 0 })
  t.same([...(await everywhere(other))], ['static'])
  t.ok(await signIn(grove, grove.visitor, 'another horse'))
})

t.test('an upstream that is down or slow is told apart, and anonymous visitors get the static page', async (t) => {
  const { grove, upstream } = await startShop(t)
  const { visitor } = grove
  const cookie = await signIn(grove, visitor)
  const slow = await visitor.http2(grove.url('shop', '/slow'), { headers: { cookie } })
  t.equal(slow.status, 504)
  await upstream.stop()
  const down = await visitor.http2(grove.url('shop'), { headers: { cookie, accept: 'application/json' } })
  t.equal(down.status, 502)
  t.equal(down.headers['cache-control'], 'no-store')
  const { error } = JSON.parse(String(down.body)) as { error: { request: string } }
  t.equal((await visitor.http2(grove.url('shop'))).status, 200, 'an anonymous visitor')
  const big = await visitor.http1(grove.url('shop', '/api'), { method: 'POST', body: 'x'.repeat(1_001) })
  t.equal(big.status, 413)
  const line = await grove.until(() => grove.logLines.find(({ request }) => request === error.request))
  t.match(line, { site: 'shop', status: 502, user: 'ada', how: 'error', error: /ERR_UPSTREAM_DOWN/ })
  t.notMatch(grove.log, /__Host-grove=s1|correct horse/, 'no cookie and no password in any log')
  await upstream.start()
  await grove.until(async () => (await visitor.http2(grove.url('shop'), { headers: { cookie } })).status === 200)
})

t.test(
  'fronts serve on while control is away, and a front that cannot reach it says so for plugin routes',
  async (t) => {
    const { grove } = await startShop(t)
    const { visitor } = grove
    const cookie = await signIn(grove, visitor)
    const [control = 0] = await grove.pids('control')
    process.kill(control, 'SIGSTOP')
    t.teardown(() => {
      try {
        process.kill(control, 'SIGCONT')
      } catch {
        // Gone.
      }
    })
    t.equal((await visitor.http1(grove.url('shop'))).status, 200)
    t.equal((await visitor.http1(grove.url('shop'), { headers: { cookie } })).status, 200)
    process.kill(control, 'SIGKILL')
    t.equal((await visitor.http1(grove.url('shop'))).status, 200)
    const away = await visitor.http1(grove.url('shop', '/.grove/login-password/'))
    t.ok(away.status === 503 || away.status === 200, `${away.status}`)
    await grove.until(async () => {
      await pause(0)
      return (await visitor.http1(grove.url('shop', '/.grove/login-password/'))).status === 200
    })
    t.equal((await visitor.http1(grove.url('shop'), { headers: { cookie } })).status, 200, 'sessions outlive control')
  },
)
