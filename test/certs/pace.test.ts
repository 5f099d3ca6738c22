import t from 'tap'
import { createPace } from '../../certs/pace.ts'
import { limits } from '../../core/limits.ts'

t.test('it rests after so many steps, and only then', async (t) => {
  const rests: number[] = []
  const env = {
    async sleep(ms: number) {
      rests.push(ms)
    },
  }
  const pace = createPace(env, 3)
  const seen: number[] = []
  for (let step = 0; step < 7; step += 1) {
    await pace.step()
    seen.push(rests.length)
  }
  t.same(seen, [0, 0, 1, 1, 1, 2, 2])
  t.same(rests, Array(2).fill(limits.managed.restMs))
})

t.test('it ends with the signal, while it rests and between', async (t) => {
  const ended = new AbortController()
  const env = {
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
  }
  const pace = createPace(env, 2, ended.signal)
  await pace.step()
  const resting = pace.step()
  const reason = new Error('enough')
  ended.abort(reason)
  await t.rejects(resting, reason)
  await t.rejects(pace.step(), reason)
})
