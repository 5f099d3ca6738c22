import t from 'tap'
import { AbortController, type AbortSignal } from '../../../sandbox/guest/abort.ts'
import { Blob } from '../../../sandbox/guest/blob.ts'
import { FormData } from '../../../sandbox/guest/form-data.ts'
import { Headers } from '../../../sandbox/guest/headers.ts'
import { Request } from '../../../sandbox/guest/request.ts'
import { streamClasses } from '../../../sandbox/guest/streams.ts'
import { URL } from '../../../sandbox/guest/url.ts'
import { URLSearchParams } from '../../../sandbox/guest/url-search-params.ts'
import { createRequestHost } from './fixtures/request-host.ts'

createRequestHost()
const url = 'https://a.example/'
type Body = { text(): Promise<string>; readonly body: object | null; readonly bodyUsed: boolean }
const bodyOf = (request: Request) => request as unknown as Body

t.test('the URL of a request', (t) => {
  const cases: [input: unknown, expected: string][] = [
    ['https://A.example', 'https://a.example/'],
    ['https://a.example:443/x/../y?q#f', 'https://a.example/y?q#f'],
    [new URL('/x', url), 'https://a.example/x'],
    [{ toString: () => url }, url],
    ['http://[::1]/', 'http://[::1]/'],
    ['https://\u00fc.example/', 'https://xn--tda.example/'],
  ]
  for (const [input, expected] of cases) t.equal(new Request(input).url, expected)
  for (const input of [
    '/relative',
    '',
    'https://',
    'https://u:p@a.example/',
    'https://u@a.example/',
    'x\0',
    Symbol('x'),
  ])
    t.throws(() => new Request(input), TypeError, String(input))
  t.throws(() => new (Request as unknown as new () => unknown)(), TypeError)
  t.end()
})

t.test('methods', (t) => {
  const cases: [input: unknown, expected: string][] = [
    ['get', 'GET'],
    ['Post', 'POST'],
    ['patch', 'patch'],
    ['DELETE', 'DELETE'],
    ['x-own', 'x-own'],
  ]
  for (const [method, expected] of cases) t.equal(new Request(url, { method }).method, expected)
  for (const method of ['', 'a b', 'CONNECT', 'trace', 'Track', 'GET\r\nX: y', '\u00e9', 'null x'])
    t.throws(() => new Request(url, { method }), TypeError, method)
  t.end()
})

t.test('members of the init', (t) => {
  const request = new Request(url, {
    cache: 'no-store',
    credentials: 'omit',
    integrity: 'sha256-x',
    keepalive: 1,
    mode: 'no-cors',
    redirect: 'error',
    referrer: 'https://b.example/',
    referrerPolicy: 'origin',
    duplex: 'half',
    window: null,
  })
  t.match(request, {
    cache: 'no-store',
    credentials: 'omit',
    integrity: 'sha256-x',
    keepalive: true,
    mode: 'no-cors',
    redirect: 'error',
    referrer: 'https://b.example/',
    referrerPolicy: 'origin',
    duplex: 'half',
    destination: '',
  })
  t.match(new Request(url), {
    redirect: 'follow',
    mode: 'cors',
    credentials: 'same-origin',
    cache: 'default',
    keepalive: false,
  })
  const wrong: Record<string, unknown>[] = [
    { cache: 'x' },
    { credentials: '' },
    { mode: 'navigate' },
    { redirect: 'ask' },
    { duplex: 'full' },
    { window: 'x' },
    { signal: {} },
    { headers: 'x' },
    { body: 'x' },
    { body: 'x', method: 'HEAD' },
  ]
  for (const init of wrong) t.throws(() => new Request(url, init), TypeError, JSON.stringify(init))
  t.throws(() => new Request(url, 1), TypeError)
  t.equal(new Request(url, null).method, 'GET')
  t.end()
})

t.test('bodies bring their type, unless one is given', async (t) => {
  const form = new FormData()
  form.append('a', 'b')
  const cases: { name: string; body: unknown; type: RegExp | null; text: string | RegExp }[] = [
    { name: 'a string', body: 'x\u00e9', type: /^text\/plain;charset=UTF-8$/, text: 'x\u00e9' },
    { name: 'an object', body: {}, type: /^text\/plain/, text: '[object Object]' },
    { name: 'a lone surrogate', body: 'a\ud800', type: /^text\/plain/, text: 'a\ufffd' },
    { name: 'an ArrayBuffer', body: new Uint8Array([97]).buffer, type: null, text: 'a' },
    { name: 'a view', body: new Uint8Array([96, 97, 98]).subarray(1, 2), type: null, text: 'a' },
    { name: 'a DataView', body: new DataView(new Uint8Array([97]).buffer), type: null, text: 'a' },
    { name: 'a Blob', body: new Blob(['b'], { type: 'Text/X' }), type: /^text\/x$/, text: 'b' },
    { name: 'a Blob without a type', body: new Blob(['b']), type: null, text: 'b' },
    {
      name: 'a query',
      body: new URLSearchParams('a=b&c=%20'),
      type: /^application\/x-www-form-urlencoded;charset=UTF-8$/,
      text: 'a=b&c=+',
    },
    { name: 'a form', body: form, type: /^multipart\/form-data; boundary=\S+$/, text: /name="a"\r\n\r\nb\r\n/ },
  ]
  for (const { name, body, type, text } of cases) {
    const request = new Request(url, { method: 'POST', body })
    if (type === null) t.equal(request.headers.get('content-type'), null, name)
    else t.match(request.headers.get('content-type'), type, name)
    t.match(await bodyOf(request).text(), text, name)
    const typed = new Request(url, { method: 'POST', body: 'x', headers: { 'Content-Type': 'own' } })
    t.equal(typed.headers.get('content-type'), 'own')
  }
})

