import t from 'tap'
import { DOMException } from '../../../sandbox/guest/dom-exception.ts'
import { describe, describeJson } from '../../../sandbox/guest/errors.ts'
import { loadSite } from './isolate.ts'
import './node-host.ts'

t.test('errors are told by name, message and stack', async (t) => {
  t.match(describe(new TypeError('why')), { name: 'TypeError', message: 'why', stack: /^TypeError: why\n {4}at / })
  t.match(describe(new DOMException('why', 'DataError')), {
    name: 'DataError',
    message: 'why',
    stack: /^DataError: why\n/,
  })
  t.match(describe(new Error('a', { cause: new RangeError('b', { cause: 'c' }) })), {
    stack: /^Error: a\n.*\nCaused by: RangeError: b\n.*\nCaused by: c$/s,
  })
})

t.test('anything else that was thrown is told as well', async (t) => {
  const hostile = {
    get message(): string {
      throw new Error('a')
    },
    get stack(): string {
      throw new Error('b')
    },
  }
  const proxy = new Proxy(
    {},
    {
      get() {
        throw new Error('trap')
      },
      getPrototypeOf() {
        throw new Error('trap')
      },
      ownKeys() {
        throw new Error('trap')
      },
    },
  )
  const thrown: readonly (readonly [value: unknown, message: string])[] = [
    ['only a text', 'thrown: only a text'],
    [undefined, 'thrown: undefined'],
    [null, 'thrown: null'],
    [5, 'thrown: 5'],
    [Symbol('s'), 'thrown: Symbol(s)'],
    [10n, 'thrown: 10n'],
    [{ a: 1 }, 'thrown: { a: 1 }'],
    [() => {}, 'thrown: [Function (anonymous)]'],
    [hostile, 'thrown: { message: [Getter], stack: [Getter] }'],
    [proxy, 'thrown: [not inspectable]'],
    [{ message: 5, stack: {} }, 'thrown: { message: 5, stack: {} }'],
    [{ message: 'like an error' }, 'like an error'],
    [Object.create(null), 'thrown: [Object: null prototype] {}'],
  ]
  for (const [value, message] of thrown) t.equal(describe(value).message, message)
})

t.test('an error fits what crosses the bridge', async (t) => {
  const circle = new Error('circle')
  circle.cause = circle
  const deep = Array.from({ length: 100 }).reduce((cause) => new Error('x'.repeat(1_000), { cause }), undefined)
  const long = new Error('m'.repeat(100_000))
  long.name = 'n'.repeat(100_000)
  const control = new Error('\u0001'.repeat(100_000))
  control.stack = '\u0001'.repeat(100_000)
  const messages = Object.assign(new Error('\u0000'.repeat(1_500)), { name: '\u0000'.repeat(100), stack: '' })
  for (const error of [circle, deep, long, control, messages, { toJSON: () => 'x' }]) {
    const text = describeJson(error)
    t.ok(text.length <= 8_192, `${text.length}`)
    t.strictSame(Object.keys(JSON.parse(text)).sort(), ['message', 'name', 'stack'])
  }
})

t.test('a toJSON on the prototype of objects is not asked', async (t) => {
  Object.defineProperty(Object.prototype, 'toJSON', { value: () => 'patched', configurable: true })
  t.teardown(() => Reflect.deleteProperty(Object.prototype, 'toJSON'))
  t.equal(JSON.parse(describeJson(new Error('why'))).message, 'why')
})

t.test('what a handler throws comes to the log, however it is made', async (t) => {
  const site = await loadSite(`
    const thrown = [
      () => { throw new TypeError('plain') },
      () => { throw { get message() { throw 1 } } },
      () => { throw new Proxy({}, { get() { throw 2 } }) },
      () => { class E extends Error { get name() { throw 3 } } throw new E('m') },
      () => { Error.prepareStackTrace = () => { throw 4 }; throw new Error('stack') },
      () => { throw undefined },
      async () => { throw new RangeError('later') },
      async () => { await null; throw Object.create(null) },
      () => { throw Object.defineProperty(new Error('a'), 'stack', { get() { throw 5 } }) },
      () => { (function f() { f() })() },
      () => 5,
      () => ({ then() { throw new Error('from a thenable') } }),
    ]
    var groveSite = { default: { fetch: (request) => thrown[+new URL(request.url).pathname.slice(1)]() } }`)
  const messages: unknown[] = []
  for (let index = 0; index < 12; index++) {
    const { error, head } = await site.ask(`https://a.example/${index}`)
    t.equal(head, undefined)
    t.notMatch(error?.stack, /\/work\/|node:|file:/)
    messages.push(error?.message)
  }
  t.strictSame(messages, [
    'plain',
    'thrown: { message: [Getter] }',
    'thrown: {}',
    'm',
    'stack',
    'thrown: undefined',
    'later',
    'thrown: [Object: null prototype] {}',
    'a',
    'Maximum call stack size exceeded',
    'the handler gave something that is no Response',
    'from a thenable',
  ])
  site.isolate.dispose()
})
