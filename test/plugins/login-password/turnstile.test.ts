import t from 'tap'
import { createTurnstile } from '../../../plugins/login-password/turnstile.ts'

t.test('no more run at once than allowed, the rest in order, and a full line refuses', async (t) => {
  const turnstile = createTurnstile({ parallel: 2, waiting: 3 })
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
  await t.rejects(work(5), { code: 'ERR_TOO_MANY' })
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
  t.equal(await turnstile.run(async () => 'free again'), 'free again')
})
