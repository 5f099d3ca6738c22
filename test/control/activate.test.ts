import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { Activator, type ActivatorOptions } from '../../control/activate.ts'
import { createVariants } from '../../control/variants.ts'
import { compiledFile } from '../../core/layout.ts'
import type { ControlToFront } from '../../core/messages.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { openSiteHost, publishTexts } from './fixtures/site-host.ts'

interface Pushes {
  readonly messages: ControlToFront[]
  /** Holds pushes back until it resolves. */
  gate: Promise<void>
  behind: string | undefined
  /** Called at each push. */
  pushed: () => void
}

async function setUp(t: Test, options: Partial<ActivatorOptions> = {}, input: object = {}) {
  const host = await openSiteHost(t.testdir(), { input })
  const pushes: Pushes = { messages: [], gate: Promise.resolve(), behind: undefined, pushed: () => {} }
  const waiting = Promise.withResolvers<void>()
  waiting.promise.catch(() => undefined) // Nobody may be waiting when it ends.
  const activator = new Activator({
    layout: host.layout,
    registry: host.registry,
    variants: createVariants({ layout: host.layout, blobs: host.blobs, log: silentLog }),
    config: () => host.config,
    log: silentLog,
    now: () => 99,
    fronts: {
      async push(message) {
        pushes.messages.push(message)
        pushes.pushed()
        await pushes.gate
        return { live: 1, connected: 1 }
      },
      allInForce: (signal) => {
        signal.addEventListener('abort', () => waiting.reject(signal.reason))
        return pushes.behind === undefined ? Promise.resolve() : waiting.promise
      },
      get behind() {
        return pushes.behind
      },
    },
    ...options,
  })
  t.teardown(async () => {
    await activator[Symbol.asyncDispose]()
    await host[Symbol.asyncDispose]()
  })
  return { ...host, activator, pushes, confirm: () => waiting.resolve() }
}

const versionsIn = (messages: readonly ControlToFront[]) =>
  messages.flatMap((message) => (message.kind === 'site' ? (message.site.live?.version ?? 0) : []))

t.test('a version is compiled, brought to the fronts, and its time is kept', async (t) => {
  const { registry, activator, pushes, layout, ...host } = await setUp(t)
  const site = await registry.create('blog')
  t.same(await activator.request('blog'), { live: 1, connected: 1 })
  t.match(pushes.messages, [{ kind: 'site', site: { name: 'blog', authorities: ['blog.localhost'], live: undefined } }])
  await publishTexts(host, site, { 'index.html': 'one' })
  await activator.request('blog')
  const live = activator.live('blog')
  t.equal(live?.version, 1)
  t.ok(activator.uses(live?.compiled ?? ''))
  t.match(pushes.messages[1], { site: { live: { version: 1, compiled: live?.compiled }, timeoutMs: 60_000 } })
  t.match(await readFile(compiledFile(layout, live?.compiled ?? ''), 'utf8'), 'index.html')
  t.equal(site.events.liveAtMs(1), 99)
  await publishTexts(host, site, { 'index.html': 'two' })
  await activator.request('blog')
  t.notOk(existsSync(compiledFile(layout, live?.compiled ?? '')), 'the form before is gone')
})

t.test('copies are made in the background, and the version is told again with them', async (t) => {
  const { registry, activator, pushes, ...host } = await setUp(t)
  const site = await registry.create('blog')
  const again = Promise.withResolvers<void>()
  pushes.pushed = () => {
    if (versionsIn(pushes.messages).length === 2) again.resolve()
  }
  await publishTexts(host, site, { 'index.html': 'word '.repeat(1_000) })
  await activator.request('blog')
  t.notOk(site.events.isEncoded(1))
  const before = activator.live('blog')?.compiled
  await again.promise
  await activator.inForce('blog', AbortSignal.timeout(10_000))
  t.same(versionsIn(pushes.messages), [1, 1])
  t.not(activator.live('blog')?.compiled, before)
  t.same(activator.live('blog')?.toEncode, [])
  while (!site.events.isEncoded(1)) await new Promise(setImmediate)
  t.equal(site.events.lastLive, 1)
})

t.test('copies that cannot be made are not asked for for ever', async (t) => {
  let asked = 0
  const variants = {
    async request() {
      asked += 1
    },
    async close() {},
  }
  const { registry, activator, pushes, ...host } = await setUp(t, { variants })
  const site = await registry.create('blog')
  const again = Promise.withResolvers<void>()
  pushes.pushed = () => {
    if (versionsIn(pushes.messages).length === 2) again.resolve()
  }
  await publishTexts(host, site, { 'index.html': 'word '.repeat(1_000) })
  await activator.request('blog')
  await again.promise
  await activator.inForce('blog', AbortSignal.timeout(10_000))
  t.equal(asked, 1)
  t.notOk(site.events.isEncoded(1))
})

