import t from 'tap'
import { setNewest } from '../../core/newest.ts'

t.test('a key that is set is the newest, and the oldest go beyond the bound', (t) => {
  const map = new Map<string, number>()
  for (const [index, key] of ['a', 'b', 'c'].entries()) setNewest(map, key, index, 3)
  setNewest(map, 'a', 3, 3)
  t.same(
    [...map],
    [
      ['b', 1],
      ['c', 2],
      ['a', 3],
    ],
  )
  setNewest(map, 'd', 4, 3)
  t.same([...map.keys()], ['c', 'a', 'd'])
  setNewest(map, 'e', 5, 1)
  t.same([...map], [['e', 5]], 'also when the bound has become smaller')
  t.end()
})
