import t from 'tap'
import { interfaces } from '../../../sandbox/guest/globals.ts'
import { enter } from '../../../sandbox/guest/host.ts'
import { loadSite } from './isolate.ts'
import { nodeHost } from './node-host.ts'

const guestConsole = interfaces.console as unknown as Console & { readonly timeLog: (...args: unknown[]) => void }

/** What calls of the console write. */
function written(run: (console: typeof guestConsole) => void): string[] {
  nodeHost.lines.length = 0
  // Another request each time: what one has said too much is not held against the next.
  enter(1)
  run(guestConsole)
  return nodeHost.lines.map(({ text }) => text)
}

t.test('each level has its own number', async (t) => {
  written((console) => {
    console.debug('a')
    console.log('b')
    console.info('c')
    console.warn('d')
    console.error('e')
    console.trace('f')
    console.dir('g')
    console.dirxml('h')
    console.assert(false, 'i')
  })
  t.strictSame(
    nodeHost.lines.map(({ level }) => level),
    [1, 2, 2, 3, 4, 1, 2, 2, 4],
  )
})

const formats: readonly (readonly [args: unknown[], text: string])[] = [
  [[], ''],
  [['a', 'b', 1], 'a b 1'],
  [[1, 'a'], '1 a'],
  [['%s is %d', 'a', 5], 'a is 5'],
  [['%s', 'a', 'b'], 'a b'],
  [['%s'], '%s'],
  [['%s %s', 'a'], 'a %s'],
  [['100%', 'x'], '100% x'],
  [['100%% %s', 'x'], '100% x'],
  [['%x', 'a'], '%x a'],
  [['%i', 5.9], '5'],
  [['%f', '1.5'], '1.5'],
  [['%d', {}], 'NaN'],
  [['%d', 5n], '5'],
  [['%i', Symbol()], 'NaN'],
  [['%c red', 'color: red'], ' red'],
  [['%o', { a: 1 }], '{ a: 1 }'],
  [['%O and %j', [1], [2]], '[ 1 ] and [ 2 ]'],
  [['%s', { a: 1 }], '{ a: 1 }'],
  [['a%', 1], 'a% 1'],
]

t.test('the first text is a format', async (t) => {
  for (const [args, text] of formats)
    t.strictSame(
      written((console) => console.log(...args)),
      args.length === 0 ? [] : [text],
      JSON.stringify(args, (_, value) =>
        typeof value === 'bigint' || typeof value === 'symbol' ? String(value) : value,
      ),
    )
})

class Point {
  x = 1
  #hidden = 2
  get y() {
    return this.#hidden
  }
}

const circle: Record<string, unknown> = { a: 1 }
circle['self'] = circle

const values: readonly (readonly [value: unknown, text: string])[] = [
  ['a', 'a'],
  [['a'], "[ 'a' ]"],
  [["it's"], '[ "it\'s" ]'],
  [['a\nb\t\u0001'], "[ 'a\\nb\\t\\x01' ]"],
  [undefined, 'undefined'],
  [null, 'null'],
  [-0, '-0'],
  [10n, '10n'],
  [Symbol('s'), 'Symbol(s)'],
  [() => {}, '[Function (anonymous)]'],
  [function named() {}, '[Function: named]'],
  [Point, '[Function: Point]'],
  [new Point(), 'Point { x: 1 }'],
  [{ 'a-b': 1, [Symbol('s')]: 2 }, "{ 'a-b': 1, [Symbol(s)]: 2 }"],
  [Object.create(null), '[Object: null prototype] {}'],
  [{}, '{}'],
  [[], '[]'],
  [Object.assign(new Array(3), { 0: 1, 2: 3 }), '[ 1, <empty>, 3 ]'],
  [Object.assign([1], { a: 2 }), '[ 1, a: 2 ]'],
  [circle, '{ a: 1, self: [Circular] }'],
  [{ a: { b: { c: { d: { e: 1 } } } } }, '{ a: { b: { c: { d: [Object] } } } }'],
  [new Map<unknown, unknown>([['a', { b: 1 }]]), "Map(1) { 'a' => { b: 1 } }"],
  [new Set([1, 'a']), "Set(2) { 1, 'a' }"],
  [new Uint8Array([1, 2]), 'Uint8Array(2) [ 1, 2 ]'],
  [new Uint8Array(3).buffer, 'ArrayBuffer { byteLength: 3 }'],
  [new DataView(new ArrayBuffer(3), 1), 'DataView { byteLength: 2 }'],
  [new Date(0), '1970-01-01T00:00:00.000Z'],
  [new Date(Number.NaN), 'Invalid Date'],
  [/a\/b/g, '/a\\/b/g'],
  [Promise.resolve(1), 'Promise { … }'],
  [new WeakMap(), 'WeakMap { … }'],
  [new Number(5), '[Number: 5]'],
  [new String('a'), "[String: 'a']"],
  [
    {
      get a() {
        throw new Error('never run')
      },
    },
    '{ a: [Getter] }',
  ],
  [{ set a(_: number) {} }, '{ a: [Setter] }'],
  [
    {
      get a() {
        return 1
      },
      set a(_: number) {},
    },
    '{ a: [Getter/Setter] }',
  ],
  [Array.from({ length: 102 }, () => 0), `[\n${'  0,\n'.repeat(100)}  … 2 more\n]`],
  [{ a: 'x'.repeat(80) }, `{\n  a: '${'x'.repeat(80)}'\n}`],
  [
    new Proxy(
      {},
      {
        ownKeys() {
          throw new Error('trap')
        },
      },
    ),
    '[not inspectable]',
  ],
  [new interfaces.URL('https://example.com/'), "URL { href: 'https://example.com/' }"],
  [new interfaces.Headers([['a', 'b']]), "Headers { 'a' => 'b' }"],
  [new interfaces.Blob(['abc']), "Blob { type: '', size: 3 }"],
  [
    new interfaces.Request('https://example.com/', { method: 'PUT', headers: { a: 'b' } }),
    `Request {\n  method: 'PUT',\n  url: 'https://example.com/',\n  headers: Headers { 'a' => 'b' },\n  bodyUsed: false\n}`,
  ],
]

