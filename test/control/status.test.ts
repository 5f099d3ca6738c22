import t from 'tap'
import type { PendingDelivery } from '../../control/outbox.ts'
import type { Outboxes } from '../../control/outboxes.ts'
import type { Generation } from '../../control/reload.ts'
import type { SiteViews } from '../../control/site-views.ts'
import { statusOf } from '../../control/status.ts'
import type { PendingUsage } from '../../control/usage-outbox.ts'
import { statusSchema } from '../../core/admin-api.ts'
import { parseConfig } from '../../core/config.ts'

const counters = { connections: 0, requests: 0, webSockets: 0, cacheBytes: 0, memoryBytes: 0, uptimeSeconds: 0 }

t.test('what waits for a front says so, what failed says why', async (t) => {
  const pending: PendingDelivery[] = [
    { plugin: 'cdn', site: 'blog', versions: [1, 2], attempts: 3, error: 'it is down' },
    { plugin: 'mail', site: 'blog', versions: [2], attempts: 0, error: undefined },
  ]
  const usage: PendingUsage[] = [{ plugin: 'billing', fromMs: 60_000, attempts: 1, error: undefined }]
  const generation: Generation = {
    number: 4,
    loaded: { config: parseConfig({ listen: { https: 0, plain: 9000 } }, 'the test'), file: undefined },
    plugins: { plugins: [{ name: 'cdn' }], command: () => undefined, async [Symbol.asyncDispose]() {} },
    outboxes: { published: { pending: () => pending }, metered: { pending: () => usage } } as unknown as Outboxes,
    ports: { https: 4_430 },
  }
  const options = {
    generation,
    startedAtMs: 5,
    processes: [],
    views: { summaries: () => [], count: 0 } as unknown as SiteViews,
    certificates: { counts: () => ({ valid: 3, waiting: 1, failed: 2 }) },
    sandboxes: { state: async () => ({ capabilities: [], status: undefined }) },
  }
  const stats = async () => [2, 1].map((pid) => ({ pid, ...counters }))
  const status = await statusOf({ ...options, fronts: { stats, behind: 'front 9 is not connected' } })
  t.same(statusSchema.parse(status), status, 'it has the shape of the API')
  t.same(
    status.outbox.map(({ error }) => error),
    ['it is down', 'front 9 is not connected', undefined],
  )
  t.same(status.outbox.at(-1), { plugin: 'billing', usageFromMs: 60_000, versions: [], attempts: 1 })
  t.same(
    status.fronts.map(({ pid }) => pid),
    [1, 2],
  )
  t.same(status.listen, [
    { name: 'https', port: 4_430 },
    { name: 'http', port: 8080 },
    { name: 'plain', port: 9000 },
  ])
  t.notOk('config' in status)
  const inForce = await statusOf({ ...options, fronts: { stats, behind: undefined } })
  t.same(
    inForce.outbox.map(({ error }) => error),
    ['it is down', undefined, undefined],
  )
})
