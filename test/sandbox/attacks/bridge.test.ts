import t from 'tap'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'
import { type Attack, runAttacks } from '../fixtures/attacks.ts'
import { smallPrelude } from '../fixtures/small-prelude.ts'

const cpu = { failed: 'cpu' } as const
const killed = { killed: 'cpu' } as const
const bad = { failed: 'bad-answer' } as const
const exception = (log: RegExp) => ({ failed: 'exception', log }) as const

/** What site code can do with all that it is given. */
const attacks: readonly Attack[] = [
  { name: 'a Float16Array as answer', code: 'return new Float16Array(8)', expected: bad },
  ...[
    '7',
    'null',
    '{}',
    'Symbol()',
    '() => {}',
    'new Proxy({}, {})',
    '{ get status() { throw 1 } }',
    '({ then(done) { done(7) } })',
    'new WebAssembly.Memory({ initial: 1 })',
  ].map(
    (value): Attack => ({ name: `${value} as answer`, code: `return (${value})`, expected: [bad, exception(/./)] }),
  ),
  {
    name: 'an error whose message loops',
    code: 'throw { get message() { for (;;); } }',
    expected: [cpu, exception(/./)],
  },
  {
    name: 'a proxy that loops, thrown',
    code: 'throw new Proxy({}, { get() { for (;;); }, getPrototypeOf() { for (;;); }, ownKeys() { for (;;); } })',
    expected: [cpu, exception(/./)],
  },
  {
    name: 'an error whose name loops',
    code: 'throw new (class extends Error { get name() { for (;;); } })()',
    expected: [cpu, exception(/./)],
  },
  {
    name: 'an error whose stack loops',
    code: `const error = new Error('x'); Object.defineProperty(error, 'stack', { get() { for (;;); } }); throw error`,
    expected: [cpu, exception(/./)],
  },
  {
    name: 'an error whose text loops',
    code: 'throw { toString() { for (;;); }, [Symbol.toPrimitive]() { for (;;); } }',
    expected: [cpu, exception(/./)],
  },
  {
    name: 'stacks that loop',
    code: 'Error.prepareStackTrace = () => { for (;;); }; null.x',
    expected: [cpu, killed, exception(/./)],
  },
  {
    name: 'a rejection that nobody handles, and that loops',
    code: `Promise.reject({ get message() { for (;;); } }); return new Response('x')`,
    expected: [killed, cpu, { status: 200, body: 'x' }],
  },
  {
    name: 'a rejection that nobody handles',
    code: `Promise.reject(new Error('lost')); return new Response('x')`,
    expected: { status: 200, body: 'x', log: /not caught: Error: lost\n.*grove:site/ },
  },
  {
    name: 'many of them',
    code: `for (let i = 0; i < 1_000; i++) Promise.reject(new Error('lost ' + i)); return new Response('x')`,
    expected: { status: 200, body: 'x', log: /lost/ },
  },
  {
    name: 'a rejection with a Float16Array',
    code: `Promise.reject(new Float16Array(8)); return new Response('x')`,
    expected: [{ status: 200, body: 'x' }, { crashed: true }],
  },
  {
    name: 'a deep object in an answer',
    code: `let deep = {}; for (let i = 0; i < 200_000; i++) deep = { deep }; return Response.json(deep)`,
    expected: [exception(/RangeError|stack/), cpu, { status: 200 }],
  },
  {
    name: 'own keys of the prototype',
    code: `const value = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'); await env.DATA.put('k', JSON.stringify(value), { metadata: value }).catch(() => {}); return new Response(String({}.polluted))`,
    expected: [{ status: 200, body: 'undefined' }, exception(/./)],
  },
  {
    name: 'functions of the host through what it gave',
    code: `const found = []; const seen = new Set(); const look = (value, depth) => { if (depth > 5 || value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) return; seen.add(value); for (const key of Reflect.ownKeys(value)) { let inner; try { inner = value[key] } catch { continue } if (typeof inner === 'function' && /groveCall|process|require/.test(inner.name)) found.push(inner.name); look(inner, depth + 1) } }; look(globalThis, 0); look(request, 0); look(env, 0); look(context, 0); return new Response(found.join() + typeof process + typeof require + typeof groveCall + typeof groveDispatch + typeof groveDefine)`,
    limits: { entryMs: 1_000, cpuMs: 2_000 },
    expected: { status: 200, body: 'undefinedundefinedundefinedundefinedundefined' },
  },
  {
    name: 'constructors of functions that the prelude made',
    code: `const tried = []; for (const f of [fetch, setTimeout, URL, crypto.getRandomValues, request.text, Response.json]) { try { tried.push(typeof f.constructor('return typeof process')()) } catch (error) { tried.push(error.name) } } return new Response(tried.join())`,
    expected: { status: 200, body: Array(6).fill('EvalError').join() },
  },
  {
    name: 'frames of the host in a stack',
    code: `Error.prepareStackTrace = (error, sites) => sites.map((site) => [site.getFileName(), typeof site.getThis?.(), typeof site.getFunction?.()]); const { stack } = new Error('x'); return Response.json([Array.isArray(stack) ? stack.flat() : stack])`,
    expected: { status: 200, body: /^(?!.*(?:node:|\.ts|isolated-code)).*$/s },
  },
  {
    name: 'what a host call threw',
    code: `try { new URL('x') } catch (error) { return new Response(error.stack) }`,
    expected: { status: 200, body: /^(?!.*(?:node:|\.ts:|isolated-vm boundary)).*$/s },
  },
  {
    name: 'everything of the language replaced',
    code: `for (const key of ['stringify', 'parse']) JSON[key] = () => { throw new Error('mine') }; for (const name of ['push', 'shift', 'map', 'forEach', 'join', 'slice']) Array.prototype[name] = () => { throw new Error('mine') }; for (const name of ['get', 'set', 'has', 'delete']) Map.prototype[name] = () => { throw new Error('mine') }; Promise.prototype.then = () => { throw new Error('mine') }; Array.prototype[Symbol.iterator] = () => { throw new Error('mine') }; return new Response('as ever', { headers: { a: 'b' } })`,
    expected: { status: 200, body: 'as ever' },
  },
  {
    name: 'an accessor on the prototype of objects',
    code: `Object.defineProperty(Object.prototype, 'get', { get() { throw new Error('mine') }, configurable: true }); Object.defineProperty(Object.prototype, 'value', { get() { throw new Error('mine') }, configurable: true }); const made = new Response('as ever', { headers: { a: 'b' } }); return made`,
    expected: [{ status: 200, body: 'as ever' }, exception(/./)],
  },
  {
    name: 'a header that splits',
    code: `return new Response('x', { headers: { a: 'b\\r\\nset-cookie: c' } })`,
    expected: exception(/TypeError/),
  },
  {
    name: 'a million headers',
    code: `const headers = new Headers(); for (let i = 0; i < 1e6; i++) headers.append('a' + i, 'b'); return new Response('x', { headers })`,
    expected: [bad, cpu, killed, exception(/./), { failed: 'memory' }, { killed: 'memory' }],
  },
  {
    name: 'more headers than are allowed',
    code: `const headers = new Headers(); for (let i = 0; i < 200; i++) headers.append('a' + i, 'b'); return new Response('x', { headers })`,
    expected: [bad, exception(/headers/)],
  },
  {
    name: 'a header that is too large',
    code: `return new Response('x', { headers: { a: 'b'.repeat(70_000) } })`,
    expected: [bad, exception(/./)],
  },
  {
    name: 'lone surrogates and NUL in a body',
    code: `return new Response('a\\ud800\\u0000b')`,
    expected: { status: 200, body: 'a\ufffd\u0000b' },
  },
  { name: 'import of a module of the host', code: `await import('node:fs')`, expected: exception(/./) },
  { name: 'import of a URL', code: `await import('https://b.example/x.js')`, expected: exception(/./) },
  { name: 'Atomics.wait', code: 'Atomics.wait(new Int32Array(8), 0, 0)', expected: exception(/./) },
  { name: 'Atomics.waitAsync', code: 'Atomics.waitAsync(new Int32Array(8), 0, 0)', expected: exception(/./) },
  {
    name: 'a second answer',
    code: `context.waitUntil(Promise.resolve().then(() => new Response('second'))); return new Response('first')`,
    expected: { status: 200, body: 'first' },
  },
  {
    name: 'a clock finer than a millisecond',
    code: `const seen = new Set(); for (let i = 0; i < 1e5; i++) seen.add(performance.now() % 1); return new Response(String(seen.size))`,
    expected: { status: 200, body: '1' },
  },
  {
    name: 'a subrequest while the code loads',
    top: `globalThis.early = (() => { try { return fetch('https://b.example/').then(() => 'sent', (error) => error.name) } catch (error) { return error.name } })()`,
    code: `return new Response(await early)`,
    expected: { status: 200, body: /Error$/ },
  },
  {
    name: 'a timer while the code loads',
    top: `globalThis.early = (() => { try { setTimeout(() => {}, 1); return 'set' } catch (error) { return error.name } })()`,
    code: `return new Response(early)`,
    expected: { status: 200, body: /Error$/ },
  },
]