t.test('values are shown for people', async (t) => {
  for (const [value, text] of values)
    t.strictSame(
      written((console) => console.log(value)),
      [text],
      text.slice(0, 60),
    )
})

t.test('errors are shown with their stacks and causes', async (t) => {
  const [text = ''] = written((console) => console.log(new TypeError('why', { cause: new RangeError('deeper') })))
  t.match(text, /^TypeError: why\n {4}at /)
  t.match(text, /\[cause\]: RangeError: deeper\n/)
  t.strictSame(
    written((console) => console.log(Object.assign(new Error('why'), { stack: undefined }))),
    ['[Error: why]'],
  )
  const [inner = ''] = written((console) => console.log({ error: new Error('inside') }))
  t.match(inner, /^\{\n {2}error: Error: inside\n/)
})

t.test('groups, counts, timers and tables', async (t) => {
  t.strictSame(
    written((console) => {
      console.group('g')
      console.log('a\nb')
      console.groupCollapsed('h')
      console.log('c')
      console.groupEnd()
      console.groupEnd()
      console.groupEnd()
      console.log('d')
    }),
    ['g', '  a\n  b', '  h', '    c', 'd'],
  )
  t.strictSame(
    written((console) => {
      console.count()
      console.count()
      console.count('x')
      console.countReset()
      console.count()
      console.countReset('y')
    }),
    ['default: 1', 'default: 2', 'x: 1', 'default: 1', 'there is no count "y"'],
  )
  t.strictSame(
    written((console) => {
      console.time('t')
      console.time('t')
      console.timeLog('t', 5)
      console.timeEnd('t')
      console.timeEnd('t')
    }),
    ['there is a timer "t" already', 't: 0ms 5', 't: 0ms', 'there is no timer "t"'],
  )
  t.strictSame(
    written((console) => console.table([{ a: 1, b: 'x' }, { b: 2 }, 5])),
    [
      "│ (index) │ a │ b   │ Values │\n│ 0       │ 1 │ 'x' │        │\n│ 1       │   │ 2   │        │\n│ 2       │   │     │ 5      │",
    ],
  )
  t.strictSame(
    written((console) => console.table([{ a: 1, b: 2 }], ['b'])),
    ['│ (index) │ b │\n│ 0       │ 2 │'],
  )
  t.strictSame(
    written((console) => console.table(5)),
    ['5'],
  )
  t.strictSame(
    written((console) => console.table([])),
    ['[]'],
  )
  t.strictSame(
    written((console) => console.assert(true, 'x')),
    [],
  )
  t.strictSame(
    written((console) => console.assert(false)),
    ['Assertion failed'],
  )
  t.strictSame(
    written((console) => console.assert(false, 'a %s', 'b')),
    ['Assertion failed: a b'],
  )
  t.strictSame(
    written((console) => console.clear()),
    [],
  )
  t.match(
    written((console) => console.trace('here')),
    [/^Trace: here\n {4}at /],
  )
})

t.test('what is written is bounded', async (t) => {
  const long = { list: Array.from({ length: 200 }, () => 'x'.repeat(10_000)) }
  for (const value of ['x'.repeat(1_000_000), long, [long, long], 10n ** 20_000n, new Map([[1, long]])])
    for (const text of written((console) => console.log(value, value))) t.ok(text.length <= 16_384, `${text.length}`)
  let deep: unknown = 1
  for (let depth = 0; depth < 100_000; depth++) deep = [deep]
  t.strictSame(
    written((console) => console.log(deep)),
    ['[ [ [ [ [Array] ] ] ] ]'],
  )
  written((console) => {
    for (let index = 0; index < 1_000; index++) console.count(`c${index}`)
  })
  t.equal(nodeHost.lines.length, 1_000)
})

t.test('lines come to the host with their request, and end when it takes no more', async (t) => {
  const lines: { readonly owner: number; readonly text: string }[] = []
  const site = await loadSite(
    `console.log('loading', { a: [1] })
    var groveSite = { default: { async fetch(request) {
      for (let n = 0; n < 5; n++) console.log(request.url, n)
      const { log } = console
      log('free of its object')
      return new Response(Object.prototype.toString.call(console))
    } } }`,
    {
      host: {
        log(owner, _level, text) {
          if (lines.filter((line) => line.owner === owner).length === 3) return -7
          lines.push({ owner, text })
          return 0
        },
      },
    },
  )
  t.match(await site.ask('https://a.example/1'), { body: '[object console]' })
  t.match(await site.ask('https://a.example/2'), { body: '[object console]' })
  t.strictSame(lines, [
    { owner: 0, text: 'loading { a: [ 1 ] }' },
    ...[0, 1, 2].map((n) => ({ owner: 1, text: `https://a.example/1 ${n}` })),
    ...[0, 1, 2].map((n) => ({ owner: 2, text: `https://a.example/2 ${n}` })),
  ])
  site.isolate.dispose()
})
