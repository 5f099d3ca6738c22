import t from 'tap'
import { createWatch } from '../../../sandbox/supervisor/watch.ts'

const bounds = { memoryBytes: 1_000, isHeld: false, isEmpty: false }
const small = (cpuMs: number) => ({ rssBytes: 10, cpuMs })

t.test('a process that gives signs of life may use what it wants', (t) => {
  const watch = createWatch(0)
  for (let nowMs = 100; nowMs < 60_000; nowMs += 100) {
    watch.beat(nowMs)
    t.equal(watch.look(small(nowMs), nowMs, bounds), undefined)
  }
  t.end()
})

t.test('one that uses CPU and gives none is stuck, when two looks say so', (t) => {
  const watch = createWatch(0)
  watch.beat(0)
  t.equal(watch.look(small(0), 100, bounds), undefined)
  t.equal(watch.look(small(1_900), 2_100, bounds), undefined, 'not yet')
  t.equal(watch.look(small(2_100), 2_300, bounds), undefined, 'one look may be wrong')
  t.match(watch.look(small(2_200), 2_400, bounds), { reason: 'cpu', detail: /2200 ms without a sign of life/ })
  t.end()
})

t.test('a sign of life between two looks clears it', (t) => {
  const watch = createWatch(0)
  watch.look(small(0), 0, bounds)
  t.equal(watch.look(small(5_000), 5_000, bounds), undefined)
  watch.beat(5_050)
  t.equal(watch.look(small(5_100), 5_100, bounds), undefined)
  t.equal(watch.look(small(5_900), 5_900, bounds), undefined)
  t.end()
})

t.test('one that got no CPU is not stuck, but after very long it is silent', (t) => {
  const watch = createWatch(0)
  watch.look(small(0), 0, bounds)
  t.equal(watch.look(small(100), 20_000, bounds), undefined)
  t.equal(watch.look(small(100), 30_100, bounds), undefined)
  t.match(watch.look(small(100), 30_200, bounds), { reason: 'silent' })
  t.end()
})

t.test('what we do not read is no silence', (t) => {
  const watch = createWatch(0)
  watch.look(small(0), 0, bounds)
  for (let n = 0; n < 5; n++) t.equal(watch.look(small(50_000), 50_000 + n, { ...bounds, isHeld: true }), undefined)
  t.end()
})

t.test('memory is what it is, at the first look', (t) => {
  const watch = createWatch(0)
  t.match(watch.look({ rssBytes: 1_001, cpuMs: 0 }, 0, bounds), {
    reason: 'memory',
    detail: 'memory: 1001 bytes, at most 1000',
  })
  t.end()
})

t.test('a process with nothing to run may cost what waiting costs, and no more', (t) => {
  const watch = createWatch(0)
  const empty = { ...bounds, isEmpty: true }
  const look = (cpuMs: number, nowMs: number, how = empty) => {
    watch.beat(nowMs)
    return watch.look(small(cpuMs), nowMs, how)
  }
  t.equal(look(5_000, 0), undefined, 'what it used before is not counted')
  t.equal(look(5_000 + 3_000, 60_000), undefined)
  t.equal(look(5_000 + 20_000, 100_000), undefined)
  t.match(look(5_000 + 21_000, 100_100), { reason: 'cpu', detail: /no code to run/ })
  t.equal(look(90_000, 100_200, bounds), undefined, 'with code it is another matter')
  t.equal(look(90_000, 100_300), undefined, 'counted anew')
  t.end()
})
