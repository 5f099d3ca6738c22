import t from 'tap'
import { createTurnstile } from '../../core/turnstile.ts'

t.test('no more run at once than allowed, the rest in order, and a full line refuses', async (t) => {
  const turnstile = createTurnstile({ parallel: 2, most: 5, what: 'tries' })
  const leave: (() => void)[] = []
  const started: number[] = []
  let running = 0
  let most = 0
  const work = (id: number) =>
    turnstile.run(async () => {
      started.push(id)
      running += 1
      most = Math.max(most, running)
      await new Promise<void>((resolve) => leave.push(resolve))
      running -= 1
      if (id === 1) throw new Error('work failed')
      return id
    })
  const all = [work(0), work(1), work(2), work(3), work(4)]
  t.equal(turnstile.size, 5)
  await t.rejects(work(5), { code: 'ERR_TOO_MANY', message: 'more than 5 tries at once' })
  t.same(started, [0, 1])
  const settled = Promise.allSettled(all)
  for (let i = 0; i < 5; i += 1) {
    while (leave.length === 0) await new Promise(setImmediate)
    leave.shift()?.()
  }
  t.same(
    (await settled).map((result) => (result.status === 'fulfilled' ? result.value : 'failed')),
    [0, 'failed', 2, 3, 4],
  )
  t.same(started, [0, 1, 2, 3, 4])
  t.equal(most, 2)
  t.equal(turnstile.size, 0)
  t.equal(await turnstile.run(async () => 'free again'), 'free again')
})

t.test('by default one runs after the other, also after one that failed at once', async (t) => {
  const turnstile = createTurnstile({ most: 10, what: 'tries' })
  const seen: string[] = []
  const first = turnstile.run(async () => {
    await new Promise(setImmediate)
    seen.push('first')
  })
  const second = turnstile.run(() => {
    seen.push('second')
    throw new Error('at once')
  })
  const third = turnstile.run(async () => seen.push('third'))
  await t.rejects(second, { message: 'at once' })
  await Promise.all([first, third])
  t.same(seen, ['first', 'second', 'third'])
})

t.test('who comes while a place is handed over waits behind the line', async (t) => {
  const turnstile = createTurnstile({ most: 10, what: 'tries' })
  const seen: string[] = []
  const late: Promise<unknown>[] = []
  const first = turnstile.run(async () => seen.push('first'))
  const second = turnstile.run(async () => seen.push('second'))
  void first.then(() => late.push(turnstile.run(async () => seen.push('late'))))
  await second
  await Promise.all(late)
  t.same(seen, ['first', 'second', 'late'])
})

t.test('what waits when the signal aborts never runs, and gives its place on', async (t) => {
  const ended = new AbortController()
  const turnstile = createTurnstile({ most: 10, what: 'tries' })
  const gate = Promise.withResolvers<void>()
  const first = turnstile.run(() => gate.promise, ended.signal)
  const second = turnstile.run(async () => t.fail('it ran'), ended.signal)
  const other = turnstile.run(async () => 'ran', new AbortController().signal)
  ended.abort(new Error('over'))
  gate.resolve()
  await first
  await t.rejects(second, { message: 'over' })
  t.equal(await other, 'ran')
})
