import t from 'tap'
import type { ExchangeNote, Outcome } from '../../core/exchange.ts'
import { limits } from '../../core/limits.ts'
import { usageListSchema } from '../../core/usage.ts'
import { beginNote } from '../../proxy/access-log.ts'
import { UsageCounter } from '../../proxy/usage.ts'

const note = (site: string | undefined, how: ExchangeNote['how']): ExchangeNote => ({ ...beginNote(), site, how })
const outcome = (bodyBytes: number, receivedBytes = 0): Outcome => ({
  status: 200,
  bodyBytes,
  receivedBytes,
  complete: true,
})

t.test('requests are counted by site and by who answered, until they are taken', async (t) => {
  let nowMs = 1_000
  const counter = new UsageCounter(() => nowMs)
  t.same(counter.take(), [])
  counter.count(note('blog', 'static'), outcome(10))
  counter.count(note('blog', 'static'), outcome(5))
  counter.count(note('blog', 'upstream'), outcome(7, 100))
  counter.count(note('blog', 'plugin'), outcome(0, 20))
  counter.count(note('shop', 'error'), outcome(3))
  counter.count(note(undefined, 'error'), outcome(3))
  counter.count(undefined, outcome(3))
  nowMs = 61_000
  const taken = counter.take()
  t.strictSame(taken, [
    {
      site: 'blog',
      fromMs: 1_000,
      toMs: 61_000,
      requests: 4,
      answered: { static: 2, upstream: 1, plugin: 1, error: 0 },
      sentBytes: 22,
      receivedBytes: 120,
    },
    {
      site: 'shop',
      fromMs: 1_000,
      toMs: 61_000,
      requests: 1,
      answered: { static: 0, upstream: 0, plugin: 0, error: 1 },
      sentBytes: 3,
      receivedBytes: 0,
    },
  ])
  t.strictSame(usageListSchema.parse(JSON.parse(JSON.stringify(taken))), taken, 'it has the shape of the message')
  counter.count(note('blog', 'static'), outcome(1))
  nowMs = 60_000
  t.match(counter.take(), [{ site: 'blog', fromMs: 61_000, toMs: 61_000, requests: 1 }], 'no time goes backwards')
  t.same(counter.take(), [], 'what was taken is not there again')
})

t.test('the sites that are counted are bounded', async (t) => {
  const counter = new UsageCounter()
  for (let index = 0; index <= limits.usage.sites; index += 1)
    counter.count(note(`site-${index}`, 'static'), outcome(1))
  counter.count(note('site-0', 'static'), outcome(1))
  const taken = counter.take()
  t.equal(taken.length, limits.usage.sites)
  t.match(taken[0], { site: 'site-0', requests: 2 }, 'those that are known go on')
})
