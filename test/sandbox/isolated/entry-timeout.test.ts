import t from 'tap'
import { entryTimeoutMs } from '../../../sandbox/isolated/entry-timeout.ts'

t.test('an entry has its time, and at most 17 ms more', (t) => {
  for (const allowedMs of [0.4, 1, 20, 99.5, 100, 1_000])
    for (let startedAtMs = 5_000; startedAtMs < 5_040; startedAtMs += 0.37) {
      const timeoutMs = entryTimeoutMs(startedAtMs, allowedMs)
      if (!Number.isInteger(timeoutMs) || timeoutMs < allowedMs || timeoutMs >= allowedMs + 17)
        t.fail(`${timeoutMs} ms in place of ${allowedMs} at ${startedAtMs}`)
    }
  t.end()
})

t.test('entries that begin within 16 ms end within one', (t) => {
  const ends = Array.from({ length: 160 }, (_, i) => 8_000.01 + i / 10 + entryTimeoutMs(8_000.01 + i / 10, 100))
  const spans = new Set(ends.map((end) => Math.floor(end / 16)))
  t.ok(spans.size <= 2, `${spans.size} moments`)
  for (const end of ends) t.ok(end % 16 < 1, `${end % 16} ms after it`)
  t.end()
})
