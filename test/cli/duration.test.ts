import { InvalidArgumentError } from 'commander'
import t from 'tap'
import { parseDuration } from '../../cli/duration.ts'

t.test('times with a unit are milliseconds', async (t) => {
  for (const [text, ms] of [
    ['0s', 0],
    ['1s', 1_000],
    ['90s', 90_000],
    ['5m', 300_000],
    ['12h', 43_200_000],
    ['30d', 2_592_000_000],
    ['2w', 1_209_600_000],
  ] as const)
    t.equal(parseDuration(text), ms, text)
})

t.test('everything else is wrong usage', async (t) => {
  for (const text of ['', '1', 'd', '-1d', '1.5h', '1 d', '1D', '1y', '99999999999d', '40000d', '1d1h', 'NaNs'])
    t.throws(() => parseDuration(text), InvalidArgumentError, text)
})
