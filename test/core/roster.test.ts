import t from 'tap'
import { Roster } from '../../core/roster.ts'

t.test('what comes stands at the end, and what leaves is gone', (t) => {
  const roster = new Roster<string>()
  t.same([...roster], [])
  const places = ['a', 'b', 'c', 'd'].map((item) => roster.add(item))
  t.same([...roster], ['a', 'b', 'c', 'd'])
  t.equal(roster.size, 4)
  for (const at of [2, 0, 0, 3]) places[at]?.leave()
  t.same([...roster], ['b'])
  t.equal(roster.size, 1, 'leaving twice counts once')
  roster.add('e')
  places[1]?.leave()
  t.same([...roster], ['e'])
  t.end()
})

t.test('one that leaves while the list is walked is passed over, one that comes waits for the next time', (t) => {
  const roster = new Roster<number>()
  const places = [0, 1, 2, 3].map((item) => roster.add(item))
  const seen: number[] = []
  for (const item of roster) {
    seen.push(item)
    if (item === 0) for (const at of [0, 1]) places[at]?.leave()
    if (item === 2) roster.add(4)
  }
  t.same(seen, [0, 2, 3])
  t.same([...roster], [2, 3, 4])
  t.end()
})
