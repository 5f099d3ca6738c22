import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { openOwnCa } from '../../certs/own-ca.ts'
import { openTickets } from '../../certs/tickets.ts'
import type { FrontState } from '../../control/fronts.ts'
import { openKeys } from '../../control/keys.ts'
import { Channel } from '../../core/channel.ts'
import { GroveError } from '../../core/errors.ts'
import { blobFile, layoutOf } from '../../core/layout.ts'
import {
  type ControlToFront,
  type FrontSettings,
  type FrontToControl,
  frontStatsSchema,
  frontToControlSchema,
  type SiteState,
} from '../../core/messages.ts'
import { type Session, sealSession } from '../../core/session.ts'
import { Front } from '../../proxy/front.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { plainVault } from '../certs/fixtures/plain-vault.ts'
import { shortFolder } from '../control/fixtures/short-folder.ts'
import { silentLog } from '../control/fixtures/silent-log.ts'
import { Visitor } from '../e2e/visitor.ts'
import { freePort } from '../services/free-port.ts'
import { writeVersion } from './fixtures/compiled.ts'
import { connectRaw } from './transport-harness.ts'

const bigBytes = 8_000_000

/** A real front whose control is the test. */
async function startFront(t: Test) {
  const layout = layoutOf(shortFolder(t))
  for (const folder of [layout.compiled, layout.temporary]) mkdirSync(folder, { recursive: true })
  const ca = await openOwnCa(layout.certs)
  const tickets = await openTickets({ vault: plainVault(new Map()), environment: nodeEnvironment, log: silentLog })
  const keys = await openKeys(layout.keys, { maxSessionMs: 1_000_000, tickets })
  const server = createServer()
  server.listen(layout.frontSocket)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const lines: Record<string, unknown>[] = []
  const ready = Promise.withResolvers<void>()
  const front = new Front({
    layout,
    index: 0,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    ready: ready.resolve,
  })
  const [socket] = (await once(server, 'connection')) as [Socket]
  const channel = new Channel<FrontToControl, ControlToFront>(socket, {
    incoming: frontToControlSchema,
    receive: async (message) => {
      if (message.kind === 'certificate') return ca.issue(message.name)
      if (message.kind !== 'site') return undefined
      asked.push(message.name)
      const site = told.get(message.name)
      if (!site) throw new GroveError('ERR_SITE_UNKNOWN', 'there is none')
      await channel.call({ kind: 'site', site })
      return {}
    },
  })
  /** What the front is told of a site that it asks for, by name. */
  const told = new Map<string, SiteState>()
  const asked: string[] = []
  t.teardown(async () => {
    await front.drain(0)
    channel.close()
  })
  const settings: FrontSettings = {
    generation: 1,
    domain: 'localhost',
    httpsPort: 8443,
    trustedProxies: [],
    logLevel: 'debug',
    accessLog: true,
    metered: true,
    routed: ['login'],
  }

  /** Puts contents and a compiled version where the front finds them. */
  const compile = async (version: number, contents: Record<string, string | Buffer>): Promise<SiteState> => {
    const files = Object.entries(contents).map(([path, content]) => {
      const hash = createHash('sha256').update(content).digest('hex')
      const file = blobFile(layout, hash)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
      return { path, hash, bytes: Buffer.byteLength(content) }
    })
    const { compiled } = await writeVersion(layout, version, files)
    return { ...blog, live: { version, compiled } }
  }
  /** A state in which these sites are known; the front asks for them. */
  const state = (sites: readonly SiteState[], change: Partial<FrontSettings> = {}): ControlToFront => {
    for (const site of sites) told.set(site.name, site)
    return {
      kind: 'state',
      settings: { ...settings, ...change },
      keys: keys.current(),
      names: sites.map(({ name }) => name),
      defaults: { upstreams: [], timeoutMs: 1_000, bodyBytes: 0 },
      sites: [],
      revocations: [],
      challenges: { http: [], tlsAlpn: [] },
    }
  }
  const listen = async (): Promise<Visitor> => {
    await ready.promise
    // A front is given sockets and tells no port, so the test finds one that is free.
    const probe = createServer().listen(0, '127.0.0.1')
    await once(probe, 'listening')
    const { port } = probe.address() as AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    await front.listen('https', 'key', { port, host: '127.0.0.1' })
    const visitor = new Visitor(ca.rootPem, port)
    t.teardown(() => visitor.close())
    return Object.assign(visitor, { port })
  }
  return { front, channel, ca, keys, lines, layout, compile, state, listen, told, asked }
}

const blog: SiteState = { name: 'blog', authorities: ['blog.localhost'], upstreams: [], timeoutMs: 1_000, bodyBytes: 0 }
const url = 'https://blog.localhost:8443/'

