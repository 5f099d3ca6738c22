import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type SecureContext } from 'node:tls'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { type Contexts, createContexts } from '../../certs/contexts.ts'
import { type OwnCa, openOwnCa } from '../../certs/own-ca.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Leaf } from '../../core/messages.ts'

/** A cache over a real CA, with a clock, a count of questions, and a control that can be away. */
async function setUp(t: Test) {
  const clock = { nowMs: Date.now() }
  const state: { away: boolean; hold: Promise<void> | undefined } = { away: false, hold: undefined }
  const asked: string[] = []
  const lines: string[] = []
  const ca = await openOwnCa(t.testdir({}), { now: () => clock.nowMs })
  async function request(name: string): Promise<Leaf> {
    asked.push(name)
    await state.hold
    if (state.away) throw new GroveError('ERR_CLOSED', 'control is away')
    if (!name.endsWith('.localhost')) throw new GroveError('ERR_CERT_NAME', 'no site has it')
    return ca.issue(name)
  }
  const log = pino({}, { write: (line: string) => lines.push(line) })
  const contexts = createContexts({ request, log, now: () => clock.nowMs })
  t.teardown(() => contexts[Symbol.dispose]())
  return { clock, state, asked, lines, ca, contexts, log }
}

/** Waits until a condition holds, one turn of the event loop at a time. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

async function serve(t: Test, contexts: Contexts): Promise<number> {
  const server = createServer({
    SNICallback: (name, done) => void contexts.get(name).then((context) => done(null, context)),
  })
  server.on('secureConnection', (socket) => socket.end('hello'))
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

async function greet(port: number, ca: OwnCa, servername: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername, ca: ca.rootPem })
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

t.test('a client that trusts the root is greeted under each name, over TLS 1.2 and 1.3', async (t) => {
  const { contexts, ca, asked } = await setUp(t)
  const port = await serve(t, contexts)
  t.equal(await greet(port, ca, 'blog.localhost'), 'hello')
  t.equal(await greet(port, ca, 'SHOP.localhost'), 'hello')
  const old = connect({ port, host: '127.0.0.1', servername: 'blog.localhost', ca: ca.rootPem, maxVersion: 'TLSv1.2' })
  await once(old, 'secureConnect')
  t.equal(old.getProtocol(), 'TLSv1.2')
  t.equal(old.authorized, true)
  old.resume()
  await once(old, 'close')
  t.strictSame(asked, ['blog.localhost', 'shop.localhost'])
})

t.test('a client that asks for an unknown name, or for none, is refused in the handshake', async (t) => {
  const { contexts, ca } = await setUp(t)
  const port = await serve(t, contexts)
  await t.rejects(greet(port, ca, 'unknown.example'), { code: /SSL/ })
  await t.rejects(greet(port, ca, ''), { code: /SSL/ })
})

t.test('one name is asked for once, however many handshakes wait', async (t) => {
  const { contexts, asked } = await setUp(t)
  const got = await Promise.all(Array.from({ length: 100 }, () => contexts.get('blog.localhost')))
  t.equal(new Set(got).size, 1)
  t.ok(got[0])
  t.strictSame(asked, ['blog.localhost'])
  t.equal(contexts.size, 1)
})

t.test('names are compared in lower case', async (t) => {
  const { contexts, asked } = await setUp(t)
  t.equal(await contexts.get('Blog.LOCALHOST'), await contexts.get('blog.localhost'))
  t.strictSame(asked, ['blog.localhost'])
})

const hostile = [
  { name: 'nothing', sni: '' },
  { name: 'an IPv4 address', sni: '127.0.0.1' },
  { name: 'an IPv6 address', sni: '::1' },
  { name: 'an IPv6 address in brackets', sni: '[::1]' },
  { name: 'a trailing dot', sni: 'blog.localhost.' },
  { name: 'a leading dot', sni: '.localhost' },
  { name: 'two dots', sni: 'blog..localhost' },
  { name: 'NUL', sni: 'blog.localhost\0.evil.example' },
  { name: 'a line end', sni: 'blog.localhost\r\n' },
  { name: 'a space', sni: 'blog .localhost' },
  { name: 'a port', sni: 'blog.localhost:443' },
  { name: 'a path', sni: '../../root-key' },
  { name: 'a wildcard', sni: '*.localhost' },
  { name: 'an underscore', sni: 'a_b.localhost' },
  { name: 'Unicode', sni: 'blög.localhost' },
  { name: 'the Kelvin sign, whose lower case is an ASCII k', sni: '\u212aitchen.localhost' },
  { name: 'the long s, whose upper case is an ASCII S', sni: 'blog.localho\u017ft' },
  { name: 'a full-width dot', sni: 'blog\uff0elocalhost' },
  { name: 'a lone surrogate', sni: '\ud800.localhost' },
  { name: 'a label of 64 characters', sni: `${'a'.repeat(64)}.localhost` },
  { name: 'a name of 254 characters', sni: `${'a.'.repeat(122)}blocalhost` },
  { name: 'a megabyte', sni: 'a'.repeat(1_048_576) },
  { name: 'a prototype’s property with a bad character', sni: '__proto__' },
]
t.test('hostile names are refused and control never hears of them', async (t) => {
  const { contexts, asked } = await setUp(t)
  for (const { name, sni } of hostile) t.equal(await contexts.get(sni), undefined, name)
  t.strictSame(asked, [])
  t.equal(contexts.size, 0)
  t.equal(await contexts.get('constructor'), undefined, 'a name that objects have is only an unknown name')
})

t.test('an unknown name is asked for once in its time, and is not worth a line in the log', async (t) => {
  const { clock, contexts, asked, lines } = await setUp(t)
  for (let i = 0; i < 100; i++) t.equal(await contexts.get('unknown.example'), undefined)
  t.equal(asked.length, 1)
  clock.nowMs += limits.cert.unknownNameMs
  t.equal(await contexts.get('unknown.example'), undefined)
  t.equal(asked.length, 2)
  t.strictSame(lines, [])
})

t.test('a flood of unknown names leaves a bounded memory, and known names are served meanwhile', async (t) => {
  const { contexts, asked, state } = await setUp(t)
  await contexts.get('blog.localhost')
  const held = Promise.withResolvers<void>()
  state.hold = held.promise
  const flood = Array.from({ length: limits.cert.asking + 500 }, (_, i) => contexts.get(`n${i}.example`))
  t.ok(await contexts.get('blog.localhost'))
  await Promise.all(flood.slice(limits.cert.asking))
  t.equal(asked.length, 1 + limits.cert.asking)
  held.resolve()
  for (const answer of await Promise.all(flood)) if (answer) t.fail('an unknown name got a context')
  state.hold = undefined
  for (let i = 0; i < limits.cert.unknownNames; i++) await contexts.get(`m${i}.example`)
  const before = asked.length
  await contexts.get(`m${limits.cert.unknownNames - 1}.example`)
  t.equal(asked.length, before, 'the newest refusal is remembered')
  await contexts.get('n0.example')
  t.equal(asked.length, before + 1, 'the oldest is not')
})

t.test('a context that is due is served while the next is asked for, once', async (t) => {
  const { clock, contexts, asked, ca, state } = await setUp(t)
  const first = await contexts.get('blog.localhost')
  clock.nowMs = (await ca.issue('x.localhost')).renewAtMs
  const held = Promise.withResolvers<void>()
  state.hold = held.promise
  for (let i = 0; i < 10; i++) t.equal(await contexts.get('blog.localhost'), first)
  t.equal(asked.length, 2)
  held.resolve()
  let current: SecureContext | undefined = first
  while (current === first) {
    await new Promise((resolve) => setImmediate(resolve))
    current = await contexts.get('blog.localhost')
  }
  t.ok(current)
  t.equal(asked.length, 2)
})

t.test(
  'while control is away the old certificate serves to its end, with few questions, and then nothing',
  async (t) => {
    const { clock, contexts, asked, ca, state, lines } = await setUp(t)
    const first = await contexts.get('blog.localhost')
    const { renewAtMs, notAfterMs } = await ca.issue('x.localhost')
    state.away = true
    clock.nowMs = renewAtMs
    for (let i = 0; i < 10; i++) t.equal(await contexts.get('blog.localhost'), first)
    await until(() => lines.length === 1)
    t.match(lines[0], /cannot be renewed yet/)
    clock.nowMs += limits.cert.retryMs
    t.equal(await contexts.get('blog.localhost'), first)
    t.equal(asked.length, 3)
    clock.nowMs = notAfterMs - 1
    t.equal(await contexts.get('blog.localhost'), first)
    clock.nowMs = notAfterMs
    t.equal(await contexts.get('blog.localhost'), undefined)
    t.match(lines.at(-1), /handshake is refused/)
    state.away = false
    clock.nowMs += limits.cert.unknownNameMs
    t.ok(await contexts.get('blog.localhost'), 'control is back')
  },
)

t.test('a clock that is set back neither keeps a certificate of the future nor a refusal for long', async (t) => {
  const { clock, contexts, asked, state } = await setUp(t)
  const rightMs = clock.nowMs
  clock.nowMs += 400 * 86_400_000
  const ahead = await contexts.get('blog.localhost')
  t.equal(await contexts.get('evil.example'), undefined)
  clock.nowMs = rightMs
  state.away = true
  t.equal(await contexts.get('blog.localhost'), ahead, 'better than none while control is away')
  t.equal(await contexts.get('blog.localhost'), ahead)
  t.strictSame(asked, ['blog.localhost', 'evil.example', 'blog.localhost'], 'which is not asked at every handshake')
  state.away = false
  clock.nowMs += limits.cert.retryMs
  const right = await contexts.get('blog.localhost')
  t.not(right, ahead)
  t.equal(await contexts.get('blog.localhost'), right)
  await contexts.get('evil.example')
  t.equal(asked.filter((name) => name === 'evil.example').length, 2)
})

t.test('a leaf that is due already when it comes is not asked for again at every handshake', async (t) => {
  const { ca, clock, log } = await setUp(t)
  let asked = 0
  const contexts = createContexts({
    request: async (name) => {
      asked += 1
      return { ...(await ca.issue(name)), renewAtMs: 0 }
    },
    log,
    now: () => clock.nowMs,
  })
  for (let i = 0; i < 10; i++) await contexts.get('blog.localhost')
  t.equal(asked, 1)
})

t.test('forgetting drops certificates and refusals, also those under way', async (t) => {
  const { contexts, asked, state } = await setUp(t)
  const first = await contexts.get('blog.localhost')
  await contexts.get('unknown.example')
  contexts.forget(['blog.localhost', 'unknown.example', 'never-seen.localhost'])
  t.equal(contexts.size, 0)
  t.not(await contexts.get('blog.localhost'), first)
  await contexts.get('unknown.example')
  t.equal(asked.length, 4)

  const held = Promise.withResolvers<void>()
  state.hold = held.promise
  const waiting = contexts.get('shop.localhost')
  await until(() => asked.length === 5)
  contexts.forget(['shop.localhost'])
  held.resolve()
  t.ok(await waiting, 'who waited is served')
  const size = contexts.size
  await contexts.get('shop.localhost')
  t.equal(asked.length, 6, 'who comes after asks anew')
  t.equal(contexts.size, size + 1)
})

t.test('the least recently used context makes room', async (t) => {
  const { ca, log } = await setUp(t)
  const leaf = await ca.issue('blog.localhost')
  const asked: string[] = []
  const request = async (name: string) => {
    asked.push(name)
    return leaf
  }
  const contexts = createContexts({ request, log })
  t.teardown(() => contexts[Symbol.dispose]())
  await contexts.get('first.localhost')
  await contexts.get('second.localhost')
  for (let i = 2; i < limits.front.certificates; i++) await contexts.get(`n${i}.localhost`)
  await contexts.get('first.localhost')
  await contexts.get('one-more.localhost')
  t.equal(contexts.size, limits.front.certificates)
  const before = asked.length
  await contexts.get('first.localhost')
  t.equal(asked.length, before)
  await contexts.get('second.localhost')
  t.equal(asked.length, before + 1)
})

t.test('what control sends in error refuses the handshake and is logged', async (t) => {
  const { ca, lines, log } = await setUp(t)
  const leaf = await ca.issue('blog.localhost')
  const other = await ca.issue('blog.localhost')
  const wrong: (() => Promise<Leaf>)[] = [
    async () => ({ ...leaf, chain: 'text' }),
    async () => ({ ...leaf, key: other.key }),
    () => {
      throw new Error('thrown at once')
    },
  ]
  for (const request of wrong) {
    const contexts = createContexts({ request, log })
    t.equal(await contexts.get('blog.localhost'), undefined)
    t.equal(contexts.size, 0)
  }
  t.equal(lines.length, wrong.length)
})
