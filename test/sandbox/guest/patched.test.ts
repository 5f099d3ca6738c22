import t from 'tap'
import { loadSite } from './isolate.ts'

/**
 * A site that has replaced the methods of the language: each API must work as before, since none of the prelude's calls go
 * through what the site can reach. `run` is the body of a function whose result is compared with the one before.
 */
const apis: readonly (readonly [name: string, run: string])[] = [
  ['URL', `const u = new URL('/a/../b?x=1#h', 'https://exämple.com:8080/'); u.pathname = 'q'; return [u.href, u.host]`],
  [
    'URLSearchParams',
    `const p = new URLSearchParams('a=1&b=%20x&a=é'); p.append('c', 'd e'); p.delete('b'); p.sort(); return [p.toString(), p.get('a'), p.has('c'), p.size]`,
  ],
  ['searchParams', `const u = new URL('https://example.com/?a=1'); u.searchParams.set('b', '2'); return [u.href]`],
  ['TextEncoder', `const b = new TextEncoder().encode('aé€😀'); return [b.length, b[1], b[8]]`],
  [
    'TextDecoder',
    `return [new TextDecoder().decode(bytes), new TextDecoder('latin1').decode(bytes), new TextDecoder(' UTF8 ').encoding]`,
  ],
  ['a TextDecoder in pieces', `const d = new TextDecoder(); return [d.decode(half, { stream: true }), d.decode(rest)]`],
  ['base64', `return [btoa('hello'), atob('aGVsbG8=')]`],
  [
    'Event',
    `const t = new EventTarget(); let n = 0; const f = () => { n++ }; t.addEventListener('x', f, { once: true }); t.addEventListener('x', f, true); t.dispatchEvent(new Event('x')); t.removeEventListener('x', f, true); t.dispatchEvent(new Event('x')); return [n]`,
  ],
  [
    'a signal',
    `const c = new AbortController(); const s = AbortSignal.any(of(c.signal)); let n = 0; s.addEventListener('abort', () => { n++ }); c.abort(); return [n, s.aborted, s.reason.name]`,
  ],
  [
    'structuredClone',
    `const c = structuredClone({ list, map, set, date, error, view: bytes, nested: { re: /a/g } }); return [c.list.length, c.map.size, c.set.size, c.view.length, c.nested.re.source, c.error.message]`,
  ],
  ['Blob', `const b = new Blob(of('é', bytes), { type: 'Text/Plain' }); return [b.size, b.type, b.slice(1, 3).size]`],
  ['File', `const f = new File(of('x'), 'n', { lastModified: 5 }); return [f.name, f.size, f.lastModified]`],
  [
    'FormData',
    `const f = new FormData(); f.append('a', '1'); f.append('b', new Blob(of('x')), 'n'); f.set('a', '2'); return [f.get('a'), f.get('b').name, f.has('c')]`,
  ],
  ['Headers', `const h = new Headers({ 'X-A': '1', b: '2' }); h.append('x-a', '3'); return [h.get('x-a'), h.has('b')]`],
  [
    'Request',
    `const r = new Request('https://example.com/a', { method: 'post', body: 'x', headers: { a: 'b' } }); return [r.method, r.url, r.headers.get('a'), r.headers.get('content-type')]`,
  ],
  [
    'Response',
    `const r = new Response('x', { status: 201, headers: { a: 'b' } }); return [r.status, r.ok, r.headers.get('a')]`,
  ],
  [
    'DOMException',
    `const e = new DOMException('why', 'DataError'); return [e.name, e.message, e.code, typeof e.stack]`,
  ],
  [
    'performance',
    `performance.clearMarks(); performance.mark('a', { startTime: 1 }); return [performance.measure('m', 'a', undefined).startTime, performance.getEntriesByName('a').length]`,
  ],
  [
    'console',
    `console.log('%s is %o', 'a', { list, map, set, error: 1 }); console.table([{ a: 1 }]); console.count(); console.error(error); return [1]`,
  ],
  ['timers', `clearTimeout(setTimeout(() => {}, 5)); queueMicrotask(() => {}); return [1]`],
  ['reportError', `reportError(error); return [1]`],
  ['a port', `const { port1, port2 } = new MessageChannel(); port1.postMessage({ list }, of(port2)); return [1]`],
  ['random', `return [crypto.getRandomValues(new Uint8Array(4)).length, crypto.randomUUID().length]`],
]

