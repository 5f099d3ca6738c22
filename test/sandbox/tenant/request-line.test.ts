import t from 'tap'
import type { Exchange } from '../../../sandbox/tenant/exchange.ts'
import { RequestLine } from '../../../sandbox/tenant/request-line.ts'

/** A turn that is over when it is told so. */
function makeTurn() {
  let acts: (() => void)[] = []
  const turn = {
    isOver: false,
    next: (act: () => void) => void acts.push(act),
    begin() {
      turn.isOver = false
      const due = acts
      acts = []
      for (const act of due) act()
      return due.length
    },
  }
  return turn
}

function make({ concurrentRequests = 2, queuedRequests = 2, runs = (_id: number): boolean => true } = {}) {
  const turn = makeTurn()
  const ran: number[] = []
  const run = ({ id }: Exchange) => {
    ran.push(id)
    return runs(id)
  }
  const line = new RequestLine({ limits: { concurrentRequests, queuedRequests }, turn, run })
  const exchanges = Array.from({ length: 9 }, (_, id) => ({ id }) as Exchange)
  const enter = (...ids: number[]) => ids.map((id) => line.enter(exchanges[id] as Exchange))
  return { turn, ran, line, exchanges, enter }
}

t.test('so many run, so many wait, and the next is refused', (t) => {
  const { ran, line, enter } = make()
  t.same(enter(0, 1, 2, 3, 4), [true, true, true, true, false])
  t.same(ran, [0, 1])
  line.leave()
  t.same(ran, [0, 1, 2], 'the first in line has its turn')
  t.same(enter(5, 6), [true, false])
  line.leave()
  line.leave()
  t.same(ran, [0, 1, 2, 3, 5])
  t.end()
})

t.test('in a turn that is over all wait, and go on with the next', (t) => {
  const { turn, ran, line, enter } = make()
  turn.isOver = true
  t.same(enter(0, 1, 2, 3, 4), [true, true, true, true, false], 'as many as would run or wait')
  t.same(ran, [])
  t.equal(turn.begin(), 1, 'it asks for one look')
  t.same(ran, [0, 1])
  turn.isOver = true
  line.leave()
  t.same(ran, [0, 1], 'room in a turn that is over is for the next')
  turn.begin()
  t.same(ran, [0, 1, 2])
  t.end()
})

t.test('one that cannot run makes room for the next, and one that leaves the line never runs', (t) => {
  const { turn, ran, line, exchanges, enter } = make({ concurrentRequests: 1, runs: (id) => id !== 0 })
  turn.isOver = true
  enter(0, 1, 2)
  line.remove(exchanges[1] as Exchange)
  t.same(
    line.waiting.map(({ id }) => id),
    [0, 2],
  )
  turn.begin()
  t.same(ran, [0, 2])
  enter(3)
  line.clear()
  line.leave()
  t.same(ran, [0, 2])
  t.end()
})
