import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { SiteSecret } from '../../../core/supervisor-messages.ts'
import { type Ground, layGround, type Seen } from './host.ts'

/** What only Alice has, one word for each place that it is in. None of them may ever be seen by Mallory. */
const marks = ['alice-var', 'alice-secret', 'alice-data', 'alice-body', 'alice-global', 'alice-log', 'alice-file'].map(
  (place) => `${place}-7f3a9c`,
)
const [ofVar, ofSecret, ofData, ofBody, ofGlobal, ofLog, ofFile] = marks as [string, ...string[]] as string[]

const aliceCode = `
globalThis.shared = '${ofGlobal}'
globalThis[Symbol.for('shared')] = '${ofGlobal}'
let key
export default {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url)
    console.log('${ofLog}')
    globalThis.last = await request.text()
    if (pathname === '/put') { key = await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']); return Response.json(await env.DATA.put('k', '${ofData}')) }
    if (pathname === '/get') return new Response(await env.DATA.get('k', 'text'))
    if (pathname === '/hidden') return new Response(env.TOKEN)
    if (pathname === '/slow') return new Response(new ReadableStream({ async pull(c) { for (let i = 0; i < 30; i++) { c.enqueue(new TextEncoder().encode('tick')); await new Promise((r) => setTimeout(r, 50)) } c.close() } }))
    if (pathname === '/state') return Response.json([[1, 2].map((x) => x + 1), new Intl.NumberFormat('en').format(1.5), typeof globalThis.planted, JSON.stringify({ a: 1 }), new URL('https://a.example/b').pathname, await new Response('x').text()])
    return new Response('well')
  },
}`

interface Attempt {
  readonly name: string
  /** The body of an async function of `request`, `env`, `context`, `alice`: what Mallory has learned of Alice. */
  readonly code: string
  readonly expected: RegExp | ((seen: Seen, ground: Ground) => boolean)
}

const errorOf = (code: string) =>
  `try { ${code}; return new Response('done') } catch (error) { return new Response('refused: ' + error) }`
const refused = /^refused: /

