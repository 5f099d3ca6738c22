import t from 'tap'
import { activeKey, type Turn, turnRing } from '../../core/key-ring.ts'

const times = { useMs: 100, announceMs: 10 }
const make = (activeFromMs: number): Turn => ({ activeFromMs, keepMs: 50 })
const starts = (ring: readonly Turn[]) => ring.map(({ activeFromMs }) => activeFromMs)

t.test('a ring begins with one key that is used at once', async (t) => {
  t.strictSame(starts(turnRing([], times, 1_000, make)), [1_000])
  t.throws(() => activeKey([], 0), TypeError)
})

const cases = [
  { name: 'nothing happens while the key is young', ring: [0], nowMs: 89, expected: [0], active: 0 },
  { name: 'the next key is announced before it is used', ring: [0], nowMs: 90, expected: [0, 100], active: 0 },
  { name: 'it is announced once', ring: [0, 100], nowMs: 99, expected: [0, 100], active: 0 },
  { name: 'it is used when its time comes', ring: [0, 100], nowMs: 100, expected: [0, 100], active: 100 },
  { name: 'the old key is kept for its while', ring: [0, 100], nowMs: 149, expected: [0, 100], active: 100 },
  { name: 'then it goes', ring: [0, 100], nowMs: 150, expected: [100], active: 100 },
  {
    name: 'after a long sleep the next key is announced all the same',
    ring: [0],
    nowMs: 5_000,
    expected: [0, 5_010],
    active: 0,
  },
  {
    name: 'what was announced before a long sleep is used after it',
    ring: [0, 100],
    nowMs: 5_000,
    expected: [100, 5_010],
    active: 100,
  },
  { name: 'a clock set back changes nothing', ring: [1_000, 1_100], nowMs: 5, expected: [1_000, 1_100], active: 1_000 },
]
for (const { name, ring, nowMs, expected, active } of cases) {
  t.test(name, async (t) => {
    const before = ring.map(make)
    const after = turnRing(before, times, nowMs, make)
    t.strictSame(starts(after), expected)
    t.equal(activeKey(after, nowMs).activeFromMs, active)
    t.equal(after === before, expected.join() === ring.join(), 'the same array when nothing changed')
  })
}
