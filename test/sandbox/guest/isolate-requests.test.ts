import { createHmac } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { deliveries, failures } from '../../../sandbox/bridge.ts'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'
import { isolateGuest } from './fixtures/isolate-guest.ts'
import { createRequestHost, until } from './fixtures/request-host.ts'

const host = createRequestHost(
  {
    assets: true,
    data: true,
    vars: { GREETING: 'hello' },
    fetch: async ({ args, body }) => ({
      answer: { headers: ['x-method', args.method] },
      body: [`${await body}`, ' back'],
    }),
    asset: ({ url }) => ({ body: [url] }),
  },
  isolateGuest(await buildPrelude()),
)
/** Loads a handler of which `body` is what its function does, with `request`, `env` and `ctx`. */
function serve(body: string, before = '') {
  const loaded = host.load(`var groveSite = { default: { async fetch(request, env, ctx) { ${body} } } }; ${before}`)
  if (loaded.error) t.fail(`${loaded.error.message} ${loaded.error.stack}`)
}

t.test('handlers of all kinds answer from an isolate', async (t) => {
  const cases: { name: string; body: string; text: string }[] = [
    { name: 'a string', body: `return new Response(env.GREETING)`, text: 'hello' },
    {
      name: 'the request',
      body: `return new Response(request.method + ' ' + new URL(request.url).pathname + await request.text())`,
      text: 'POST /ping',
    },
    { name: 'headers', body: `return new Response([...request.headers].map(String).join(';'))`, text: 'a,1;b,2' },
    {
      name: 'JSON',
      body: `const { a } = JSON.parse('{"a":[1]}'); return Response.json({ a, b: await request.json().catch(e => e.name) })`,
      text: '{"a":[1],"b":"SyntaxError"}',
    },
    {
      name: 'a stream',
      body: `return new Response(ReadableStream.from(['a', 'b']).pipeThrough(new TextEncoderStream()))`,
      text: 'ab',
    },
    { name: 'the body passed through', body: `return new Response(request.body)`, text: 'ing' },
    {
      name: 'the body through a transform',
      body: `return new Response(request.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({
        transform(text, controller) { controller.enqueue(text.toUpperCase()) } })).pipeThrough(new TextEncoderStream()))`,
      text: 'ING',
    },
    {
      name: 'a tee',
      body: `const [a, b] = request.body.tee(); return new Response(await new Response(a).text() + await new Response(b).text())`,
      text: 'inging',
    },
    {
      name: 'fetch',
      body: `const r = await fetch('https://a.example/', { method: 'PUT', body: 'x' }); return new Response(r.headers.get('x-method') + await r.text())`,
      text: 'PUTx back',
    },
    { name: 'fetch passed through', body: `return fetch('https://a.example/', request)`, text: 'ing back' },
    {
      name: 'files',
      body: `return env.ASSETS.fetch(new URL('/x.css', request.url))`,
      text: 'https://blog.example/x.css',
    },
    {
      name: 'data',
      body: `await env.DATA.put('k', { n: 1 }); return Response.json(await env.DATA.get('k', 'json'))`,
      text: '{"n":1}',
    },
    {
      name: 'a form',
      body: `const f = await new Response(new URLSearchParams('a=1&a=2')).formData(); return new Response(f.getAll('a').join())`,
      text: '1,2',
    },
    { name: 'timers', body: `await new Promise(r => setTimeout(r, 5)); return new Response('later')`, text: 'later' },
    {
      name: 'random values',
      body: `return new Response(String(crypto.getRandomValues(new Uint8Array(100)).some(b => b > 0)) + crypto.randomUUID().length)`,
      text: 'true36',
    },
    {
      name: 'a signature',
      body: `const key = await crypto.subtle.importKey('raw', new TextEncoder().encode('k'), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
        const bytes = new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode('data')))
        return new Response(bytes.toHex ? bytes.toHex() : [...bytes].map(b => b.toString(16).padStart(2, '0')).join(''))`,
      text: createHmac('sha256', 'k').update('data').digest('hex'),
    },
    {
      name: 'a digest',
      body: `return new Response(new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(0)))[0] + '')`,
      text: '227',
    },
    {
      name: 'an abort',
      body: `const c = new AbortController(); const p = fetch('https://a.example/', { signal: c.signal }); c.abort(); return new Response(await p.catch(e => e.name))`,
      text: 'AbortError',
    },
    {
      name: 'errors of the web',
      body: `try { new Headers([['a']]) } catch (e) { return new Response(e.constructor === TypeError ? 'TypeError' : 'other') }`,
      text: 'TypeError',
    },
    { name: 'a thenable', body: `return { then(resolve) { resolve(new Response('then')) } }`, text: 'then' },
    {
      name: 'toStringTags',
      body: `return new Response([request, request.headers, ctx, crypto.subtle].map(String).join())`,
      text: '[object Request],[object Headers],[object ExecutionContext],[object SubtleCrypto]',
    },
  ]
  for (const { name, body, text } of cases) {
    serve(body)
    const visit = await host.answer({
      method: 'POST',
      url: 'https://blog.example/p',
      headers: ['b', '2', 'a', '1'],
      body: ['i', 'ng'],
    })
    t.equal(visit.text(), text, `${name} ${visit.failed?.error.message ?? ''}`)
  }
})

