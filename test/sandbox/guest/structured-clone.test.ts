import t from 'tap'
import { checkRows, throws } from './rows.ts'

const cannot = throws('DataCloneError')

t.test('values are cloned', async (t) => {
  await checkRows(t, [
    [
      'primitives',
      `[1, -0, NaN, 'a', true, null, undefined, 10n].map((v) => Object.is(structuredClone(v), v))`,
      Array(8).fill(true),
    ],
    ['no argument', `structuredClone()`, throws('TypeError')],
    ['a symbol', `structuredClone(Symbol())`, cannot],
    ['a function', `structuredClone(() => {})`, cannot],
    ['a function inside', `structuredClone({ a: [() => {}] })`, cannot],
    [
      'an object is another',
      `const a = { b: { c: 1 } }; const d = structuredClone(a); return [d, d === a, d.b === a.b]`,
      [{ b: { c: 1 } }, false, false],
    ],
    [
      'own enumerable properties only',
      `class A { x = 1; get y() { return 2 } static z = 3 } const a = Object.defineProperty(new A(), 'hidden', { value: 4 }); const b = structuredClone(a); return [b, b.constructor === Object, Object.keys(b)]`,
      [{ x: 1 }, true, ['x']],
    ],
    ['symbols stay behind', `Object.getOwnPropertySymbols(structuredClone({ [Symbol()]: 1 })).length`, 0],
    ['getters are run', `structuredClone({ get a() { return 5 } })`, { a: 5 }],
    ['a getter that throws', `structuredClone({ get a() { throw new RangeError() } })`, throws('RangeError')],
    [
      'an own __proto__ stays a property',
      `const a = JSON.parse('{"__proto__":{"x":1}}'); const b = structuredClone(a); return [Object.keys(b), b.x, Object.getPrototypeOf(b) === Object.prototype]`,
      [['__proto__'], '<undefined>', true],
    ],
    ['without a prototype', `Object.getPrototypeOf(structuredClone(Object.create(null))) === Object.prototype`, true],
    [
      'arrays',
      `const a = [1, , 3]; a.extra = 'x'; const b = structuredClone(a); return [b.length, 1 in b, b[2], b.extra, Array.isArray(b)]`,
      [3, false, 3, 'x', true],
    ],
    ['a long empty array', `structuredClone(new Array(1e6)).length`, 1e6],
    [
      'a circle',
      `const a = { list: [] }; a.list.push(a); const b = structuredClone(a); return [b.list[0] === b, b !== a]`,
      [true, true],
    ],
    ['the same object twice', `const o = {}; const b = structuredClone([o, o]); return b[0] === b[1]`, true],
    [
      'wrappers',
      `const b = structuredClone([new Boolean(false), new Number(1), new String('s'), Object(1n)]); return b.map((v) => [typeof v, String(v)])`,
      [
        ['object', 'false'],
        ['object', '1'],
        ['object', 's'],
        ['object', '1'],
      ],
    ],
    ['a wrapped symbol', `structuredClone(Object(Symbol()))`, cannot],
    ['a date', `const d = structuredClone(new Date(5)); return [d instanceof Date, d.getTime()]`, [true, 5]],
    ['a date that is none', `structuredClone(new Date(NaN)).getTime()`, '<NaN>'],
    [
      'a regular expression',
      `const r = /a+/giu; r.lastIndex = 3; const s = structuredClone(r); return [s.source, s.flags, s.lastIndex, s !== r]`,
      ['a+', 'giu', 0, true],
    ],
    [
      'a map',
      `const m = new Map([[{ a: 1 }, new Set([2])]]); const n = structuredClone(m); return [n, n !== m]`,
      [['<Map>', [{ a: 1 }, ['<Set>', 2]]], true],
    ],
    [
      'a map in itself',
      `const m = new Map(); m.set(m, m); const n = structuredClone(m); return [n.get(n) === n, n.size]`,
      [true, 1],
    ],
    ['a set', `structuredClone(new Set(['a', 1]))`, ['<Set>', 'a', 1]],
    [
      'a map that changes meanwhile',
      `const m = new Map([[1, { get x() { m.set(2, 2); return 1 } }]]); return structuredClone(m).size`,
      1,
    ],
    [
      'a class below Map is a Map',
      `class M extends Map {}; const n = structuredClone(new M([[1, 2]])); return [n.constructor === Map, n.get(1)]`,
      [true, 2],
    ],
    ['a fake tag', `structuredClone({ [Symbol.toStringTag]: 'Map', a: 1 })`, { a: 1 }],
    ['a fake prototype', `structuredClone(Object.assign(Object.create(Map.prototype), { a: 1 }))`, { a: 1 }],
    [
      'an error',
      `const e = structuredClone(new TypeError('why')); return [e instanceof TypeError, e.name, e.message, typeof e.stack]`,
      [true, 'TypeError', 'why', 'string'],
    ],
    ['its stack is the same', `const e = new Error('why'); return structuredClone(e).stack === e.stack`, true],
    [
      'a class of errors of the site',
      `class E extends RangeError { x = 1 } const e = structuredClone(Object.assign(new E('why'), { name: 'E' })); return [e.constructor === Error, e.name, e.message, e.x]`,
      [true, 'Error', 'why', '<undefined>'],
    ],
    [
      'an error without a message',
      `'message' in Object.getOwnPropertyDescriptors(structuredClone(new Error()))`,
      false,
    ],
    ['a cause', `structuredClone(new Error('a', { cause: new RangeError('b') })).cause.message`, 'b'],
    [
      'a DOMException',
      `const e = structuredClone(new DOMException('why', 'DataError')); return [e instanceof DOMException, e.name, e.message, e.code]`,
      [true, 'DataError', 'why', 0],
    ],
    [
      'a buffer',
      `const b = new Uint8Array([1, 2]).buffer; const c = structuredClone(b); return [c !== b, new Uint8Array(c)]`,
      [true, [1, 2]],
    ],
    [
      'a resizable buffer',
      `const b = structuredClone(new ArrayBuffer(2, { maxByteLength: 9 })); return [b.byteLength, b.maxByteLength, b.resizable]`,
      [2, 9, true],
    ],
    [
      'views',
      `[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array].map((T) => { const c = structuredClone(new T([1, 2])); return c instanceof T && c[1] === 2 && c.length === 2 })`,
      Array(9).fill(true),
    ],
    [
      'views of BigInts',
      `const c = structuredClone(new BigInt64Array([5n])); return [c instanceof BigInt64Array, c[0]]`,
      [true, '5n'],
    ],
    [
      'a Float16Array',
      `typeof Float16Array === 'undefined' || structuredClone(new Float16Array([1.5]))[0] === 1.5`,
      true,
    ],
    [
      'a DataView',
      `const c = structuredClone(new DataView(new Uint8Array([1, 2, 3]).buffer, 1, 1)); return [c instanceof DataView, c.byteOffset, c.byteLength, c.getUint8(0), c.buffer.byteLength]`,
      [true, 1, 1, 2, 3],
    ],
    [
      'two views of one buffer share one',
      `const b = new ArrayBuffer(4); const [x, y] = structuredClone([new Uint8Array(b, 1), new Uint8Array(b)]); x[0] = 7; return [x.buffer === y.buffer, y[1], x.byteOffset]`,
      [true, 7, 1],
    ],
    [
      'a Blob',
      `const b = structuredClone(new Blob(['abc'], { type: 'text/x' })); return [b instanceof Blob, b.type, await b.text()]`,
      [true, 'text/x', 'abc'],
    ],
    [
      'a File',
      `const f = structuredClone(new File(['abc'], 'n', { lastModified: 5 })); return [f instanceof File, f.name, f.lastModified, await f.text()]`,
      [true, 'n', 5, 'abc'],
    ],
    ['a promise', `structuredClone(Promise.resolve())`, cannot],
    ['a WeakMap', `structuredClone(new WeakMap())`, cannot],
    ['a Response', `structuredClone(new Response())`, cannot],
    ['a URL', `structuredClone(new URL('https://example.com'))`, cannot],
    ['an event target', `structuredClone(new EventTarget())`, cannot],
    ['a stream that is not transferred', `structuredClone(new ReadableStream())`, cannot],
    ['too deep', `let a = {}; for (let i = 0; i < 1e5; i++) a = { a }; structuredClone(a)`, throws('RangeError')],
  ])
})

