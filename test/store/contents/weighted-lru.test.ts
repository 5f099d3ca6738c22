import t from 'tap'
import { WeightedLru } from '../../../store/contents/weighted-lru.ts'

t.test('what was used longest ago goes first, by weight', async (t) => {
  const lru = new WeightedLru<string>(10, (text) => text.length)
  lru.set('a', 'aaaa')
  lru.set('b', 'bbbb')
  t.equal(lru.get('a'), 'aaaa')
  lru.set('c', 'cc')
  t.equal(lru.weight, 10)
  lru.set('d', 'd')
  t.same([lru.get('a'), lru.get('b'), lru.get('c'), lru.get('d')], ['aaaa', undefined, 'cc', 'd'])
  lru.set('a', 'a')
  t.equal(lru.weight, 4, 'one that is replaced weighs what it does now')
  lru.set('e', 'e'.repeat(11))
  t.equal(lru.get('e'), undefined, 'what is too heavy alone is not kept')
  t.equal(lru.get('a'), 'a', 'and pushes nothing out')
  lru.set('a', 'a'.repeat(11))
  t.equal(lru.get('a'), undefined, 'nor does the old value stay')
  lru.delete('nobody')
  lru.delete('c')
  t.equal(lru.weight, 1)
})
