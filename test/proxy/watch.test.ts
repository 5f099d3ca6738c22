import t from 'tap'
import { createBucket, createWatch, newPace, tooSlow } from '../../proxy/watch.ts'

t.test('a bucket takes a burst, then so many per second', (t) => {
  let now = 0
  const within = createBucket({ burst: 3, perSecond: 2 }, () => now)
  t.same([within(), within(), within(), within()], [true, true, true, false])
  now += 1000
  t.same([within(), within()], [true, false])
  now += 60_000
  t.same([within(), within(), within(), within()], [true, true, true, false], 'it fills no further than its burst')
  t.end()
})

t.test('a client is too slow when idle too long, or below the minimum pace over all', (t) => {
  const limit = { idleMs: 1_000, minBytesPerSecond: 100 }
  const idle = newPace()
  t.equal(tooSlow(idle, { bytes: 1_000_000, elapsedMs: 600 }, limit), false)
  t.equal(tooSlow(idle, { bytes: 1_000_000, elapsedMs: 600 }, limit), false)
  t.equal(tooSlow(idle, { bytes: 1_000_000, elapsedMs: 600 }, limit), true, 'idle')
  const trickle = newPace()
  const verdicts = Array.from({ length: 12 }, (_, index) =>
    tooSlow(trickle, { bytes: index + 1, elapsedMs: 100 }, limit),
  )
  t.same(verdicts, [...Array(11).fill(false), true], 'trickling: a second, and 10 ms for each byte')
  t.end()
})

t.test('a watch looks at what it has, and a long pause counts as a short one', async (t) => {
  const watch = createWatch(5)
  const elapsed: number[] = []
  const watched = { tick: (ms: number) => void elapsed.push(ms) }
  const place = watch.add(watched)
  while (elapsed.length < 2) await new Promise((resolve) => setTimeout(resolve, 5))
  const end = performance.now() + 60
  while (performance.now() < end);
  const before = elapsed.length
  while (elapsed.length === before) await new Promise((resolve) => setTimeout(resolve, 5))
  t.ok(elapsed.every((ms) => ms <= 10))
  place.leave()
  watch.close()
})