t.test('buffers are transferred', async (t) => {
  await checkRows(t, [
    [
      'a buffer',
      `const b = new Uint8Array([1, 2]).buffer; const c = structuredClone(b, { transfer: [b] }); return [b.byteLength, b.detached, new Uint8Array(c)]`,
      [0, true, [1, 2]],
    ],
    [
      'a view of it',
      `const v = new Uint8Array([1, 2]); const c = structuredClone({ v }, { transfer: [v.buffer] }); return [v.length, c.v]`,
      [0, [1, 2]],
    ],
    [
      'what is not in the value is detached as well',
      `const b = new ArrayBuffer(1); structuredClone(1, { transfer: [b] }); return b.detached`,
      true,
    ],
    ['twice', `const b = new ArrayBuffer(1); structuredClone(b, { transfer: [b, b] })`, cannot],
    [
      'detached before',
      `const b = new ArrayBuffer(1); structuredClone(b, { transfer: [b] }); structuredClone(b, { transfer: [b] })`,
      cannot,
    ],
    [
      'a detached buffer',
      `const b = new ArrayBuffer(1); structuredClone(b, { transfer: [b] }); structuredClone(b)`,
      cannot,
    ],
    [
      'a view of a detached buffer',
      `const v = new Uint8Array(1); structuredClone(v, { transfer: [v.buffer] }); structuredClone(v)`,
      cannot,
    ],
    ['what cannot be', `structuredClone({}, { transfer: [{}] })`, cannot],
    ['a primitive', `structuredClone({}, { transfer: [1] })`, cannot],
    ['a list that is none', `structuredClone({}, { transfer: 5 })`, throws('TypeError')],
    [
      'a failure detaches nothing',
      `const b = new ArrayBuffer(3); try { structuredClone(() => {}, { transfer: [b] }) } catch {} return [b.byteLength, b.detached]`,
      [3, false],
    ],
    [
      'a port',
      `const { port1, port2 } = new MessageChannel(); const p = structuredClone(port1, { transfer: [port1] }); p.postMessage('hi'); return [p instanceof MessagePort, await new Promise((resolve) => { port2.onmessage = (e) => resolve(e.data) })]`,
      [true, 'hi'],
    ],
    [
      'a port twice',
      `const { port1 } = new MessageChannel(); structuredClone(port1, { transfer: [port1] }); structuredClone(port1, { transfer: [port1] })`,
      cannot,
    ],
    ['a port that is not in the list', `structuredClone(new MessageChannel().port1)`, cannot],
  ])
})