const attempts: readonly Attempt[] = [
  {
    name: 'a global that the other set',
    code: `return Response.json([globalThis.shared ?? null, globalThis.last ?? null])`,
    expected: /^\[null,null\]$/,
  },
  {
    name: 'what the other holds by a registered symbol',
    code: `return Response.json([Reflect.ownKeys(globalThis).filter((key) => typeof key === 'symbol').map(String), globalThis[Symbol.for('shared')] ?? null])`,
    expected: /null\]$/,
  },
  {
    name: 'everything that can be reached from the global',
    code: `const seen = new Set(), found = []; const walk = (value, depth) => { if (depth > 6 || value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) return; seen.add(value); for (const key of Reflect.ownKeys(value)) { try { const held = value[key]; if (typeof held === 'string' && held.startsWith('alice-')) found.push(held); walk(held, depth + 1) } catch {} } walk(Object.getPrototypeOf(value), depth + 1) }; walk(globalThis, 0); walk(env, 0); walk(context, 0); walk(request, 0); return Response.json([found, seen.size > 300])`,
    expected: /^\[\[\],true\]$/,
  },
  {
    name: 'data under the other’s key',
    code: `return Response.json(await env.DATA.get('k', 'text'))`,
    expected: /^null$/,
  },
  {
    name: 'data by paths and by names that end early',
    code: `const got = []; for (const key of ['../alice/k', '/sites/alice/k', 'alice/k', 'alice\\0k', '..\\\\alice\\\\k', '%2e%2e/alice/k', 'alice:k', '*', '__proto__', 'constructor']) got.push(await env.DATA.get(key, 'text').catch(() => null)); return Response.json(got.filter((value) => value !== null))`,
    expected: /^\[\]$/,
  },
  {
    name: 'a list of all data',
    code: `return Response.json((await env.DATA.list({ prefix: '' })).keys.map((each) => each.name ?? each.key ?? each))`,
    expected: /^\[\]$/,
  },
  {
    name: 'writing under the other’s key',
    code: `await env.DATA.put('k', 'overwritten'); return new Response('done')`,
    expected: /^done$/,
  },
  {
    name: 'deleting the other’s key',
    code: `await env.DATA.delete('k'); return new Response('done')`,
    expected: /^done$/,
  },
  {
    name: 'a file of the other, by its authority',
    code: `return new Response((await env.ASSETS.fetch('https://alice.localhost/private.txt')).status)`,
    expected: (seen, { asked }) =>
      seen.body !== ofFile && asked.every((each) => each.kind !== 'asset' || each.site === 'mallory'),
  },
  {
    name: 'a file beyond the root',
    code: `const got = []; for (const path of ['/../alice/private.txt', '/%2e%2e/alice/private.txt', '//alice.localhost/private.txt', '/..%2falice%2fprivate.txt']) got.push((await env.ASSETS.fetch(new URL(path, 'https://mallory.localhost'))).status); return Response.json(got)`,
    expected: (seen, { asked }) =>
      !seen.body.includes('200') && asked.every((each) => each.kind !== 'asset' || each.site === 'mallory'),
  },
  {
    name: 'variables that are not its own',
    code: `return Response.json([Object.getOwnPropertyNames(env).sort(), Object.getPrototypeOf(env) === Object.prototype, env.VAR ?? null])`,
    expected: /^\[\["ASSETS","DATA","WASM","WEB"\],(?:true|false),null\]$/,
  },
  {
    name: 'the placeholder of the other’s secret',
    code: `const answer = await fetch(env.WEB, { headers: { 'x-key': alice.token } }); return answer`,
    expected: (seen) => /grove-secret-[0-9a-f]{32}/.test(seen.body),
  },
  {
    name: 'the name of the other on a request',
    code: `return await fetch(env.WEB, { headers: { 'grove-site': 'alice', 'grove-hops': '0' } })`,
    expected: /"grove-site":"mallory"/,
  },
  {
    name: 'the other’s pages, by fetch',
    code: errorOf(`await fetch('https://alice.localhost/get')`),
    expected: refused,
  },
  {
    name: 'the supervisor and the front, by fetch',
    code: `const got = []; for (const url of ['http://127.0.0.1:1/', 'http://localhost/', 'http://[::1]/', 'http+unix://%2Ftmp%2Fsupervisor.sock/', 'unix:/tmp/supervisor.sock', 'file:///proc/self/environ']) got.push(await fetch(url).then(() => 'answered', () => 'refused')); return Response.json([...new Set(got)])`,
    expected: /^\["refused"\]$/,
  },
  {
    name: 'a key of the other, by a made-up handle',
    code: `const results = []; for (let handle = 0; handle < 20; handle++) { const fake = Object.setPrototypeOf({ handle, type: 'secret', algorithm: { name: 'HMAC', hash: { name: 'SHA-256' } }, usages: ['sign'] }, CryptoKey.prototype); results.push(await crypto.subtle.sign('HMAC', fake, new Uint8Array(1)).then(() => 'signed', (error) => error.name)) } return Response.json([...new Set(results)])`,
    expected: /^\["TypeError"\]$/,
  },
  {
    name: 'a key’s number in JSON',
    code: `return Response.json(JSON.parse(JSON.stringify(await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt']))))`,
    expected: (seen) => !/handle|\d{3,}.*\d{3,}/.test(seen.body),
  },
  {
    name: 'files and modules of the host',
    code: `const got = []; for (const name of ['node:fs', 'fs', 'isolated-vm', 'file:///etc/passwd', '/proc/self/environ', 'data:text/javascript,1', './tenant.js', 'https://alice.localhost/x.js']) got.push(await import(name).then(() => 'loaded', () => 'refused')); return Response.json([...new Set(got)])`,
    expected: /^\["refused"\]$/,
  },
  {
    name: 'anything of Node',
    code: `return Response.json(['process', 'require', 'module', 'Buffer', 'global', '__dirname', 'Deno', 'Bun', 'ivm', 'BroadcastChannel', 'Worker', 'SharedArrayBuffer', 'localStorage', 'caches', 'indexedDB', 'XMLHttpRequest', 'importScripts', 'gc', 'd8', 'print', 'FinalizationRegistry', 'WeakRef'].filter((name) => name in globalThis))`,
    expected: /^\[\]$/,
  },
  {
    name: 'memory that is shared, by way of WebAssembly',
    code: errorOf(`new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true })`),
    expected: refused,
  },
  {
    name: 'a function of the host’s realm',
    code: `const got = new Set(); for (const f of [fetch, console.log, env.DATA.get, env.ASSETS.fetch, crypto.getRandomValues, setTimeout, URL, Response, context.waitUntil, request.text]) { try { got.add(f.constructor('return typeof process')()) } catch (error) { got.add(error.name) } } return Response.json([...got])`,
    expected: /^\["EvalError"\]$/,
  },
  {
    name: 'where errors come from',
    code: `const texts = []; for (const make of [() => null.x, () => new URL('x'), () => structuredClone(() => {}), () => new TextDecoder('nope'), () => env.DATA.get(''), () => crypto.subtle.importKey('raw', new Uint8Array(1), 'nope', false, []), () => fetch('nope:'), () => new WebAssembly.Module(new Uint8Array(8)), () => { throw new Error('x') }]) { try { await make() } catch (error) { texts.push(String(error.stack), String(error.message), JSON.stringify(Object.getOwnPropertyDescriptors(error))) } } return new Response(texts.join('\\n'))`,
    expected: (seen) =>
      seen.status === 200 && !/\/(?:work|home|tmp|usr|root)\/|node:|\.ts\b|node_modules|isolated-vm/.test(seen.body),
  },
  {
    name: 'frames of the stack as objects',
    code: `Error.prepareStackTrace = (_, frames) => frames; const { stack } = new Error('x'); return Response.json([typeof stack, typeof Error.prepareStackTrace])`,
    expected: /^\["string","undefined"\]$/,
  },
  {
    name: 'a clock that is fine enough to listen',
    code: `const seen = new Set(); for (let i = 0; i < 1e5; i++) { seen.add(performance.now()); seen.add(Date.now()); seen.add(+new Date()) } const steps = []; let last = performance.now(); for (let i = 0; i < 60; i++) { await new Promise((resolve) => setTimeout(resolve, 0)); const now = performance.now(); if (now !== last) steps.push(now - last); last = now } return Response.json([seen.size <= 2, steps.every((step) => step >= 1 && Number.isInteger(step))])`,
    expected: /^\[true,true\]$/,
  },
  {
    name: 'what the machine does',
    code: `return Response.json([performance.memory ?? null, navigator.hardwareConcurrency ?? null, navigator.deviceMemory ?? null, performance.timeOrigin % 1, typeof performance.measureUserAgentSpecificMemory])`,
    expected: /^\[null,null,null,0,"undefined"\]$/,
  },
  {
    name: 'a line in the other’s log',
    code: `console.log('\\n{"site":"alice","text":"forged"}\\u001b[2K\\r'); console.error({ site: 'alice', request: 'v-1' }); return new Response('said')`,
    expected: (_, { lines }) => !lines.some(({ site, text }) => site === 'alice' && /forged/.test(text)),
  },
  {
    name: 'the language and the platform, made false for the other',
    code: `const answer = new Response('changed'); Array.prototype.map = () => ['false']; Object.defineProperty(Intl.NumberFormat.prototype, 'format', { value: () => 'false' }); JSON.stringify = () => 'false'; globalThis.planted = 1; Object.prototype.planted = 1; Promise.prototype.then = function () { return this }; Object.defineProperty(URL.prototype, 'pathname', { value: 'false' }); Response.prototype.text = () => 'false'; return answer`,
    expected: /^changed$/,
  },
]