t.test('a front serves what control tells, in the order in which it is told', async (t) => {
  const { channel, compile, state, listen, lines } = await startFront(t)
  await channel.call(state([await compile(1, { 'index.html': 'one' })]))
  const visitor = await listen()
  const first = await visitor.http2(url)
  t.match(first, { status: 200, headers: { 'grove-version': 'blog@1' } })
  t.equal(String(first.body), 'one')

  const [two, three] = [await compile(2, { 'index.html': 'two' }), await compile(3, { 'index.html': 'three' })]
  await Promise.all([channel.call({ kind: 'site', site: two }), channel.call({ kind: 'site', site: three })])
  t.equal(String((await visitor.http2(url)).body), 'three')

  const stats = frontStatsSchema.parse(await channel.call({ kind: 'stats' }))
  t.match(stats, { pid: process.pid, requests: 2, webSockets: 0 })
  t.match(await channel.call({ kind: 'usage' }), [{ site: 'blog', requests: 2, answered: { static: 2 } }])
  t.match(await channel.call({ kind: 'usage' }), [], 'what was taken is not told again')

  await channel.call({ kind: 'gone', name: 'blog' })
  t.equal((await visitor.http2(url)).status, 421)
  t.match(
    lines.filter(({ msg }) => msg === 'request').map(({ status }) => status),
    [200, 200],
  )
})

t.test('a site is loaded when its first visitor comes, and the others wait with him', async (t) => {
  const { channel, compile, state, listen, asked, told, lines } = await startFront(t)
  const one = await compile(1, { 'index.html': 'one' })
  await channel.call(state([one, { ...one, name: 'shop', authorities: ['shop.localhost'] }]))
  const visitor = await listen()
  t.same(asked, [])
  t.same(await channel.call({ kind: 'loaded' }), [])
  const answers = await Promise.all([visitor.http2(url), visitor.http1(url), visitor.http2(`${url}none`)])
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 404],
  )
  t.same(asked, ['blog'])
  t.same(await channel.call({ kind: 'loaded' }), ['blog'])
  t.match(
    lines.find(({ msg, status }) => msg === 'request' && status === 200),
    { site: 'blog', version: 1, how: 'static' },
  )

  told.delete('shop')
  const refused = await visitor.http2('https://shop.localhost:8443/', { headers: { accept: 'application/json' } })
  t.match(refused, { status: 503, headers: { 'retry-after': '2' } })
  t.match(JSON.parse(String(refused.body)), { error: { request: /./ } })
  await channel.call({ kind: 'gone', name: 'shop' })
  t.equal((await visitor.http2('https://shop.localhost:8443/')).status, 421)
})

t.test(
  'a control that comes back is told what is loaded, and a site of which it says nothing is served on',
  async (t) => {
    const { channel, compile, state, listen, asked, told } = await startFront(t)
    await channel.call(state([await compile(1, { 'index.html': 'one' })]))
    const visitor = await listen()
    await visitor.http2(url)
    const next = await compile(2, { 'index.html': 'two' })
    await channel.call(state([next]))
    told.set('blog', next)
    t.equal(String((await visitor.http2(url)).body), 'one')
    t.same(asked, ['blog', 'blog'], 'it asks in the background')
    await until(async () => String((await visitor.http2(url)).body) === 'two')
  },
)

t.test('a damaged version leaves the one before in force, and the caller hears of it', async (t) => {
  const { channel, compile, state, listen } = await startFront(t)
  await channel.call(state([await compile(1, { 'index.html': 'one' })]))
  const visitor = await listen()
  t.equal(String((await visitor.http1(url)).body), 'one')
  const lost: SiteState = { ...blog, live: { version: 2, compiled: 'f'.repeat(64) } }
  await t.rejects(channel.call({ kind: 'site', site: lost }), { code: 'ERR_NOT_FOUND' })
  t.equal(String((await visitor.http1(url)).body), 'one')
})

t.test('a version is settled when its last answer has ended, also that of a site that is gone', async (t) => {
  const { channel, compile, state, listen, ca } = await startFront(t)
  await channel.call(state([await compile(1, { 'big.bin': Buffer.alloc(bigBytes) })]))
  const { port } = (await listen()) as Visitor & { port: number }
  for (const next of ['another version', 'gone'] as const) {
    const raw = await connectRaw(port, { ca: ca.rootPem, servername: 'blog.localhost' })
    raw.socket.pause() // The answer fills the buffers between, and stays under way.
    raw.socket.write('GET /big.bin HTTP/1.1\r\nHost: blog.localhost\r\n\r\n')
    await until(async () => frontStatsSchema.parse(await channel.call({ kind: 'stats' })).requests % 2 === 1)
    if (next === 'gone') await channel.call({ kind: 'gone', name: 'blog' })
    else await channel.call({ kind: 'site', site: await compile(2, { 'big.bin': Buffer.alloc(bigBytes, 1) }) })
    let isSettled = false
    const settled = channel.call({ kind: 'settle', name: 'blog' }).then(() => {
      isSettled = true
    })
    await channel.call({ kind: 'stats' })
    t.notOk(isSettled, next)
    raw.socket.destroy()
    await settled
    if (next === 'gone') break
    // Its own request, so that the next round finds an odd number again.
    const other = await connectRaw(port, { ca: ca.rootPem, servername: 'blog.localhost' })
    other.socket.write('GET /none HTTP/1.1\r\nHost: blog.localhost\r\nConnection: close\r\n\r\n')
    await once(other.socket, 'close')
  }
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve))
}

