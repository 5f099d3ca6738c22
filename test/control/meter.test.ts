import { mock } from 'node:test'
import t from 'tap'
import { Meter } from '../../control/meter.ts'
import { limits } from '../../core/limits.ts'
import type { SiteUsage } from '../../core/supervisor-messages.ts'
import { type Usage, usageListSchema } from '../../core/usage.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { usageOf } from './fixtures/usage.ts'

/** A meter over fronts and a log that a test plays. */
function make() {
  const state = {
    counted: [] as Usage[],
    code: [] as SiteUsage[],
    wanted: true,
    disk: 'fine' as 'fine' | 'full',
    takes: 0,
  }
  const kept: (readonly Usage[])[] = []
  const order: string[] = []
  const meter = new Meter({
    fronts: {
      async takeUsage() {
        state.takes += 1
        return state.counted.splice(0)
      },
    },
    sandboxes: { takeUsage: async () => state.code.splice(0) },
    usageLog: {
      async append(usage) {
        if (state.disk === 'full') throw new Error('the disk is full')
        order.push('append')
        kept.push(usage)
      },
    },
    outbox: () => ({
      isWanted: state.wanted,
      begin: async () => void order.push('begin'),
      poke: (fromMs) => void order.push(`poke ${fromMs}`),
    }),
    log: silentLog,
  })
  return { meter, state, kept, order }
}

t.test('what the fronts counted is one batch: each site once, sums over the fronts, the widest time', async (t) => {
  const { meter, state, kept, order } = make()
  await using _ = meter
  state.counted = [usageOf('shop', 1, 100), usageOf('blog', 2, 50), usageOf('shop', 5, 90)]
  await meter.take()
  t.strictSame(kept, [[usageOf('blog', 2, 50), { ...usageOf('shop', 6, 90), toMs: 60_100 }]])
  t.same(order, ['begin', 'append', 'poke 50'], 'plugins begin before the batch and are told after it')
  await meter.take()
  t.equal(kept.length, 1, 'where nothing was used nothing is kept')
})

t.test(
  'what code of sites used is told with the rest of the site, and alone where there is nothing else',
  async (t) => {
    const { meter, state, kept } = make()
    await using _ = meter
    const used = (site: string, cpuMs: number, memoryPeakBytes: number): SiteUsage => ({
      ...{ site, cpuMs, memoryPeakBytes, requests: 2, subrequests: 1 },
      ...{ receivedBytes: 3, sentBytes: 4, egressBytes: 5, ingressBytes: 6, kills: 0 },
    })
    state.disk = 'full'
    state.code = [used('blog', 1.5, 100)]
    await meter.take()
    state.disk = 'fine'
    state.counted = [usageOf('blog', 4)]
    state.code = [used('blog', 2, 50), used('quiet', 7, 9)]
    await meter.take()
    t.match(kept, [
      [
        {
          site: 'blog',
          requests: 4,
          code: { cpuMs: 3.5, memoryPeakBytes: 100, requests: 4, subrequests: 2, egressBytes: 10, ingressBytes: 12 },
        },
        { site: 'quiet', requests: 0, answered: { static: 0, error: 0 }, code: { cpuMs: 7, memoryPeakBytes: 9 } },
      ],
    ])
    t.same(usageListSchema.parse(kept[0]), kept[0], 'it is kept whole')
  },
)

t.test('a batch that cannot be kept is kept with the next', async (t) => {
  const { meter, state, kept } = make()
  await using _ = meter
  state.disk = 'full'
  state.counted = [usageOf('blog', 1)]
  await meter.take()
  await t.rejects(meter.give([usageOf('blog', 2)]), { message: 'the disk is full' })
  t.same(kept, [])
  state.disk = 'fine'
  state.counted = [usageOf('blog', 4), usageOf('shop', 1)]
  await meter.take()
  t.match(kept, [
    [
      { site: 'blog', requests: 7, answered: { static: 7 }, sentBytes: 70 },
      { site: 'shop', requests: 1 },
    ],
  ])
})

t.test('a front that ends gives the rest away at once', async (t) => {
  const { meter, kept } = make()
  await using _ = meter
  await meter.give([usageOf('blog', 3)])
  t.match(kept, [[{ site: 'blog', requests: 3 }]])
})

t.test('without a plugin that meters nobody is asked and nothing is kept', async (t) => {
  const { meter, state, kept } = make()
  await using _ = meter
  state.wanted = false
  state.counted = [usageOf('blog', 3)]
  await meter.take()
  await meter.give([usageOf('blog', 3)])
  t.same([state.takes, kept], [0, []])
  state.wanted = true
  await meter.take()
  t.match(kept, [[{ requests: 3 }]], 'what was given before is nobody’s')
})

t.test('fronts are asked each minute, one turn at a time, until the end', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const { meter, state } = make()
  for (const takes of [1, 2]) {
    mock.timers.tick(limits.usage.everyMs)
    await meter.take()
    t.equal(state.takes, takes, 'whoever asks while a turn runs gets that turn')
  }
  await meter[Symbol.asyncDispose]()
  mock.timers.tick(limits.usage.everyMs)
  t.equal(state.takes, 2)
})

t.test('what waits for a disk is bounded', async (t) => {
  const { meter, state, kept } = make()
  await using _ = meter
  state.disk = 'full'
  state.counted = Array.from({ length: limits.usage.sites + 5 }, (_, index) => usageOf(`site-${index}`, 1))
  await meter.take()
  state.disk = 'fine'
  await meter.take()
  t.equal(kept[0]?.length, limits.usage.sites)
})
