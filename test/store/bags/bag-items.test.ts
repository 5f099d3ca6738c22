import t from 'tap'
import { BagItems } from '../../../store/bags/bag-items.ts'

const item = (text: string, expiresAtMs?: number) => ({
  tag: text,
  value: Buffer.from(text),
  metadata: 'm',
  expiresAtMs,
})

function filled(...keys: string[]): BagItems {
  const items = new BagItems()
  for (const key of keys) items.set(key, item(key))
  return items
}

t.test('keys are listed in order, by prefix, page by page', async (t) => {
  const items = filled('b/2', 'a', 'b/1', 'c', 'b', 'b/3', 'b0')
  const list = (prefix: string, after?: string, limit = 100) => {
    const page = items.list({ prefix, after, limit }, 0)
    return [page.keys.map(({ key }) => key).join(' '), page.after]
  }
  t.same(list(''), ['a b b/1 b/2 b/3 b0 c', undefined])
  t.same(list('b/'), ['b/1 b/2 b/3', undefined])
  t.same(list('b/', undefined, 2), ['b/1 b/2', 'b/2'])
  t.same(list('b/', 'b/2', 2), ['b/3', undefined])
  t.same(list('b/', 'b/1x'), ['b/2 b/3', undefined], 'after a key that is not there')
  t.same(list('b/', 'a'), ['b/1 b/2 b/3', undefined], 'after a key before the prefix')
  t.same(list('b/', 'c'), ['', undefined])
  t.same(list('d'), ['', undefined])
  t.same(list('', undefined, 7), ['a b b/1 b/2 b/3 b0 c', undefined], 'a page that is full is not said to go on')
})

t.test('what it weighs is the sum of what it holds', async (t) => {
  const items = filled('a', 'ä')
  t.equal(items.bytes, 1 + 1 + 1 + (2 + 2 + 1))
  items.set('a', item('longer'))
  t.equal(items.bytes, 1 + 6 + 1 + 5)
  items.delete('ä')
  items.delete('never there')
  t.equal(items.bytes, 8)
  items.clear()
  t.same([items.bytes, items.size, items.entries()], [0, 0, []])
})

t.test('what has expired is not there, and takes room until it is forgotten', async (t) => {
  const items = filled('a')
  items.set('b', item('b', 10))
  t.equal(items.get('b', 9)?.tag, 'b')
  t.equal(items.get('b', 10), undefined)
  t.same(
    items.list({ prefix: '', limit: 5 }, 10).keys.map(({ key }) => key),
    ['a'],
  )
  t.equal(items.size, 2)
  items.expire(10)
  t.same([items.size, items.stored('b')], [1, undefined])
})
