import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Usage } from '../../core/usage.ts'
import { startGrove } from './harness.ts'

interface Told {
  readonly batchId: string
  readonly usage: readonly Usage[]
}

/** A Grove with a plugin that writes down each batch that it is told, and confirms only while `open` is there. */
async function startMetered(t: Test, config: Record<string, unknown> = {}) {
  const folder = t.testdir({ site: { 'index.html': '<p>home</p>', 'page.txt': 'x'.repeat(1_000) } })
  const [tried, open] = [join(folder, 'tried'), join(folder, 'open')]
  const confirmed = join(folder, 'confirmed')
  const plugin = `{
    name: 'billing',
    async metered(batchId, usage) {
      const { access, appendFile } = await import('node:fs/promises')
      const line = JSON.stringify({ batchId, usage }) + '\\n'
      await appendFile(${JSON.stringify(tried)}, line)
      await access(${JSON.stringify(open)})
      await appendFile(${JSON.stringify(confirmed)}, line)
    },
  }`
  const grove = await startGrove(t, { config, plugins: plugin, env: { GROVE_METER_EVERY_MS: '50' } })
  const linesOf = (file: string): Told[] =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line))
      : []
  return {
    grove,
    plugin,
    publish: () => grove.publish('blog', join(folder, 'site')),
    open: () => writeFileSync(open, ''),
    tried: () => linesOf(tried),
    confirmed: () => linesOf(confirmed),
  }
}

/** Sums over batches, each counted once. Keyed by site. */
function sum(told: readonly Told[]) {
  const sums = new Map<string, { requests: number; sentBytes: number; receivedBytes: number; how: Usage['answered'] }>()
  const once = new Map(told.map((one) => [one.batchId, one.usage]))
  for (const { site, requests, sentBytes, receivedBytes, answered } of [...once.values()].flat()) {
    const before = sums.get(site) ?? {
      requests: 0,
      sentBytes: 0,
      receivedBytes: 0,
      how: { static: 0, upstream: 0, plugin: 0, error: 0 },
    }
    sums.set(site, {
      requests: before.requests + requests,
      sentBytes: before.sentBytes + sentBytes,
      receivedBytes: before.receivedBytes + receivedBytes,
      how: {
        static: before.how.static + answered.static,
        upstream: before.how.upstream + answered.upstream,
        plugin: before.how.plugin + answered.plugin,
        error: before.how.error + answered.error,
      },
    })
  }
  return sums
}

t.test('what sites used is counted over all fronts and told to plugins', async (t) => {
  const upstream = createServer((request, response) => {
    request.resume().on('end', () => response.end('from the upstream'))
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.teardown(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  const { grove, publish, open, confirmed } = await startMetered(t, {
    fronts: 2,
    sites: { shop: { upstreams: [`http://127.0.0.1:${port}`] } },
  })
  open()
  await publish()
  for (let turn = 0; turn < 20; turn += 1) {
    // A visitor of its own each time, so that both fronts get some.
    const visitor = grove.newVisitor()
    const answer = await visitor.http1(grove.url('blog', '/page.txt'), { headers: { 'accept-encoding': 'identity' } })
    t.equal(answer.status, 200)
    visitor.close()
  }
  t.equal((await grove.visitor.http2(grove.url('blog', '/nowhere'))).status, 404)
  const posted = await grove.visitor.http1(grove.url('shop', '/order'), { method: 'POST', body: 'y'.repeat(500) })
  t.equal(String(posted.body), 'from the upstream')
  await grove.until(() => {
    const sums = sum(confirmed())
    return sums.get('blog')?.requests === 21 && sums.get('shop')?.requests === 1
  })
  const sums = sum(confirmed())
  t.match(sums.get('blog'), { how: { static: 20, upstream: 0, error: 1 } })
  t.ok((sums.get('blog')?.sentBytes ?? 0) > 20_000, 'bodies, and the error page')
  t.match(sums.get('shop'), { how: { upstream: 1 }, sentBytes: 'from the upstream'.length, receivedBytes: 500 })
  for (const { usage } of confirmed()) for (const { fromMs, toMs } of usage) t.ok(fromMs <= toMs && toMs <= Date.now())
  t.same((await grove.status()).outbox, [])
})

t.test('a batch outlives kill -9 of control, a stop and a crash of all, and keeps its id', async (t) => {
  const { grove, publish, open, tried, confirmed } = await startMetered(t, { fronts: 1 })
  await publish()
  t.equal((await grove.visitor.http1(grove.url('blog', '/page.txt'))).status, 200)
  const held = async () => {
    const found = await grove.until(async () => {
      const status = await grove.status().catch(() => undefined) // Control may be away just now.
      return status?.outbox.find(({ plugin, attempts }) => plugin === 'billing' && attempts > 0)
    })
    t.match(found, { plugin: 'billing', versions: [], usageFromMs: Number, error: /ENOENT/ })
  }
  await held()
  t.match(await grove.command(['status']), {
    exitCode: 0,
    out: /^outbox {3}billing: usage since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, \d+ attempts?, last: ENOENT/m,
  })
  const [first] = tried()

  const [control = 0] = await grove.pids('control')
  process.kill(control, 'SIGKILL')
  // Before it knows, the front may still answer what control asked just before.
  await grove.until(() => grove.log.includes('control is away'))
  t.equal((await grove.visitor.http1(grove.url('blog', '/page.txt'))).status, 200, 'counted while control is away')
  await grove.until(async () => {
    const pids = await grove.pids('control').catch(() => [])
    return pids.length > 0 && pids[0] !== control
  })
  await held()
  t.same(await grove.stop(), { code: 0, signal: null })
  await grove.start()
  await held()
  await grove.kill()
  await grove.start()
  await held()
  t.same(new Set(tried().map(({ batchId }) => batchId)), new Set([first?.batchId]), 'what comes later waits')
  t.same(confirmed(), [])

  open()
  await grove.until(() => sum(confirmed()).get('blog')?.requests === 2)
  await grove.until(async () => (await grove.status()).outbox.length === 0)
  t.same(confirmed()[0], first, 'the same batch under the same id')
  const ids = confirmed().map(({ batchId }) => batchId)
  t.same(ids, [...new Set(ids)].sort(), 'each once, in the order of time')
})

t.test('the last counts of a front that ends in order are kept', async (t) => {
  const { grove, publish, open, confirmed } = await startMetered(t, { fronts: 1 })
  await publish()
  open()
  // What was asked for just before a stop cannot have been taken by the timer in every round.
  for (let round = 1; round <= 3; round += 1) {
    t.equal((await grove.visitor.http1(grove.url('blog', '/page.txt'))).status, 200)
    t.same(await grove.stop(), { code: 0, signal: null })
    await grove.start()
    await grove.until(() => sum(confirmed()).get('blog')?.requests === round)
  }
})

t.test('a plugin that a reload brings gets what comes after it', async (t) => {
  const { grove, plugin, publish, open, confirmed } = await startMetered(t, { fronts: 1 })
  await publish()
  open()
  const visit = async () => t.equal((await grove.visitor.http1(grove.url('blog', '/page.txt'))).status, 200)
  await visit()
  await grove.until(() => sum(confirmed()).get('blog')?.requests === 1)
  grove.writeConfig({ fronts: 1 })
  await grove.reload()
  await visit()
  grove.writeConfig({ fronts: 1 }, plugin)
  await grove.reload()
  await visit()
  await grove.until(() => (sum(confirmed()).get('blog')?.requests ?? 0) > 1)
  t.equal(sum(confirmed()).get('blog')?.requests, 2, 'what nobody wanted was not counted')
})
