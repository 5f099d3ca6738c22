import t from 'tap'
import { tenantLimits } from '../../../core/sandbox-limits.ts'
import { Turn } from '../../../sandbox/isolated/turn.ts'

const nextTurn = () => new Promise(setImmediate)

t.test('a turn is over when entries have taken enough of it, and the next begins anew', async (t) => {
  const turn = new Turn()
  turn.count(tenantLimits.turnMs)
  t.equal(turn.isOver, false)
  turn.count(0.1)
  t.equal(turn.isOver, true)
  const order: string[] = []
  turn.next(() => order.push('first'))
  turn.next(() => {
    order.push('second')
    turn.count(tenantLimits.turnMs + 1)
    turn.next(() => order.push('in the one after'))
  })
  setImmediate(() => order.push('others'))
  t.same(order, [])
  await nextTurn()
  t.same(order, ['first', 'second', 'others'])
  t.equal(turn.isOver, true)
  await nextTurn()
  t.same(order, ['first', 'second', 'others', 'in the one after'])
  t.equal(turn.isOver, false)
})