/** What a guest could do that had broken out of its prelude: the small prelude hands out the raw call as `host`. */
const rawAttacks: readonly Attack[] = [
  {
    name: 'forged numbers',
    code: `const faults = []; for (const op of [2, 3, 5, 6, 8, 11, 24]) faults.push(host(op, 987654, 'x')); return { body: faults.join() }`,
    top: 'globalThis.Response = class { constructor(body) { this.body = body } }',
    expected: { status: 200, body: '-1,-1,-1,-1,-1,-1,-1' },
  },
  {
    name: 'a second answer',
    code: `const head = '{"status":200,"headers":[],"hasBody":true}'; host(1, request.id, head, 'first', 2); return { body: String(host(1, request.id, head, 'second', 2)) }`,
    top: 'globalThis.Response = class { constructor(body) { this.body = body } }',
    expected: { status: 200, body: 'first' },
  },
  ...[
    ['a shared buffer', 'new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer'],
    ['a module', 'new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))'],
    ['a cyclic object', '(() => { const a = {}; a.a = a; return a })()'],
    ['an object with a loop in a getter', '({ get x() { throw new Error("mine") } })'],
    ['a Float16Array', 'new Float16Array(8)'],
    ['a function', '() => {}'],
    ['a symbol', 'Symbol()'],
    ['a proxy', 'new Proxy({}, {})'],
    ['a promise', 'Promise.resolve()'],
    ['a view of a resizable buffer', 'new Uint8Array(new ArrayBuffer(8, { maxByteLength: 16 }))'],
  ].map(
    ([name, value]): Attack => ({
      name: `${name} as argument`,
      code: `let answer; try { answer = host(2, request.id, ${value}) } catch (error) { answer = error.name + ': ' + error.message + error.stack } return { body: String(answer) }`,
      top: 'globalThis.Response = class { constructor(body) { this.body = body } }',
      expected: { status: 200, body: /^(?:-\d|\w*Error: (?!.*(?:node:|\.ts:|\/work\/)).*)$/s },
    }),
  ),
  {
    name: '70,000 arguments',
    code: `let answer; try { answer = host(...Array(70_000).fill(1)) } catch (error) { answer = error.name } return { body: String(answer) }`,
    top: 'globalThis.Response = class { constructor(body) { this.body = body } }',
    expected: { status: 200, body: /^(?:-\d|\w*Error)$/ },
  },
  {
    name: 'a text of 256 MB as argument',
    code: `let answer; try { answer = host(13, request.id, 1, 'x'.repeat(2 ** 28)) } catch (error) { answer = error.name } return { body: String(answer) }`,
    top: 'globalThis.Response = class { constructor(body) { this.body = body } }',
    expected: [
      { status: 200 },
      { killed: 'memory' },
      { killed: 'cpu' },
      { failed: 'memory' },
      { failed: 'cpu' },
      { crashed: true },
    ],
  },
  {
    name: 'operations without end',
    code: `const started = []; for (let i = 0; i < 1_000; i++) started.push(host(10, request.id, 3, '{"method":"get","key":"k"}')); return { body: [started.filter((id) => id > 0).length, started.at(-1)].join() }`,
    top: 'globalThis.Response = class { constructor(body) { this.body = body } }',
    operation: () => {},
    limits: { entryMs: 1_000, cpuMs: 1_000 },
    expected: { status: 200, body: '64,-2' },
  },
]

const prelude = await buildPrelude()
t.test('the bridge', (t) => {
  runAttacks(t, prelude, attacks)
  t.end()
})
t.test('the bridge, from behind the prelude', (t) => {
  runAttacks(t, smallPrelude, rawAttacks)
  t.end()
})
