import t from 'tap'
import { Headers } from '../../../sandbox/guest/headers.ts'
import { createRequestHost } from './fixtures/request-host.ts'

createRequestHost()
const list = (headers: Headers) => [...(headers as unknown as Iterable<[string, string]>)]

t.test('what Headers can be made of', (t) => {
  const cases: { name: string; init: unknown; expected: [string, string][] }[] = [
    { name: 'nothing', init: undefined, expected: [] },
    { name: 'an empty record', init: {}, expected: [] },
    {
      name: 'a record',
      init: { B: '2', a: '1' },
      expected: [
        ['a', '1'],
        ['b', '2'],
      ],
    },
    { name: 'numbers become text', init: { a: 1 }, expected: [['a', '1']] },
    { name: 'undefined becomes text', init: { a: undefined }, expected: [['a', 'undefined']] },
    {
      name: 'pairs',
      init: [
        ['a', '1'],
        ['A', '2'],
      ],
      expected: [['a', '1, 2']],
    },
    { name: 'pairs that are sets', init: new Set([new Set(['x', 'y'])]), expected: [['x', 'y']] },
    { name: 'a map', init: new Map([['x', 'y']]), expected: [['x', 'y']] },
    { name: 'other Headers', init: new Headers({ a: 'b' }), expected: [['a', 'b']] },
    {
      name: 'what is not enumerable is left out',
      init: Object.defineProperty({ a: '1' }, 'b', { value: '2' }),
      expected: [['a', '1']],
    },
    { name: 'what is inherited is left out', init: Object.create({ a: '1' }), expected: [] },
    { name: 'white space around a value is taken off', init: { a: '\t b c \r\n' }, expected: [['a', 'b c']] },
    { name: 'an empty value', init: { a: '' }, expected: [['a', '']] },
    { name: 'a value of Latin-1', init: { a: '\u00e9' }, expected: [['a', '\u00e9']] },
    { name: 'control characters but NUL, CR and LF', init: { a: 'a\u0001b' }, expected: [['a', 'a\u0001b']] },
  ]
  for (const { name, init, expected } of cases) t.same(list(new Headers(init)), expected, name)
  t.end()
})

t.test('what they cannot be made of is a TypeError', (t) => {
  const inits: [string, unknown][] = [
    ['null', null],
    ['a number', 1],
    ['a string', 'a: b'],
    ['a pair of one', [['a']]],
    ['a pair of three', [['a', 'b', 'c']]],
    ['a pair that is a string', ['ab']],
    ['an iterator that is none', { [Symbol.iterator]: 1 }],
    ['a symbol as a name', { [Symbol('x')]: 'a' }],
    ['an empty name', [['', 'x']]],
    ['a name with a space', [['a b', 'x']]],
    ['a name with a colon', [['a:', 'x']]],
    ['a name with CR', [['a\r', 'x']]],
    ['a name with LF', [['a\n', 'x']]],
    ['a name with NUL', [['a\0', 'x']]],
    ['a name above ASCII', [['\u00e4', 'x']]],
    ['a value with LF inside', [['a', 'x\ny']]],
    ['a value with CR inside', [['a', 'x\ry']]],
    ['a value that splits the answer', [['a', 'x\r\nset-cookie: a=b']]],
    ['a value with NUL', [['a', 'x\0y']]],
    ['a value that is NUL', [['a', '\0']]],
    ['a value above U+00FF', [['a', '\u0100']]],
    ['a lone surrogate', [['a', '\ud800']]],
    ['a symbol as a value', [['a', Symbol('x')]]],
  ]
  for (const [name, init] of inits) t.throws(() => new Headers(init), TypeError, name)
  t.end()
})

