import t from 'tap'
import { createBudgets } from '../../certs/budgets.ts'

const hourMs = 3_600_000

t.test('so many at once, then so many an hour, for each', async (t) => {
  let nowMs = 0
  const budgets = createBudgets({ burst: 3, perHour: 2 }, 10, () => nowMs)
  for (let count = 0; count < 3; count += 1) t.equal(budgets.take('one'), true)
  t.equal(budgets.take('one'), false)
  t.equal(budgets.has('one'), false)
  t.equal(budgets.take('other'), true, 'others have their own')
  nowMs += hourMs / 2
  t.equal(budgets.has('one'), true)
  t.equal(budgets.take('one'), true)
  t.equal(budgets.take('one'), false)
  nowMs += 1_000 * hourMs
  for (let count = 0; count < 3; count += 1) t.equal(budgets.take('one'), true, 'never more than a burst')
  t.equal(budgets.take('one'), false)
})

t.test('asking takes nothing, and neither does being refused', async (t) => {
  let nowMs = 0
  const budgets = createBudgets({ burst: 1, perHour: 1 }, 10, () => nowMs)
  t.equal(budgets.has('one'), true)
  t.equal(budgets.has('one'), true)
  t.equal(budgets.take('one'), true)
  for (let count = 0; count < 100; count += 1) budgets.take('one')
  nowMs += hourMs
  t.equal(budgets.take('one'), true)
})

t.test('at the start there is less, and it fills', async (t) => {
  let nowMs = 5 * hourMs
  const budgets = createBudgets({ burst: 4, perHour: 1, atStart: 2 }, 10, () => nowMs)
  for (const key of ['one', 'two'])
    t.same([budgets.take(key), budgets.take(key), budgets.take(key)], [true, true, false])
  nowMs += hourMs
  t.same([budgets.take('one'), budgets.take('one')], [true, false])
  t.same(
    [1, 2, 3, 4].map(() => budgets.take('new')),
    [true, true, true, false],
    'also for whoever comes later',
  )
  nowMs += 10 * hourMs
  t.same(
    [1, 2, 3, 4, 5].map(() => budgets.take('newer')),
    [true, true, true, true, false],
    'up to a burst',
  )
})

t.test('of too many those that were used longest ago are forgotten', async (t) => {
  const budgets = createBudgets({ burst: 1, perHour: 1 }, 2, () => 0)
  for (const key of ['one', 'two', 'three']) t.equal(budgets.take(key), true)
  t.equal(budgets.take('three'), false)
  t.equal(budgets.take('two'), false)
  t.equal(budgets.take('one'), true)
})
