import t from 'tap'
import { forEachParallel } from '../../core/parallel.ts'

t.test('every item is worked on once, no more at a time than allowed', async (t) => {
  for (const [count, parallel] of [
    [0, 3],
    [1, 3],
    [20, 3],
    [5, 1],
  ] as const) {
    const items = Array.from({ length: count }, (_, index) => index)
    const done: number[] = []
    let running = 0
    let most = 0
    await forEachParallel(items, parallel, async (item) => {
      running += 1
      most = Math.max(most, running)
      await new Promise(setImmediate)
      running -= 1
      done.push(item)
    })
    t.same(
      done.sort((a, b) => a - b),
      items,
    )
    t.equal(most, Math.min(count, parallel))
  }
})

t.test('items are asked for as places come free', async (t) => {
  let asked = 0
  function* endless(): Generator<number> {
    for (;;) {
      asked += 1
      yield asked
    }
  }
  const failing = forEachParallel(endless(), 2, async (item) => {
    await new Promise(setImmediate)
    if (item === 10) throw new Error('ten')
  })
  await t.rejects(failing, { message: 'ten' })
  t.ok(asked <= 12, `${asked} were asked for`)
})

t.test('after the first failure no more begin, and that failure is thrown', async (t) => {
  const begun: number[] = []
  const failing = forEachParallel([0, 1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item)
    await new Promise(setImmediate)
    if (item === 1) throw new Error('no')
  })
  await t.rejects(failing, { message: 'no' })
  await new Promise(setImmediate)
  t.same(begun, [0, 1, 2])
})
