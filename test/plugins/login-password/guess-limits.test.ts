import t from 'tap'
import { createGuessLimits } from '../../../plugins/login-password/guess-limits.ts'

const day = 86_400_000

function setup(maxKeys = 1_000) {
  const clock = { nowMs: 1_000_000 }
  const limits = createGuessLimits({
    account: { burst: 3, everyMs: 60_000 },
    address: { burst: 5, everyMs: 10_000 },
    knownMs: day,
    maxKeys,
    now: () => clock.nowMs,
  })
  const waits = (userId: string | undefined, address: string, count: number) =>
    Array.from({ length: count }, () => limits.take(userId, address).waitMs)
  return { clock, limits, waits }
}

t.test('an account has a burst of attempts from wherever they come, then one at a time', (t) => {
  const { clock, waits } = setup()
  t.same(waits('ada', '192.0.2.1', 1), [0])
  t.same(waits('ada', '192.0.2.2', 1), [0])
  t.same(waits('ada', '192.0.2.3', 3), [0, 60_000, 60_000], 'waiting is not charged')
  t.same(waits('bob', '192.0.2.3', 1), [0], 'another account is not held up')
  clock.nowMs += 59_999
  t.same(waits('ada', '192.0.2.4', 1), [1])
  clock.nowMs += 1
  t.same(waits('ada', '192.0.2.4', 2), [0, 60_000])
  clock.nowMs += day
  t.same(waits('ada', '192.0.2.5', 4), [0, 0, 0, 60_000], 'a quiet day gives one burst back, not more')
  t.end()
})

t.test('an address has a burst of attempts at whatever account', (t) => {
  const { clock, waits } = setup()
  for (const user of ['a', 'b', 'c', 'd', undefined]) t.same(waits(user, '192.0.2.1', 1), [0])
  t.same(waits('e', '192.0.2.1', 1), [10_000])
  t.same(waits(undefined, '192.0.2.1', 1), [10_000])
  t.same(waits('e', '192.0.2.2', 1), [0])
  clock.nowMs += 10_000
  t.same(waits('e', '192.0.2.1', 2), [0, 10_000])
  t.end()
})

t.test('an IPv6 subscriber is one address', (t) => {
  const { waits } = setup()
  for (let i = 1; i <= 5; i += 1) t.same(waits(`u${i}`, `2001:db8:0:1::${i}`, 1), [0])
  t.same(waits('u6', '2001:db8:0:1:ffff::6', 1), [10_000])
  t.same(waits('u6', '2001:db8:0:2::6', 1), [0])
  t.end()
})

t.test('a right password gives the attempt back, and guesses of others no longer hold that address up', (t) => {
  const { clock, limits, waits } = setup()
  for (let i = 0; i < 20; i += 1) {
    const attempt = limits.take('ada', '192.0.2.1')
    t.equal(attempt.waitMs, 0)
    attempt.succeeded()
  }
  t.same(waits('ada', '203.0.113.9', 4), [0, 0, 0, 60_000], 'somebody else guesses at ada')
  t.same(waits('ada', '192.0.2.1', 6), [0, 0, 0, 0, 0, 10_000], 'the known address has its own limit still')
  t.same(waits('ada', '203.0.113.10', 1), [60_000], 'and unknown ones wait')
  clock.nowMs += day
  t.same(waits('ada', '192.0.2.1', 4), [0, 0, 0, 60_000], 'known for a while only')
  t.end()
})

t.test('an attempt that was given back was never made', (t) => {
  const { limits, waits } = setup()
  for (let i = 0; i < 20; i += 1) limits.take('ada', '192.0.2.1').giveBack()
  for (let i = 0; i < 20; i += 1) limits.take(undefined, '192.0.2.1').giveBack()
  t.same(waits('ada', '192.0.2.1', 4), [0, 0, 0, 60_000])
  t.end()
})

t.test('giving back or succeeding with an attempt that had to wait changes nothing', (t) => {
  const { limits, waits } = setup()
  waits('ada', '192.0.2.1', 3)
  limits.take('ada', '192.0.2.1').giveBack()
  limits.take('ada', '192.0.2.1').succeeded()
  t.same(waits('ada', '192.0.2.1', 1), [60_000])
  t.end()
})

t.test('what is remembered is bounded, and what was seen last is kept', (t) => {
  const { limits, waits } = setup(10)
  waits('ada', '192.0.2.1', 3)
  for (let i = 0; i < 9; i += 1) waits(`user${i}`, `198.51.100.${i}`, 1)
  t.same(waits('ada', '203.0.113.1', 1), [60_000], 'ten accounts are remembered')
  for (let i = 0; i < 10; i += 1) waits(`more${i}`, `198.51.101.${i}`, 1)
  t.same(waits('ada', '203.0.113.2', 1), [0], 'an eleventh takes the place of the one not seen for longest')
  for (let i = 0; i < 30; i += 1) limits.take('bob', `198.51.102.${i}`).succeeded()
  t.equal(limits.take('bob', '198.51.102.29').waitMs, 0)
  t.end()
})
