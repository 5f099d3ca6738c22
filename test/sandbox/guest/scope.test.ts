import t from 'tap'
import { loadSite } from './isolate.ts'
import { checkRows, type Row, throws } from './rows.ts'

const inIsolate = { node: false }

/** WinterTC, minimum common web API 2025: interfaces, then what is not one. */
const interfaces =
  'AbortController AbortSignal Blob ByteLengthQueuingStrategy CompressionStream CountQueuingStrategy Crypto CryptoKey CustomEvent DecompressionStream DOMException ErrorEvent Event EventTarget File FormData Headers MessageChannel MessageEvent MessagePort Performance PromiseRejectionEvent ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request Response SubtleCrypto TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController URL URLPattern URLSearchParams WritableStream WritableStreamDefaultController WritableStreamDefaultWriter'.split(
    ' ',
  )
const functions =
  'addEventListener removeEventListener dispatchEvent atob btoa clearInterval clearTimeout fetch queueMicrotask reportError setInterval setTimeout structuredClone'.split(
    ' ',
  )

t.test('the global has what WinterTC asks for', async (t) => {
  await checkRows(
    t,
    [
      ...interfaces.map(
        (name): Row => [
          name,
          `const d = Object.getOwnPropertyDescriptor(globalThis, '${name}'); const f = globalThis.${name}; return [typeof f, f.name, d.enumerable, d.writable, d.configurable, Object.prototype.toString.call(f.prototype), Object.getOwnPropertyDescriptor(f, 'prototype').writable]`,
          ['function', name, false, true, true, `[object ${name}]`, false],
        ],
      ),
      ...functions.map(
        (name): Row => [
          name,
          `const d = Object.getOwnPropertyDescriptor(globalThis, '${name}'); return [typeof d.value, d.value.name, d.enumerable, d.writable, d.configurable]`,
          ['function', name, true, true, true],
        ],
      ),
      ...['onerror', 'onunhandledrejection', 'onrejectionhandled'].map(
        (name): Row => [name, `globalThis.${name}`, null],
      ),
      ['self', `self === globalThis`, true],
      ['navigator', `[navigator.userAgent, String(navigator)]`, ['Grove', '[object Navigator]']],
      ['crypto', `crypto instanceof Crypto`, true],
      ['performance', `performance instanceof Performance`, true],
      ['console', `[String(console), typeof console.log]`, ['[object console]', 'function']],
      [
        'WebAssembly',
        `[String(WebAssembly), typeof WebAssembly.Module, typeof WebAssembly.Instance, typeof WebAssembly.Memory, typeof WebAssembly.Table, typeof WebAssembly.Global, typeof WebAssembly.instantiate, typeof WebAssembly.CompileError]`,
        ['[object WebAssembly]', ...Array(7).fill('function')],
      ],
    ],
    inIsolate,
  )
})

const code = throws('EvalError')

t.test('what a sandbox cannot allow is not there', async (t) => {
  await checkRows(
    t,
    [
      ['eval', `eval('1')`, code],
      ['eval in another way', `(0, eval)('1')`, code],
      ['Function', `Function('return 1')`, code],
      ['new Function', `new Function('return 1')`, code],
      ['the constructor of a function', `(() => {}).constructor('return 1')`, code],
      ['of an async function', `(async () => {}).constructor('return 1')`, code],
      ['of a generator', `(function* () {}).constructor('yield 1')`, code],
      ['of an async generator', `(async function* () {}).constructor('yield 1')`, code],
      ['of a class', `(class {}).constructor('return 1')`, code],
      ['of a function of the prelude', `fetch.constructor('return 1')`, code],
      ['of a bound function', `(() => {}).bind().constructor('return 1')`, code],
      ['by Reflect.construct', `Reflect.construct(Function, ['return 1'])`, code],
      ['by a class below Function', `class F extends Function {} new F('return 1')`, code],
      [
        'by the prototypes of constructors',
        `Object.getPrototypeOf((async () => {}).constructor)('return 1')`,
        '<undefined>',
      ],
      [
        'functions are of Function all the same',
        `[(() => {}) instanceof Function, Function.prototype === Object.getPrototypeOf(() => {}), Function.name, Function.length, (async () => {}).constructor.name]`,
        [true, true, 'Function', 1, 'AsyncFunction'],
      ],
      ['setTimeout of a text', `setTimeout('1', 1)`, throws('TypeError')],
      ['import', `import('data:text/javascript,1').then(() => 'loaded', () => 'refused')`, 'refused'],
      ['shared memory', `typeof SharedArrayBuffer`, 'undefined'],
      [
        'shared memory through WebAssembly',
        `new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })`,
        throws('TypeError'),
      ],
      [
        'with a getter that says two things',
        `let n = 0; const m = new WebAssembly.Memory({ initial: 1, maximum: 1, get shared() { return n++ > 0 } }); return m.buffer instanceof ArrayBuffer`,
        true,
      ],
      [
        'through the constructor of a memory',
        `new (new WebAssembly.Memory({ initial: 1 }).constructor)({ initial: 1, maximum: 1, shared: true })`,
        throws('TypeError'),
      ],
      [
        'through a prototype',
        `new WebAssembly.Memory.prototype.constructor({ initial: 1, maximum: 1, shared: true })`,
        throws('TypeError'),
      ],
      [
        'through a class below it',
        `class M extends WebAssembly.Memory {} new M({ initial: 1, maximum: 1, shared: true })`,
        throws('TypeError'),
      ],
      [
        'Atomics cannot wait',
        `[typeof Atomics.wait, typeof Atomics.waitAsync, typeof Atomics.notify, typeof Atomics.add]`,
        ['undefined', 'undefined', 'undefined', 'function'],
      ],
      [
        'garbage collection does not show',
        `[typeof WeakRef, typeof FinalizationRegistry, typeof gc]`,
        ['undefined', 'undefined', 'undefined'],
      ],
      ['weak collections are there', `[typeof WeakMap, typeof WeakSet]`, ['function', 'function']],
      [
        'nothing of Node is there',
        `[typeof process, typeof require, typeof Buffer, typeof global, typeof module, typeof ivm]`,
        Array(6).fill('undefined'),
      ],
      [
        'nothing of the bridge is there',
        `Object.getOwnPropertyNames(globalThis).filter((name) => name.startsWith('grove') && name !== 'groveSite')`,
        [],
      ],
      [
        'the hook into stacks is not called',
        `let called = false; try { Error.prepareStackTrace = () => { called = true; return 'x' } } catch {} const { stack } = new Error('e'); return [called, typeof stack, Error.prepareStackTrace]`,
        [false, 'string', '<undefined>'],
      ],
      [
        'it cannot be put back',
        `Object.defineProperty(Error, 'prepareStackTrace', { value: () => 'x' })`,
        throws('TypeError'),
      ],
      ['captureStackTrace gives text', `const o = {}; Error.captureStackTrace(o); return typeof o.stack`, 'string'],
      [
        'stacks show no paths of the host',
        `const { stack } = new Error('e'); return /file:|node:|\\/[a-z]+\\//.test(stack)`,
        false,
      ],
      [
        'also of errors of the platform',
        `try { new URL('x') } catch (e) { return /file:|node:|\\/[a-z]+\\/|isolated-vm/.test(e.stack) }`,
        false,
      ],
      [
        'URL on the global can be replaced by the site',
        `const before = URL; globalThis.URL = class {}; const after = URL; globalThis.URL = before; return before !== after`,
        true,
      ],
      [
        'self can be replaced',
        `self = 5; const seen = globalThis.self; Object.defineProperty(globalThis, 'self', { value: globalThis, configurable: true, writable: true }); return seen`,
        5,
      ],
    ],
    inIsolate,
  )
})

