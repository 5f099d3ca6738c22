import fc from 'fast-check'
import t from 'tap'
import { ByteCache } from '../../proxy/byte-cache.ts'

const kilobyte = (fill: number) => Buffer.alloc(1_024, fill)

t.test('a cache holds what fits and lets the oldest go first', (t) => {
  const cache = new ByteCache(5_000)
  for (const key of ['a', 'b', 'c', 'd']) cache.set(key, kilobyte(1))
  t.equal(cache.get('a'), undefined)
  t.same(cache.get('d'), kilobyte(1))
  t.ok(cache.bytes <= 5_000)
  t.end()
})

t.test('what is asked for stays longer than what is not', (t) => {
  const cache = new ByteCache(5_000)
  for (const key of ['a', 'b', 'c']) cache.set(key, kilobyte(1))
  cache.get('a')
  cache.set('d', kilobyte(1))
  t.ok(cache.get('a'), 'asked for')
  t.notOk(cache.get('b'), 'not asked for')
  t.end()
})

t.test('a content that is larger than the cache is not kept and drives nothing out', (t) => {
  const cache = new ByteCache(5_000)
  cache.set('a', kilobyte(1))
  cache.set('b', Buffer.alloc(5_000))
  t.ok(cache.get('a'))
  t.notOk(cache.get('b'))
  t.end()
})

t.test('a key that is there keeps its content', (t) => {
  const cache = new ByteCache(5_000)
  cache.set('a', kilobyte(1))
  const { bytes } = cache
  cache.set('a', kilobyte(2))
  t.same(cache.get('a'), kilobyte(1))
  t.equal(cache.bytes, bytes)
  t.end()
})

t.test('whatever is done, the bound holds and the sum is right', (t) => {
  const action = fc.record({ key: fc.constantFrom(...'abcdefghij'), bytes: fc.nat(2_500), isRead: fc.boolean() })
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const cache = new ByteCache(6_000)
      for (const { key, bytes, isRead } of actions) {
        if (isRead) cache.get(key)
        else cache.set(key, Buffer.alloc(bytes))
        if (cache.bytes > 6_000) throw new Error(`${cache.bytes} bytes`)
      }
      const held = [...'abcdefghij'].map((key) => cache.get(key)).filter((content) => content !== undefined)
      const sum = held.reduce((total, content) => total + content.length + 512, 0)
      if (sum !== cache.bytes) throw new Error(`${sum} held, ${cache.bytes} counted`)
    }),
  )
  t.end()
})