t.test('a revoked session and a rotated key hold from the moment at which the call is answered', async (t) => {
  const { channel, compile, state, listen, keys, lines } = await startFront(t)
  await channel.call(state([await compile(1, { 'index.html': 'one' })]))
  const visitor = await listen()
  const session: Session = { id: 'i', userId: 'ada', site: 'blog', issuedAtMs: 1, expiresAtMs: Date.now() + 60_000 }
  const headers = { cookie: `__Host-grove=${sealSession(session, keys.current().session)}` }
  const who = async () => {
    await visitor.http1(url, { headers })
    return lines.findLast(({ msg }) => msg === 'request')?.['user']
  }
  t.equal(await who(), 'ada')
  const other = { kid: 'zz', secret: Buffer.alloc(32).toString('base64url') }
  await channel.call({ kind: 'keys', keys: { ...keys.current(), session: [other] } })
  t.equal(await who(), undefined)
  await channel.call({ kind: 'keys', keys: { ...keys.current(), session: [other, ...keys.current().session] } })
  t.equal(await who(), 'ada')
  await channel.call({ kind: 'revoke', revocations: [{ kind: 'session', id: 'i', untilMs: session.expiresAtMs }] })
  t.equal(await who(), undefined)
})

t.test('reserved paths: keys for upstreams, plugins that are there, and nothing else', async (t) => {
  const { channel, compile, state, listen } = await startFront(t)
  await channel.call(state([await compile(1, { 'index.html': 'one' })]))
  const visitor = await listen()
  const jwks = await visitor.http2(`${url}.grove/jwks.json`)
  t.match(JSON.parse(String(jwks.body)), { keys: [{ kty: 'OKP', crv: 'Ed25519' }] })
  t.notMatch(String(jwks.body), /"d"/, 'no private part')
  t.equal((await visitor.http2(`${url}.grove/jwks.json`, { method: 'POST' })).status, 404)
  t.equal((await visitor.http2(`${url}.grove/other/`)).status, 404)
  const away = await visitor.http2(`${url}.grove/login/`, { headers: { accept: 'application/json' } })
  t.equal(away.status, 503, 'the plugin server is not there')
})

t.test('a config is prepared before it is in force, and one that does not load changes nothing', async (t) => {
  const { channel, compile, state, listen, layout } = await startFront(t)
  const site = await compile(1, { 'index.html': 'one' })
  await channel.call(state([site]))
  const visitor = await listen()
  const file = join(layout.root, 'grove.config.ts')
  writeFileSync(file, 'export default {')
  const settings = { ...(state([]) as { settings: FrontSettings }).settings, generation: 2, middlewareFrom: file }
  await t.rejects(channel.call({ kind: 'prepare', settings }), { code: 'ERR_CONFIG_LOAD' })
  t.equal((await visitor.http1(url)).status, 200)
  writeFileSync(file, "export default { plugins: [{ name: 'a', request: (request, next) => next(request) }] }")
  await channel.call({ kind: 'prepare', settings })
  writeFileSync(file, 'export default {')
  await channel.call(state([site], settings))
  t.equal((await visitor.http1(url)).status, 200, 'what was prepared is in force, whatever the file is by now')
  await t.rejects(channel.call(state([site], { ...settings, generation: 3 })), { code: 'ERR_CONFIG_LOAD' })
  await channel.call({ kind: 'forget-certificates', names: ['blog.localhost'] })
})

t.test('challenges that come with the state or after it are answered on the plain port', async (t) => {
  const { front, channel, state } = await startFront(t)
  const http = (token: string) => ({ http: [{ token, keyAuthorization: `${token}.thumb` }], tlsAlpn: [] })
  await channel.call({ ...(state([]) as FrontState), challenges: http('one') })
  const port = await freePort()
  await front.listen('http', 'plain', { port, host: '127.0.0.1' })
  const ask = async (token: string) => {
    const connection = await connectRaw(port)
    connection.send(`GET /.well-known/acme-challenge/${token} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n`)
    return (await connection.whole()).slice(9, 12)
  }
  t.equal(await ask('one'), '200')
  await channel.call({ kind: 'challenges', challenges: http('two') })
  t.equal(await ask('one'), '421')
  t.equal(await ask('two'), '200')
})
