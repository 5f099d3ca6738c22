import t from 'tap'
import {
  chooseRenewal,
  goesToStagingFirst,
  renewalTime,
  retryTime,
  toFraction,
  urgencyOf,
} from '../../certs/schedule.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const nowMs = Date.UTC(2026, 0, 1)
const life = { notBeforeMs: nowMs, notAfterMs: nowMs + 90 * dayMs }

t.test('a certificate is renewed with a third of its life left', async (t) => {
  t.equal(renewalTime(life), nowMs + 60 * dayMs)
  t.equal(renewalTime({ notBeforeMs: nowMs, notAfterMs: nowMs + 6 * dayMs }), nowMs + 4 * dayMs)
})

t.test("the time from the CA's window wins, before a third and after it", async (t) => {
  t.equal(renewalTime(life, nowMs + 10 * dayMs), nowMs + 10 * dayMs)
  t.equal(renewalTime(life, nowMs + 80 * dayMs), nowMs + 80 * dayMs)
})

t.test('with a twentieth left it is renewed, whatever the CA says', async (t) => {
  t.equal(renewalTime(life, nowMs + 89 * dayMs), nowMs + 85.5 * dayMs)
  t.equal(renewalTime(life, Number.POSITIVE_INFINITY), nowMs + 85.5 * dayMs)
})

t.test('urgency grows towards the end', async (t) => {
  const cases: readonly [atDays: number, chosenDays: number | undefined, urgency: string][] = [
    [0, undefined, 'fresh'],
    [59.9, undefined, 'fresh'],
    [60, undefined, 'due'],
    [10, 10, 'due'],
    [70, 80, 'fresh'],
    [80, 80, 'due'],
    [85.5, 89, 'late'],
    [88.2, undefined, 'last'],
    [89.9, 89.95, 'last'],
    [90, undefined, 'last'],
    [400, undefined, 'last'],
  ]
  for (const [at, chosen, urgency] of cases)
    t.equal(
      urgencyOf(life, nowMs + at * dayMs, chosen === undefined ? undefined : nowMs + chosen * dayMs),
      urgency,
      `day ${at}, chosen ${chosen}`,
    )
})

t.test('less than five looks before its end nothing is more urgent, but only in the last third', async (t) => {
  const day = { notBeforeMs: nowMs, notAfterMs: nowMs + dayMs }
  t.equal(urgencyOf(day, nowMs + dayMs - 50 * minuteMs), 'last')
  t.equal(urgencyOf(day, nowMs + dayMs - 51 * minuteMs), 'late')
  const short = { notBeforeMs: nowMs, notAfterMs: nowMs + 30 * minuteMs }
  t.equal(urgencyOf(short, nowMs + 5 * minuteMs), 'fresh')
  t.equal(urgencyOf(short, nowMs + 20 * minuteMs), 'last')
})

t.test('a time is chosen within the window, evenly', async (t) => {
  const window = { startMs: 1_000, endMs: 2_000 }
  t.equal(chooseRenewal(window, 0), 1_000)
  t.equal(chooseRenewal(window, 0.5), 1_500)
  t.equal(chooseRenewal(window, 0.999), 1_999)
  t.equal(chooseRenewal({ startMs: 2_000, endMs: 1_000 }, 0.9), 2_000, 'a window that ends before it begins')
})

const failure = { sinceMs: nowMs, nowMs, fraction: 0.5 }

t.test('waits grow: one quick retry, minutes, hours', async (t) => {
  const waits = Array.from({ length: 24 }, (_, index) => retryTime({ ...failure, tries: index + 1 }) - nowMs)
  const minutes = [1, 2, 2, 5, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30, 30, 30, 60, 60, 60, 120, 120, 180]
  t.strictSame(waits, [5_000, ...minutes.map((count) => count * minuteMs)])
  t.equal(retryTime({ ...failure, tries: 25 }) - nowMs, 180 * minuteMs)
})

t.test('then every six hours for 30 days, and then daily', async (t) => {
  t.equal(retryTime({ ...failure, tries: 26 }) - nowMs, 6 * hourMs)
  t.equal(retryTime({ ...failure, tries: 140, sinceMs: nowMs - 29.9 * dayMs }) - nowMs, 6 * hourMs)
  t.equal(retryTime({ ...failure, tries: 140, sinceMs: nowMs - 30 * dayMs }) - nowMs, dayMs)
  t.equal(retryTime({ ...failure, tries: 9_000, sinceMs: nowMs - 400 * dayMs }) - nowMs, dayMs)
})

t.test('no two names come back together', async (t) => {
  t.equal(retryTime({ ...failure, tries: 26, fraction: 0 }) - nowMs, 17_280_000)
  t.equal(
    retryTime({ ...failure, tries: 26, fraction: 0.999_999 }) - nowMs,
    Math.ceil(6 * (0.8 + 0.4 * 0.999_999) * hourMs),
  )
})

t.test("the CA's Retry-After is kept", async (t) => {
  t.equal(retryTime({ ...failure, tries: 2, retryAfterMs: 10 * hourMs, fraction: 0 }) - nowMs, 10 * hourMs)
  t.ok(retryTime({ ...failure, tries: 2, retryAfterMs: 10 * hourMs }) - nowMs > 10 * hourMs, 'some later')
  t.equal(retryTime({ ...failure, tries: 26, retryAfterMs: 1_000 }) - nowMs, 6 * hourMs, 'it makes no wait shorter')
})

t.test('a CA cannot send us away for ever, nor make us come at once', async (t) => {
  t.equal(retryTime({ ...failure, tries: 1, retryAfterMs: 1e15, fraction: 0 }) - nowMs, 7 * dayMs)
  for (const retryAfterMs of [0, -5, -1e15]) t.equal(retryTime({ ...failure, tries: 1, retryAfterMs }) - nowMs, 5_000)
})

t.test('shortly before the end of what is in use no wait is longer than an hour', async (t) => {
  t.equal(retryTime({ ...failure, tries: 26, urgency: 'last' }) - nowMs, hourMs)
  t.equal(retryTime({ ...failure, tries: 26, urgency: 'late' }) - nowMs, 6 * hourMs)
  t.equal(retryTime({ ...failure, tries: 3, urgency: 'last' }) - nowMs, 2 * minuteMs)
})

t.test('only the first try goes to production without a rehearsal', async (t) => {
  t.equal(goesToStagingFirst(0), false)
  t.equal(goesToStagingFirst(1), true)
  t.equal(goesToStagingFirst(100), true)
})

t.test('bytes make a fraction', async (t) => {
  t.equal(toFraction(Buffer.from([0, 0, 0, 0])), 0)
  t.equal(toFraction(Buffer.from([0x80, 0, 0, 0])), 0.5)
  t.ok(toFraction(Buffer.from([0xff, 0xff, 0xff, 0xff])) < 1)
})