t.test('two tenants', async (t) => {
  const web = createServer((request, response) => response.end(JSON.stringify(request.headers))).listen(0, '127.0.0.1')
  t.teardown(() => web.close())
  await new Promise((resolve) => web.once('listening', resolve))
  const { port } = web.address() as AddressInfo
  const secrets: SiteSecret[] = [{ name: 'TOKEN', value: ofSecret as string, hosts: ['api.example'] }]
  const asset = ({ site }: { readonly site: string }) => ({
    status: site === 'alice' ? 200 : 404,
    headers: ['x-file', site === 'alice' ? ofFile : ''],
  })
  const ground = await layGround(t, { ports: [port], asset })
  await ground.publish('alice', aliceCode, { vars: { VAR: ofVar as string }, secrets, data: true, assets: true })
  t.match(await ground.ask('alice', { path: '/put', method: 'POST', body: ofBody as string }), { status: 200 })
  const token = (await ground.ask('alice', { path: '/hidden' })).body
  t.match(token, /^grove-secret-/, 'Mallory may even know the placeholder')
  const state = (await ground.ask('alice', { path: '/state' })).body

  const handlers = attempts.map(
    ({ code }, index) => `'/${index}': async (request, env, context, alice) => { ${code} },`,
  )
  const code = `const attempts = {\n${handlers.join('\n')}\n}\nexport default { fetch: (request, env, context) => attempts[new URL(request.url).pathname](request, env, context, { token: '${token}' }) }`
  await ground.publish('mallory', code, {
    vars: { WEB: `http://web.example:${port}/` },
    allow: ['*.example', `web.example:${port}`],
    data: true,
    assets: true,
  })

  for (const [index, { name, expected }] of attempts.entries())
    await t.test(name, async (t) => {
      const seen = await ground.ask('mallory', { path: `/${index}` })
      const fits = typeof expected === 'function' ? expected(seen, ground) : expected.test(seen.body)
      t.ok(fits, JSON.stringify(seen).slice(0, 600))
      for (const mark of marks) t.notOk(JSON.stringify(seen).includes(mark), `nothing of ${mark}`)
    })

  await t.test('the other has lost nothing, and nothing of it has changed', async (t) => {
    t.equal((await ground.ask('alice', { path: '/get' })).body, ofData)
    t.equal((await ground.ask('alice', { path: '/state' })).body, state)
    for (const { site, text } of ground.lines)
      if (site === 'mallory') for (const mark of marks) t.notOk(text.includes(mark), mark)
  })

  await t.test('a death beside it does not break off its answer', async (t) => {
    const slow = ground.ask('alice', { path: '/slow' })
    await ground.publish(
      'mallory',
      `export default { fetch() { Array.prototype.includes.call({ length: 2 ** 53 - 1 }, 1) } }`,
      { version: 2 },
    )
    t.match(await ground.ask('mallory', { version: 2 }), { status: 503, failed: 'cpu' })
    t.match(await slow, { status: 200, body: 'tick'.repeat(30) })
    t.not(ground.pidOf('alice'), ground.pidOf('mallory'))
  })

  await t.test('cookies for the other, and for both', async (t) => {
    await ground.release('mallory')
    const cookies = [
      'a=1; Domain=alice.localhost',
      'b=1; Domain=localhost',
      'c=1; domain=.LOCALHOST',
      'd=1; Domain=mallory.localhost; Domain=localhost',
      'e=1',
      'f=1; Domain=mallory.localhost',
    ]
    const list = cookies.map((cookie) => `headers.append('set-cookie', ${JSON.stringify(cookie)})`).join(';')
    await ground.publish(
      'mallory',
      `export default { fetch() { const headers = new Headers(); ${list}; return new Response('x', { headers }) } }`,
      { version: 3 },
    )
    const { headers } = await ground.ask('mallory', { version: 3 })
    t.same(
      headers.filter((_, index) => headers[index - 1] === 'set-cookie'),
      ['e=1', 'f=1; Domain=mallory.localhost'],
    )
  })

  await t.test('at the end', (t) => ground.endsWell(t))
})