t.test('compression through the isolate', async (t) => {
  serve(`return new Response(new Blob(['x'.repeat(100000)]).stream().pipeThrough(new CompressionStream('gzip')))`)
  t.equal(gunzipSync((await host.answer()).bytes()).length, 100_000)
  serve(
    `return new Response(request.body.pipeThrough(new CompressionStream('deflate')).pipeThrough(new DecompressionStream('deflate')))`,
  )
  t.equal((await host.answer({ method: 'POST', body: ['around'] })).text(), 'around')
})

t.test('a WebSocket through the isolate', async (t) => {
  serve(`const [client, server] = Object.values(new WebSocketPair())
    server.accept(); server.addEventListener('message', e => server.send(typeof e.data === 'string' ? e.data + '!' : new Uint8Array(e.data).length + ''))
    return new Response(null, { status: 101, webSocket: client })`)
  const visit = host.visit({ isUpgrade: true })
  await until(() => visit.head !== undefined)
  await visit.deliver(deliveries.message, 'hi')
  await visit.deliver(deliveries.message, new Uint8Array(3))
  t.same(visit.messages, ['hi!', '3'])
  await visit.deliver(deliveries.socketClosed, '{"code":1000,"reason":"","wasClean":true}')
  await visit.over
})

t.test('attacks on the head of an answer end in an error or are dropped', async (t) => {
  const refused: [string, string][] = [
    ['CR LF in a value', `return new Response('x', { headers: { a: 'b\\r\\nc: d' } })`],
    ['LF in a name', `return new Response('x', { headers: [['a\\nb', 'c']] })`],
    ['NUL in a value', `return new Response('x', { headers: { a: 'b\\0' + 'c' } })`],
    ['CR in a status text', `return new Response('x', { statusText: 'a\\rb' })`],
    [
      'CR LF in a URL of a redirect',
      `return new Response('x', { status: 302, headers: { location: '/\\r\\nset-cookie: a=b' } })`,
    ],
    ['status 0', `return new Response('x', { status: 0 })`],
    ['status 99', `return new Response('x', { status: 99 })`],
    ['status 101', `return new Response(null, { status: 101 })`],
    ['status 600', `return new Response('x', { status: 600 })`],
    ['204 with a body', `return new Response('x', { status: 204 })`],
    ['304 with a body', `return new Response('x', { status: 304 })`],
    ['a huge header', `return new Response('x', { headers: { a: 'b'.repeat(70000) } })`],
    [
      'many headers',
      `const h = new Headers(); for (let i = 0; i < 300; i++) h.append('x-' + i, 'y'); return new Response('x', { headers: h })`,
    ],
    [
      'a hundred thousand headers',
      `const h = []; for (let i = 0; i < 1e5; i++) h.push(['x', 'y']); return new Response('x', { headers: h })`,
    ],
    ['a lone surrogate in a header', `return new Response('x', { headers: { a: '\\ud800' } })`],
    ['a forged response', `return Object.create(Response.prototype)`],
    [
      'a response with members of its own',
      `return { status: 200, headers: {}, body: 'x', __proto__: Response.prototype }`,
    ],
    [
      'a subclass that lies about its brand',
      `return new (class { get [Symbol.toStringTag]() { return 'Response' } })()`,
    ],
  ]
  for (const [name, body] of refused) {
    serve(body)
    const visit = await host.answer()
    t.ok(visit.failed, name)
    t.equal(visit.head, undefined, name)
    t.ok([failures.exception, failures.invalid].includes(visit.failed?.kind as 1))
  }
  serve(
    `return new Response('hello', { headers: { 'content-length': '1', 'transfer-encoding': 'chunked', connection: 'close', host: 'b.example', 'x-a': '1' } })`,
  )
  t.same((await host.answer()).head?.headers, ['x-a', '1', 'content-type', 'text/plain;charset=UTF-8'])
  serve(`return Response.redirect('https://a.example/\\r\\nset-cookie: a=b')`)
  t.same((await host.answer()).head?.headers, ['location', 'https://a.example/set-cookie:%20a=b'])
})

