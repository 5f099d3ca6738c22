import t from 'tap'
import { acmeError } from '../../../certs/acme/acme-error.ts'
import { createHistory } from '../../../certs/acme/ca.ts'
import { createPace, createQuiet, everything } from '../../../certs/acme/pace.ts'
import { parseRetryAfter } from '../../../certs/acme/transport.ts'
import { limits } from '../../../core/limits.ts'

/** A clock that goes on when somebody sleeps. */
function makeClock(startMs = 0) {
  let nowMs = startMs
  return {
    monotonic: () => nowMs,
    async sleep(ms: number, signal?: AbortSignal) {
      signal?.throwIfAborted()
      nowMs += ms
    },
    pass(ms: number) {
      nowMs += ms
    },
  }
}

const { signal } = new AbortController()

t.test('in no ten seconds more than ten turns come', async (t) => {
  const clock = makeClock()
  const pace = createPace(10, 10_000, clock)
  const turnsMs: number[] = []
  for (let turn = 0; turn < 60; turn += 1) {
    if (turn % 7 === 0) clock.pass(3_000)
    await pace.turn(signal)
    turnsMs.push(clock.monotonic())
  }
  for (const [index, atMs] of turnsMs.entries()) {
    const before = turnsMs[index - 10]
    if (before !== undefined) t.ok(atMs - before >= 10_000, `${index}: ${atMs - before}`)
  }
  t.equal(turnsMs[9], 6_000, 'the first ten wait for nobody')
})

t.test('turns that are asked for at once come one after the other', async (t) => {
  const waits: number[] = []
  const pace = createPace(2, 100, { monotonic: () => 0, sleep: async (ms) => void waits.push(ms) })
  await Promise.all(Array.from({ length: 6 }, () => pace.turn(signal)))
  t.strictSame(waits, [100, 100, 200, 200])
})

t.test('who is given up gets no turn', async (t) => {
  const pace = createPace(1, 100, makeClock())
  const stop = new AbortController()
  stop.abort(new Error('enough'))
  await t.rejects(pace.turn(stop.signal), { message: 'enough' })
})

t.test('what a CA asked for is remembered for the subject until the time has passed', async (t) => {
  const clock = makeClock(-5_000)
  const quiet = createQuiet(clock)
  const fails = (status: number, retryAfterMs?: number) => async () => {
    throw acmeError('no', { reason: 'limited', status, ...(retryAfterMs !== undefined && { retryAfterMs }) })
  }
  quiet.check('a')
  await t.rejects(quiet.watch('a', fails(429, 2_000)), { code: 'ERR_ACME' })
  t.throws(() => quiet.check('a'), { code: 'ERR_ACME', details: { reason: 'limited', retryAfterMs: 2_000 } })
  quiet.check('b')
  clock.pass(1_999)
  t.throws(() => quiet.check('a'), { code: 'ERR_ACME', details: { retryAfterMs: 1 } })
  clock.pass(1)
  quiet.check('a')
  await t.rejects(quiet.watch('a', fails(503, 500)), { code: 'ERR_ACME' })
  t.throws(() => quiet.check('b'), { code: 'ERR_ACME' })
  t.throws(() => quiet.check(everything), { code: 'ERR_ACME' })
  clock.pass(500)
  quiet.check('b')
  await t.rejects(quiet.watch('a', fails(429)), { code: 'ERR_ACME' }, 'without a time there is nothing to remember')
  quiet.check('a')
  t.equal(await quiet.watch('a', async () => 'fine'), 'fine')
})

t.test('of very many subjects the oldest are forgotten', async (t) => {
  const quiet = createQuiet(makeClock())
  for (let index = 0; index <= limits.acme.quiet; index += 1) {
    const fault = acmeError('no', { reason: 'limited', status: 429, retryAfterMs: 1_000 })
    await quiet.watch(`name ${index}`, () => Promise.reject(fault)).catch(() => undefined)
  }
  quiet.check('name 0')
  t.throws(() => quiet.check('name 1'))
})

t.test('Retry-After is seconds or a date, within bounds', (t) => {
  const nowMs = Date.UTC(2030, 0, 1)
  const most = limits.acme.longestRetryAfterMs
  const cases: readonly (readonly [value: string | undefined, expectedMs: number | undefined])[] = [
    [undefined, undefined],
    ['', undefined],
    ['0', 0],
    [' 30 ', 30_000],
    ['-5', 0],
    ['1e9', undefined],
    ['99999999999999999999', most],
    ['Tue, 01 Jan 2030 00:01:00 GMT', 60_000],
    ['Tue, 01 Jan 2020 00:01:00 GMT', 0],
    ['Tue, 01 Jan 2999 00:01:00 GMT', most],
    ['soon', undefined],
  ]
  for (const [value, expectedMs] of cases) {
    const found = parseRetryAfter(value, nowMs)
    // `Date.parse` takes some odd texts; what matters is that no wait is outside of the bounds.
    if (value === '-5' || value === '1e9') t.ok(found === undefined || (found >= 0 && found <= most), value)
    else t.equal(found, expectedMs, value ?? 'none')
  }
  t.end()
})

t.test('kinds that worked come before those that did not, and equals by chance', (t) => {
  let chance = 0
  const history = createHistory(() => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(chance)
    chance += 1
    return bytes
  })
  t.strictSame(history.sort(['http-01', 'tls-alpn-01']), ['http-01', 'tls-alpn-01'])
  history.note('tls-alpn-01', true)
  t.strictSame(history.sort(['http-01', 'tls-alpn-01']), ['tls-alpn-01', 'http-01'])
  for (let round = 0; round < 100; round += 1) history.note('tls-alpn-01', true)
  for (let round = 0; round < 12; round += 1) history.note('tls-alpn-01', false)
  t.strictSame(history.sort(['http-01', 'tls-alpn-01']), ['http-01', 'tls-alpn-01'], 'the past is soon forgotten')
  t.end()
})