t.test('bytes are copied when the request is made', async (t) => {
  const bytes = new Uint8Array([97])
  const request = new Request(url, { method: 'POST', body: bytes })
  bytes[0] = 98
  t.equal(await bodyOf(request).text(), 'a')
})

t.test('a request of a request takes its body along', async (t) => {
  const first = new Request(url, { method: 'POST', body: 'x', headers: { a: 'b' } })
  const second = new Request(first)
  t.equal(bodyOf(first).bodyUsed, true)
  t.match(second, { method: 'POST', url })
  t.equal(second.headers.get('a'), 'b')
  second.headers.set('a', 'c')
  t.equal(first.headers.get('a'), 'b')
  t.equal(await bodyOf(second).text(), 'x')
  t.throws(() => new Request(first), TypeError)
  await t.rejects(bodyOf(first).text(), TypeError)
})

t.test('an init of a request replaces what it says', async (t) => {
  const first = new Request(url, { method: 'POST', body: 'x', headers: { a: 'b' }, redirect: 'error' })
  const second = new Request(first, { body: 'y', headers: { c: 'd' } })
  t.same([second.headers.get('a'), second.headers.get('c'), second.redirect], [null, 'd', 'error'])
  t.equal(await bodyOf(second).text(), 'y')
  t.equal(await bodyOf(first).text(), 'x')
  const third = new Request('https://b.example/', new Request(url, { method: 'PUT', body: 'z' }))
  t.same([third.method, third.url], ['PUT', 'https://b.example/'])
  t.equal(await bodyOf(third).text(), 'z')
  t.throws(() => new Request(new Request(url, { method: 'POST', body: 'x' }), { method: 'GET' }), TypeError)
  t.equal(
    bodyOf(new Request(new Request(url, { method: 'POST', body: 'x' }), { method: 'GET', body: null })).body,
    null,
  )
})

t.test('a stream is a body, unless it is in use', async (t) => {
  const stream = () =>
    new streamClasses.ReadableStream({
      start(controller) {
        controller.enqueue(new Uint8Array([104, 105]))
        controller.close()
      },
    })
  t.equal(await bodyOf(new Request(url, { method: 'POST', body: stream() })).text(), 'hi')
  const moved = new Request(new Request(url, { method: 'POST', body: stream() }))
  t.equal(await bodyOf(moved).text(), 'hi')
  const locked = stream()
  locked.getReader()
  t.throws(() => new Request(url, { method: 'POST', body: locked }), TypeError)
  const read = stream()
  const reader = read.getReader()
  await reader.read()
  reader.releaseLock()
  t.throws(() => new Request(url, { method: 'POST', body: read }), TypeError)
})

t.test('clones are read apart, and a used request has none', async (t) => {
  const request = new Request(url, { method: 'POST', body: 'x', headers: { a: 'b' } })
  const clone = request.clone()
  t.equal(clone.headers.get('a'), 'b')
  t.equal(await bodyOf(clone).text(), 'x')
  t.equal(bodyOf(request).bodyUsed, false)
  t.equal(await bodyOf(request).text(), 'x')
  t.throws(() => request.clone(), TypeError)
})

t.test('signals follow', (t) => {
  const controller = new AbortController()
  const request = new Request(url, { signal: controller.signal })
  const clone = request.clone()
  const copy = new Request(request)
  const apart = new Request(request, { signal: null })
  const other = new Request(request, { signal: new AbortController().signal })
  t.not(request.signal, controller.signal)
  t.equal(request.signal, request.signal)
  controller.abort('why')
  const states = [request, clone, copy, apart, other].map(({ signal }: { signal: AbortSignal }) => signal.aborted)
  t.same(states, [true, true, true, false, false])
  t.equal(copy.signal.reason, 'why')
  t.equal(new Request(request).signal.aborted, true)
  t.end()
})

t.test('it is an interface of Web IDL', (t) => {
  t.equal(String(new Request(url)), '[object Request]')
  t.equal(Request.length, 1)
  const attributes = [
    'method',
    'url',
    'headers',
    'body',
    'bodyUsed',
    'signal',
    'redirect',
    'mode',
    'duplex',
    'destination',
  ]
  for (const name of [...attributes, 'referrer', 'referrerPolicy', 'credentials', 'cache', 'integrity', 'keepalive']) {
    const descriptor = Object.getOwnPropertyDescriptor(Request.prototype, name)
    t.match(descriptor, { enumerable: true, configurable: true, set: undefined }, name)
    t.throws(() => descriptor?.get?.call({}), TypeError, `${name} of another object`)
  }
  const prototype = Request.prototype as unknown as Record<string, (this: unknown) => unknown>
  for (const name of ['clone', 'text', 'json', 'bytes', 'arrayBuffer', 'blob', 'formData'])
    t.equal(Object.getOwnPropertyDescriptor(prototype, name)?.enumerable, true, name)
  t.throws(() => prototype['clone']?.call({}), TypeError)
  t.rejects(async () => await prototype['text']?.call({}), TypeError)
  t.equal(new Request(url).headers instanceof Headers, true)
  t.end()
})
