import t from 'tap'
import { HeldMap } from '../../core/held-map.ts'

t.test('it does what a map does', (t) => {
  const map = new HeldMap<string, number>()
  t.equal(map.get('a'), undefined)
  t.equal(map.delete('a'), false)
  map.set('a', 1)
  map.set('b', 2)
  map.set('a', 3)
  t.equal(map.get('a'), 3)
  t.equal(map.has('b'), true)
  t.equal(map.size, 2)
  t.same(map.values(), [3, 2])
  t.same(map.entries(), [
    ['a', 3],
    ['b', 2],
  ])
  t.equal(map.delete('a'), true)
  t.equal(map.has('a'), false)
  t.same(map.values(), [2])
  map.clear()
  t.equal(map.size, 0)
  t.equal(map.get('b'), undefined)
  t.end()
})

t.test('what is walked may change meanwhile', (t) => {
  const map = new HeldMap<number, string>()
  for (const key of [1, 2, 3]) map.set(key, `${key}`)
  const seen: string[] = []
  for (const value of map.values()) {
    seen.push(value)
    map.delete(2)
    map.set(9, 'nine')
  }
  t.same(seen, ['1', '2', '3'])
  t.same(map.values(), ['1', '3', 'nine'])
  t.end()
})