t.test('a version that cannot be compiled is tried again until it can', async (t) => {
  const wrong = { fails: true }
  const plugin = {
    name: 'p',
    headers() {
      if (wrong.fails) throw new Error('not now')
      return []
    },
  }
  const { registry, activator, pushes, config, ...host } = await setUp(t, {}, { plugins: [plugin] })
  const site = await registry.create('blog')
  await publishTexts(host, site, { 'index.html': 'one' })
  activator.use(await activator.compileAll(config, { strict: false }))
  t.equal(activator.isUnavailable('blog'), true)
  await activator.retryFailed()
  t.equal(activator.isUnavailable('blog'), true)
  t.same(pushes.messages, [], 'fronts go on with what they have')
  wrong.fails = false
  await activator.retryFailed()
  t.equal(activator.isUnavailable('blog'), false)
  t.same(versionsIn(pushes.messages), [1])
  await activator.retryFailed()
  t.equal(pushes.messages.length, 1, 'what is live is not tried again')

  wrong.fails = true
  await publishTexts(host, site, { 'index.html': 'two' })
  await t.rejects(activator.request('blog'), { code: 'ERR_PLUGIN' })
  t.equal(activator.isUnavailable('blog'), false, 'the version before is there to be told')
  t.equal(activator.live('blog')?.version, 1)
  wrong.fails = false
  await activator.retryFailed()
  t.equal(activator.live('blog')?.version, 2)
})

t.test('versions that come while one is on its way are told in order, without those between', async (t) => {
  const { registry, activator, pushes, ...host } = await setUp(t)
  const site = await registry.create('blog')
  await publishTexts(host, site, { a: '1' })
  const gate = Promise.withResolvers<void>()
  const first = Promise.withResolvers<void>()
  pushes.gate = gate.promise
  pushes.pushed = first.resolve
  const requests = [activator.request('blog')]
  await first.promise
  for (const text of ['2', '3', '4']) {
    await publishTexts(host, site, { a: text })
    requests.push(activator.request('blog'))
  }
  gate.resolve()
  await Promise.all(requests)
  t.same(versionsIn(pushes.messages), [1, 4])
})

t.test(
  'a version that a plugin cannot give headers for is not put live, and the fronts keep what they have',
  async (t) => {
    let fails = false
    const headers = () => {
      if (fails) throw new Error('cannot')
      return []
    }
    const { registry, activator, pushes, config, ...host } = await setUp(
      t,
      {},
      { plugins: [{ name: 'tags', headers }] },
    )
    const site = await registry.create('blog')
    await publishTexts(host, site, { a: '1' })
    await activator.request('blog')
    fails = true
    await publishTexts(host, site, { a: '2' })
    await t.rejects(activator.request('blog'), { code: 'ERR_PLUGIN' })
    t.same(versionsIn(pushes.messages), [1])
    t.equal(activator.live('blog')?.version, 1)
    await t.rejects(activator.inForce('blog', AbortSignal.timeout(10_000)), { code: 'ERR_PLUGIN' })
    await t.rejects(activator.compileAll(config, { strict: true }), { code: 'ERR_PLUGIN' })
    t.equal((await activator.compileAll(config, { strict: false })).size, 0)
    fails = false
    await activator.inForce('blog', AbortSignal.timeout(10_000))
    t.same(versionsIn(pushes.messages), [1, 2])
  },
)

t.test('a site that is not served any more is taken from the fronts', async (t) => {
  const { registry, activator, pushes, ...host } = await setUp(t)
  const site = await registry.create('blog')
  await publishTexts(host, site, { a: '1' })
  await activator.request('blog')
  await registry.delete('blog')
  await activator.inForce('blog', AbortSignal.timeout(10_000))
  t.match(pushes.messages.at(-1), { kind: 'gone', name: 'blog' })
  t.equal(activator.live('blog'), undefined)
})

t.test('the time at which all have it is kept when it comes, not before', async (t) => {
  const { registry, activator, pushes, confirm, ...host } = await setUp(t)
  const site = await registry.create('blog')
  pushes.behind = 'front 1 is not connected'
  await publishTexts(host, site, { a: '1' })
  await activator.request('blog')
  t.equal(site.events.liveAtMs(1), undefined)
  confirm()
  while (site.events.liveAtMs(1) === undefined) await new Promise(setImmediate)
  t.equal(site.events.liveAtMs(1), 99)
})

t.test('all live versions are compiled at once, and used without a word to the fronts', async (t) => {
  const { registry, activator, pushes, config, ...host } = await setUp(t)
  for (const name of ['a', 'b', 'c']) await publishTexts(host, await registry.create(name), { x: name })
  await registry.create('empty')
  const compiled = await activator.compileAll(config, { strict: true })
  t.same([...compiled.keys()].sort(), ['a', 'b', 'c'])
  t.equal(activator.live('a'), undefined)
  activator.use(compiled)
  t.equal(activator.live('a')?.version, 1)
  t.same(pushes.messages, [])
})

t.test('after its end nothing is put live', async (t) => {
  const { registry, activator } = await setUp(t)
  await registry.create('blog')
  await activator[Symbol.asyncDispose]()
  await t.rejects(activator.request('blog'), { code: 'ERR_CLOSED' })
})
