import t from 'tap'
import {
  defineInterface,
  definePairIterable,
  interfaceOf,
  internal,
  requireInternal,
} from '../../../sandbox/guest/idl.ts'

class Pairs {
  readonly #list: [string, number][] = [
    ['a', 1],
    ['b', 2],
  ]

  constructor(key: unknown = undefined) {
    requireInternal(key)
  }

  static read(pairs: Pairs): [string, number][] {
    return pairs.#list
  }

  get size(): number {
    return this.#list.length
  }

  add(name: string): void {
    this.#list.push([name, 0])
  }
}
definePairIterable(Pairs, 'Pairs', (pairs) => Pairs.read(pairs))
defineInterface(Pairs, { name: 'PairList', constants: { MOST: 5 } })

type Iterated = Iterable<[string, number]> & {
  entries(): IterableIterator<[string, number]>
  keys(): IterableIterator<string>
  values(): IterableIterator<number>
  forEach(each: unknown, self?: unknown): void
}

t.test('an interface looks as Web IDL says', async (t) => {
  t.equal(Pairs.name, 'PairList')
  t.equal(Object.prototype.toString.call(new Pairs(internal)), '[object PairList]')
  t.throws(() => new Pairs(), /Illegal constructor/)
  const keys = Object.keys(Pairs.prototype)
  for (const key of ['size', 'add', 'entries', 'keys', 'values', 'forEach']) t.ok(keys.includes(key), key)
  t.notOk(keys.includes('constructor'))
  for (const owner of [Pairs, Pairs.prototype])
    t.match(Object.getOwnPropertyDescriptor(owner, 'MOST'), {
      value: 5,
      writable: false,
      enumerable: true,
      configurable: false,
    })
  t.throws(() => Reflect.get(Pairs.prototype, 'size'), TypeError)
})

t.test('it is iterable', async (t) => {
  const pairs = new Pairs(internal)
  const iterated = pairs as unknown as Iterated
  t.strictSame(
    [...iterated],
    [
      ['a', 1],
      ['b', 2],
    ],
  )
  t.strictSame(
    [[...iterated.keys()], [...iterated.values()]],
    [
      ['a', 'b'],
      [1, 2],
    ],
  )
  const walk = iterated.entries()
  walk.next()
  pairs.add('c')
  t.strictSame(
    [...walk],
    [
      ['b', 2],
      ['c', 0],
    ],
  )
  t.strictSame(walk.next(), { value: undefined, done: true })
  t.equal(String(walk), '[object PairList Iterator]'.replace('PairList', 'Pairs'))
  t.equal(Reflect.get(Object.getPrototypeOf(walk), 'constructor'), Reflect.get(Iterator.prototype, 'constructor'))
  t.throws(() => walk.next.call({} as never), TypeError)
  const seen: unknown[] = []
  iterated.forEach(function (this: unknown, value: number, key: string, self: unknown) {
    seen.push(this, value, key, self === pairs)
  }, 'me')
  t.strictSame(seen.slice(0, 4).map(String), ['me', '1', 'a', 'true'])
  t.throws(() => iterated.forEach(5), TypeError)
  t.equal(iterated.forEach.length, 1)
})

t.test('objects tell their interface by their prototypes', async (t) => {
  t.equal(interfaceOf(new Pairs(internal)), 'PairList')
  t.equal(interfaceOf(Object.create(Pairs.prototype)), 'PairList', 'which can be faked')
  t.equal(interfaceOf({}), undefined)
  t.equal(interfaceOf(Object.create(null)), undefined)
})