t.test('names are compared without case, values are joined, and iteration is sorted', (t) => {
  const headers = new Headers({ 'X-B': '1' })
  headers.append('x-a', '2')
  headers.append('x-b', '3')
  t.equal(headers.get('X-b'), '1, 3')
  t.equal(headers.get('x-c'), null)
  t.equal(headers.has('X-A'), true)
  t.equal(headers.has('x-c'), false)
  t.same(list(headers), [
    ['x-a', '2'],
    ['x-b', '1, 3'],
  ])
  headers.set('X-B', '4')
  t.equal(headers.get('x-b'), '4')
  headers.delete('x-a')
  headers.delete('x-none')
  t.same(list(headers), [['x-b', '4']])
  t.end()
})

t.test('set replaces the first and takes out the others', (t) => {
  const headers = new Headers([
    ['a', '1'],
    ['b', '2'],
    ['a', '3'],
    ['c', '4'],
    ['a', '5'],
  ])
  headers.set('a', 'x')
  t.same(list(headers), [
    ['a', 'x'],
    ['b', '2'],
    ['c', '4'],
  ])
  t.end()
})

t.test('each cookie stands apart', (t) => {
  const headers = new Headers([
    ['Set-Cookie', 'a=1; Path=/'],
    ['x', 'y'],
    ['set-cookie', 'b=2'],
  ])
  t.same(headers.getSetCookie(), ['a=1; Path=/', 'b=2'])
  t.equal(headers.get('set-cookie'), 'a=1; Path=/, b=2')
  t.same(list(headers), [
    ['set-cookie', 'a=1; Path=/'],
    ['set-cookie', 'b=2'],
    ['x', 'y'],
  ])
  t.same(list(new Headers(headers)), list(headers))
  t.same(new Headers().getSetCookie(), [])
  headers.delete('set-cookie')
  t.same(list(headers), [['x', 'y']])
  t.end()
})

t.test('a walk sees what is changed meanwhile', (t) => {
  const headers = new Headers({ a: '1', b: '2', c: '3' })
  const seen: string[] = []
  for (const [name] of headers as unknown as Iterable<[string, string]>) {
    seen.push(name)
    if (name === 'a') headers.delete('b')
    if (name === 'c' && seen.length < 5) headers.append('d', '4')
  }
  t.same(seen, ['a', 'c', 'd'])
  t.end()
})

t.test('it is an interface of Web IDL', (t) => {
  const { prototype } = Headers as unknown as { prototype: Record<PropertyKey, (...args: unknown[]) => unknown> }
  t.equal(Object.prototype.toString.call(new Headers()), '[object Headers]')
  t.equal(Headers.length, 0)
  const lengths = {
    append: 2,
    delete: 1,
    get: 1,
    getSetCookie: 0,
    has: 1,
    set: 2,
    entries: 0,
    keys: 0,
    values: 0,
    forEach: 1,
  }
  for (const [name, length] of Object.entries(lengths)) {
    t.equal(prototype[name]?.length, length, name)
    t.equal(Object.getOwnPropertyDescriptor(prototype, name)?.enumerable, true, name)
    t.throws(() => prototype[name]?.call({}, 'a', 'b'), TypeError, `${name} of another object`)
  }
  t.equal(prototype[Symbol.iterator], prototype['entries'])
  for (const name of ['append', 'set'] as const) t.throws(() => prototype[name]?.call(new Headers(), 'a'), TypeError)
  for (const name of ['get', 'has', 'delete'] as const) t.throws(() => prototype[name]?.call(new Headers()), TypeError)
  const keys: string[] = []
  ;(new Headers({ b: '1', a: '2' }) as unknown as Map<string, string>).forEach((value, key) => {
    keys.push(key + value)
  })
  t.same(keys, ['a2', 'b1'])
  t.end()
})

t.test('conversions run in order, and a change in them does no harm', (t) => {
  const order: string[] = []
  const text = (name: string) => ({
    toString() {
      order.push(name)
      return name
    },
  })
  const headers = new Headers()
  headers.append(text('n'), text('v'))
  t.same(order, ['n', 'v'])
  const evil = {
    toString() {
      headers.delete('n')
      return 'w'
    },
  }
  headers.set('x', evil)
  t.same(list(headers), [['x', 'w']])
  t.end()
})
