import t from 'tap'
import { retryWaitMs, waitAtMost, within } from '../../control/within.ts'
import { limits } from '../../core/limits.ts'

t.test('work has its time and no more', async (t) => {
  t.equal(await within(Promise.resolve(5), 60_000), 5)
  await t.rejects(within(Promise.reject(new Error('own')), 60_000), { message: 'own' })
  const never = new Promise(() => {})
  await t.rejects(within(never, 5, 'plugin "a" did not confirm'), {
    code: 'ERR_TIMEOUT',
    message: 'plugin "a" did not confirm within 5 ms',
  })
  await waitAtMost(5, [never])
  await waitAtMost(3_600_000, [Promise.resolve(), Promise.reject(new Error('ended, too'))])
})

t.test('waits between tries grow, differ, and end at the longest', async (t) => {
  const { firstRetryMs, longestRetryMs } = limits.outbox
  for (const [failures, ceilingMs] of [
    [1, firstRetryMs],
    [2, firstRetryMs * 2],
    [5, firstRetryMs * 16],
    [1_000, longestRetryMs],
  ] as const) {
    const waits = Array.from({ length: 100 }, () => retryWaitMs(failures))
    t.ok(
      waits.every((waitMs) => waitMs >= ceilingMs / 2 && waitMs <= ceilingMs),
      `${failures}`,
    )
    t.ok(new Set(waits).size > 1)
  }
})