t.test('what the site puts on Object.prototype becomes no part of what the prelude makes', async (t) => {
  const site = await loadSite(`var groveSite = { default: { async fetch() {
    const evil = () => { throw new Error('called') }
    const names = ['get', 'set', 'value', 'writable', 'toJSON', 'then', 'start', 'pull', 'transform', 'flush', 'cancel']
    const { defineProperty } = Object
    for (const name of names) {
      const descriptor = { value: evil, configurable: true, __proto__: null }
      defineProperty(Object.prototype, name, descriptor)
    }
    const results = []
    const attempt = (name, run) => {
      try { run(); results[results.length] = name } catch (error) { results[results.length] = name + ': ' + error.message }
    }
    attempt('Event', () => new EventTarget().dispatchEvent(new Event('x')))
    attempt('DOMException', () => new DOMException('why').stack)
    attempt('structuredClone', () => structuredClone({ a: [new Map([[1, 2]]), new Error('e')] }))
    attempt('streams of text', () => [new TextEncoderStream(), new TextDecoderStream()])
    attempt('a stream of a blob', () => new Blob([]).stream())
    attempt('reportError', () => reportError(new Error('reported')))
    attempt('console', () => console.log({ a: 1 }, new Map(), [1]))
    attempt('URL', () => new URL('a', 'https://example.com/').searchParams.append('a', 'b'))
    attempt('timers', () => clearTimeout(setTimeout(() => {}, 1)))
    for (const name of names) delete Object.prototype[name]
    return Response.json(results)
  } } }`)
  const { body, error } = await site.ask('https://a.example/')
  t.equal(error, undefined)
  t.strictSame(JSON.parse(body), [
    'Event',
    'DOMException',
    'structuredClone',
    'streams of text',
    'a stream of a blob',
    'reportError',
    'console',
    'URL',
    'timers',
  ])
  t.match(site.reports, [{ name: 'Error', message: 'reported' }])
  t.match(site.lines, [{ text: '{ a: 1 } Map(0) {} [ 1 ]' }])
  site.isolate.dispose()
})

t.test('methods that the site has replaced are not called by the prelude', async (t) => {
  const site = await loadSite(`
    const bytes = new Uint8Array([97, 0xc3, 0xa9])
    const half = new Uint8Array([0xc3])
    const rest = new Uint8Array([0xa9])
    // Lists of the site are walked by their own iterator, as Web IDL says: this one is not replaced.
    const of = (...items) => ({ [Symbol.iterator]() { let i = 0; return { next: () => ({ done: i >= items.length, value: items[i++] }) } } })
    const list = [1, 2, 3]
    const map = new Map([['a', 1]])
    const set = new Set([1])
    const date = new Date(5)
    const error = new Error('why')
    const apis = { ${apis.map(([name, run]) => `${JSON.stringify(name)}() { ${run} }`).join(',\n')} }
    const { defineProperty, getOwnPropertyNames, getOwnPropertyDescriptor, getPrototypeOf } = Object
    const { stringify } = JSON
    const typed = getPrototypeOf(Uint8Array.prototype)
    const iterator = getPrototypeOf(getPrototypeOf([].values()))
    const owners = [
      Array.prototype, String.prototype, Number.prototype, Map.prototype, Set.prototype, WeakMap.prototype, RegExp.prototype,
      Promise.prototype, Date.prototype, Error.prototype, typed, ArrayBuffer.prototype, DataView.prototype, Function.prototype,
      iterator, getPrototypeOf([].values()), getPrototypeOf(new Map().values()), getPrototypeOf(new Set().values()),
      Object, Array, String, Number, Math, Reflect, JSON, Promise, ArrayBuffer, Date, Symbol, Error, BigInt.prototype,
    ]
    const keep = new Set(['constructor', 'prototype', 'length', 'name', 'stackTraceLimit', 'prepareStackTrace', 'message'])
    function patch() {
      const undo = []
      let count = 0
      for (const owner of owners) {
        const keys = [...getOwnPropertyNames(owner), Symbol.iterator]
        for (const key of keys) {
          const descriptor = getOwnPropertyDescriptor(owner, key)
          if (keep.has(key) || descriptor === undefined || !descriptor.configurable) continue
          if (typeof descriptor.value !== 'function') continue
          count++
          undo[undo.length] = [owner, key, descriptor]
        }
      }
      const calls = []
      for (let i = 0; i < undo.length; i++) {
        const name = String(undo[i][1])
        const { value: original } = undo[i][2]
        const evil = function () { calls[calls.length] = name; throw new Error('patched ' + name) }
        undo[i][3] = { value: evil, writable: true, configurable: true }
      }
      for (let i = 0; i < undo.length; i++) defineProperty(undo[i][0], undo[i][1], undo[i][3])
      const descriptor = { value: undefined, writable: true, configurable: true }
      return { count, calls, restore() { for (let i = 0; i < undo.length; i++) defineProperty(undo[i][0], undo[i][1], undo[i][2]) } }
    }
    var groveSite = { default: { async fetch(request) {
      const name = decodeURIComponent(new URL(request.url).pathname.slice(1))
      const before = stringify(apis[name]())
      const patched = patch()
      let after
      let failure
      try { after = apis[name]() } catch (thrown) { failure = thrown }
      patched.restore()
      return Response.json({ count: patched.count, before, after: stringify(after) ?? failure?.message + failure?.stack, calls: patched.calls })
    } } }`)
  for (const [name] of apis) {
    const { body, error } = await site.ask(`https://a.example/${encodeURIComponent(name)}`)
    t.equal(error, undefined, name)
    const { count, before, after, calls } = JSON.parse(body)
    t.ok(count > 200, `${count} methods were replaced`)
    t.equal(after, before, name)
    t.strictSame(calls, [], `${name} calls none of them`)
  }
  site.isolate.dispose()
})
