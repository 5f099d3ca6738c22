import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { createPatience } from '../../../store/objects/patience.ts'
import { createTries } from '../../../store/objects/tries.ts'

/** Time that passes only in sleep; each sleep is noted. `random`: what all random bytes are. */
function timeless(random: number): { env: Environment; slept: number[] } {
  const slept: number[] = []
  let nowMs = 0
  const env: Environment = {
    ...nodeEnvironment,
    monotonic: () => nowMs,
    randomBytes: (count) => Buffer.alloc(count, random),
    sleep: async (ms) => {
      slept.push(Math.round(ms))
      nowMs += ms
    },
  }
  return { env, slept }
}

async function useUp(tries: { again(): Promise<boolean> }): Promise<number> {
  let count = 1
  while (await tries.again()) count += 1
  return count
}

t.test('waits grow, up to a bound, and are random between half and all', async (t) => {
  const bounds = { ...limits.objects, tries: 9, firstRetryMs: 100, longestRetryMs: 1_000 }
  for (const [random, waits] of [
    [0, [50, 100, 200, 400, 500, 500, 500, 500]],
    [0xff, [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]],
  ] as const) {
    const { env, slept } = timeless(random)
    t.equal(await useUp(createTries(env, bounds)), 9)
    t.same(slept, waits)
  }
})

t.test('no wait begins after the time for tries', async (t) => {
  const { env, slept } = timeless(0xff)
  const bounds = { ...limits.objects, tries: 1_000, firstRetryMs: 100, longestRetryMs: 1_000, retryingMs: 5_000 }
  await useUp(createTries(env, bounds))
  const all = slept.reduce((sum, ms) => sum + ms, 0)
  t.ok(all >= 5_000 && all <= 6_000, `${all} ms`)
})

t.test('who gets on begins anew', async (t) => {
  const { env } = timeless(0)
  const bounds = { ...limits.objects, tries: 3, resumeBytes: 100 }
  const tries = createTries(env, bounds)
  for (let turn = 0; turn < 20; turn += 1) {
    tries.came(60)
    tries.came(60)
    t.ok(await tries.again())
  }
  tries.came(99)
  t.ok(await tries.again())
  t.notOk(await tries.again(), 'little by little does not count')
})

t.test('patience ends with a pause that is too long, and with all pauses together', async (t) => {
  let nowMs = 0
  const waits: { ms: number; end: () => void }[] = []
  const env: Environment = {
    ...nodeEnvironment,
    monotonic: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        waits.push({ ms, end: resolve })
        signal?.addEventListener('abort', () => reject(signal.reason))
      }),
  }
  const patience = createPatience(env, 1_000)
  patience.expect(400)
  nowMs += 300
  patience.rest()
  nowMs += 99_999
  patience.expect(400)
  nowMs += 300
  patience.expect(900)
  t.same(
    waits.map(({ ms }) => ms),
    [400, 400, 400],
    'of 1,000 ms 400 are left',
  )
  patience.extend(1_000)
  patience.expect(900)
  t.equal(waits.at(-1)?.ms, 900)
  t.notOk(patience.signal.aborted)
  t.equal(patience.failure, undefined)
  waits.at(-1)?.end()
  await nodeEnvironment.turn()
  t.ok(patience.signal.aborted)
  t.match(patience.failure, { code: 'ETIMEDOUT', message: 'nothing came for 900 ms' })
  patience.giveUp(new Error('later'))
  t.match(patience.failure, { code: 'ETIMEDOUT' }, 'the first reason stays')
  patience.end()

  const given = createPatience(env, 1_000)
  given.giveUp(new Error('enough'))
  t.match(given.failure, { message: 'enough' })
  const ended = createPatience(env, 1_000)
  ended.expect(10)
  ended.end('abort')
  t.ok(ended.signal.aborted)
  t.equal(ended.failure, undefined, 'an end is no failure')
})