/** (module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)) */
const add = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x07, 0x01, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x03, 0x02,
  0x01, 0x00, 0x07, 0x07, 0x01, 0x03, 0x61, 0x64, 0x64, 0x00, 0x00, 0x0a, 0x09, 0x01, 0x07, 0x00, 0x20, 0x00, 0x20,
  0x01, 0x6a, 0x0b,
])

t.test('WebAssembly runs modules of the upload, and none of bytes', async (t) => {
  const bytes = `new Uint8Array(${JSON.stringify([...add])})`
  const no = throws('CompileError')
  await checkRows(
    t,
    [
      ['Module of bytes', `new WebAssembly.Module(${bytes})`, no],
      ['through a prototype', `new WebAssembly.Module.prototype.constructor(${bytes})`, no],
      ['by Reflect.construct', `Reflect.construct(WebAssembly.Module, [${bytes}])`, no],
      ['as a function', `WebAssembly.Module(${bytes})`, throws('TypeError')],
      ['compile', `await WebAssembly.compile(${bytes})`, no],
      ['instantiate', `await WebAssembly.instantiate(${bytes})`, no],
      [
        'instantiate rejects, it does not throw',
        `const p = WebAssembly.instantiate(${bytes}); p.catch(() => {}); return p instanceof Promise`,
        true,
      ],
      ['instantiate of nothing', `await WebAssembly.instantiate()`, throws('TypeError')],
      ['validate', `WebAssembly.validate(${bytes})`, false],
      [
        'streaming is not there',
        `[typeof WebAssembly.compileStreaming, typeof WebAssembly.instantiateStreaming]`,
        ['undefined', 'undefined'],
      ],
      [
        'a memory',
        `const m = new WebAssembly.Memory({ initial: 1, maximum: 2 }); const before = m.grow(1); return [m instanceof WebAssembly.Memory, m.buffer.byteLength, before, m.constructor === WebAssembly.Memory]`,
        [true, 131_072, 1, true],
      ],
      ['a memory of nothing', `new WebAssembly.Memory()`, throws('TypeError')],
      [
        'a memory with wide addresses',
        `new WebAssembly.Memory({ initial: 1n, maximum: 1n, address: 'i64' })`,
        throws('TypeError'),
      ],
      [
        'a global and a table',
        `[new WebAssembly.Global({ value: 'i32' }, 5).value, new WebAssembly.Table({ element: 'anyfunc', initial: 1 }).length]`,
        [5, 1],
      ],
    ],
    inIsolate,
  )
  const site = await loadSite(
    `var groveSite = { default: { async fetch(request, env) {
      const { math } = env.WASM
      const instance = await WebAssembly.instantiate(math, {})
      const other = new WebAssembly.Instance(math)
      let cloned
      try { structuredClone(math) } catch (error) { cloned = error.name }
      return Response.json([
        math instanceof WebAssembly.Module, instance instanceof WebAssembly.Instance, instance.exports.add(2, 3),
        other.exports.add(4, 5), WebAssembly.Module.exports(math), WebAssembly.Module.imports(math), cloned,
      ])
    } } }`,
    { wasm: [{ name: 'math', bytes: add }] },
  )
  const { body, error } = await site.ask('https://a.example/')
  t.equal(error, undefined)
  t.strictSame(JSON.parse(body), [true, true, 5, 9, [{ name: 'add', kind: 'function' }], [], 'DataCloneError'])
  site.isolate.dispose()
})