t.test('the bridge is out of reach, and its work is not disturbed by what a site replaces', async (t) => {
  serve(`return Response.json(Object.getOwnPropertyNames(globalThis).filter(n => /^grove(?!Site)/i.test(n)))`)
  t.equal((await host.answer()).text(), '[]')
  serve(
    `return new Response('fine ' + await request.text(), { headers: { a: 'b' } })`,
    `const broken = () => { throw new Error('replaced') };
     const all = [[Array.prototype, ['push', 'slice', 'join', 'map', 'indexOf', 'includes', 'shift', 'splice', Symbol.iterator]],
       [Map.prototype, ['get', 'set', 'has', 'delete', 'forEach']], [Set.prototype, ['add', 'has', 'delete', 'forEach']],
       [String.prototype, ['slice', 'indexOf', 'charCodeAt', 'toLowerCase', 'split', 'includes']],
       [Promise.prototype, ['then', 'catch', 'finally']], [Promise, ['resolve', 'reject', 'withResolvers']], [JSON, ['parse', 'stringify']],
       [Object, ['assign', 'create', 'defineProperty', 'keys', 'entries', 'freeze']], [Reflect, ['apply', 'get', 'construct']],
       [Uint8Array.prototype.__proto__, ['set', 'subarray', 'slice']], [Function.prototype, ['call', 'apply', 'bind']], [RegExp.prototype, ['exec', 'test']]];
     for (let i = 0; i < all.length; i++) for (let n = 0; n < all[i][1].length; n++) all[i][0][all[i][1][n]] = broken;
     Object.prototype.toJSON = broken; Array.prototype.toJSON = broken;`,
  )
  const visit = await host.answer({ method: 'POST', body: ['and ', 'well'] })
  t.equal(visit.text(), 'fine and well', visit.failed?.error.message ?? '')
  t.same(visit.head?.headers, ['a', 'b', 'content-type', 'text/plain;charset=UTF-8'])
})

t.test('classes that a site puts in the place of those of the language are not asked', async (t) => {
  serve(
    `const chunk = new Uint8Array([104, 105]); chunk.constructor = { [Symbol.species]: Wide }
     const headers = new Headers({ a: 'b' })
     const response = new Response(new ReadableStream({ start(c) { c.enqueue(chunk); c.close() } }), new Response(null, { headers }))
     setTimeout(() => {}, 1); clearTimeout(setTimeout(() => {}, 2))
     const signal = AbortSignal.timeout(5); signal.addEventListener('abort', noop); signal.removeEventListener('abort', noop)
     return [asked.join(), response][1 - asked.length * 2] ?? new Response(asked.join())`,
    `const asked = [], noop = () => {}
     class Wide extends Uint8Array { constructor(size) { asked[asked.length] = 'bytes'; super(new ArrayBuffer(1e6), 0, size) } }
     class Odd extends Array { constructor(size) { asked[asked.length] = 'list'; super(size) } }
     Object.defineProperty(Odd, Symbol.species, { value: Odd }); Object.defineProperty(Wide, Symbol.species, { value: Wide })
     Array.prototype.constructor = Odd; Uint8Array.prototype.constructor = Wide
     String.prototype[Symbol.split] = () => { asked[asked.length] = 'split'; return [] }`,
  )
  const visit = await host.answer({ headers: ['a', 'b'] })
  t.equal(visit.text(), 'hi', visit.failed?.error.message ?? '')
  t.same(visit.head?.headers, ['a', 'b'])
})

t.test('code that fails to load says why', (t) => {
  const cases: [string, RegExp][] = [
    [`var groveSite = {}`, /no default export/],
    [`var groveSite; throw new Error('at the top')`, /at the top/],
    [`var groveSite = { default: { fetch() {} } }; missing()`, /missing is not defined/],
    [
      `var groveSite = { default: { fetch() {} }, asked: fetch('https://a.example/') }`,
      /cannot be done while the code loads/,
    ],
  ]
  for (const [bundle, message] of cases) t.match(host.load(bundle).error?.message, message)
  t.end()
})
