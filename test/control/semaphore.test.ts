import t from 'tap'
import { Semaphore } from '../../control/semaphore.ts'

t.test('so many at once, others in order', async (t) => {
  const { signal } = new AbortController()
  const semaphore = new Semaphore(2)
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>())
  const begun: number[] = []
  const runs = gates.map(({ promise }, index) =>
    semaphore.run(signal, () => {
      begun.push(index)
      return promise
    }),
  )
  await Promise.resolve()
  t.same(begun, [0, 1])
  gates[1]?.resolve()
  await runs[1]
  await new Promise(setImmediate)
  t.same(begun, [0, 1, 2])
  for (const { resolve } of gates) resolve()
  await Promise.all(runs)
  t.equal(await semaphore.run(signal, async () => 'free again'), 'free again')
})

t.test('what waits when the signal aborts never runs, and gives its place on', async (t) => {
  const ended = new AbortController()
  const semaphore = new Semaphore(1)
  const gate = Promise.withResolvers<void>()
  const first = semaphore.run(ended.signal, () => gate.promise)
  const second = semaphore.run(ended.signal, async () => t.fail('it ran'))
  const other = semaphore.run(new AbortController().signal, async () => 'ran')
  ended.abort(new Error('over'))
  gate.resolve()
  await first
  await t.rejects(second, { message: 'over' })
  t.equal(await other, 'ran')
})
