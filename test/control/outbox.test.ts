import t, { type Test } from 'tap'
import { Outbox, type OutboxOptions } from '../../control/outbox.ts'
import type { Plugin, PublishEvent } from '../../core/plugin.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { createSite, openSiteHost, publishTexts, type SiteHost } from './fixtures/site-host.ts'

/** A plugin that keeps what it was told; `act` decides about each event. */
function recorder(name: string, act: (event: PublishEvent, call: number) => unknown = () => undefined) {
  const events: PublishEvent[] = []
  const waiting: (() => void)[] = []
  const plugin: Plugin = {
    name,
    async published(event) {
      events.push(event)
      for (const wake of waiting.splice(0)) wake()
      const receipt = await act(event, events.length)
      return (receipt ?? { action: 'purged', details: { urls: event.changed.length } }) as never
    },
  }
  const until = async (count: number) => {
    while (events.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  return { plugin, events, until }
}

function outboxOf(
  { registry, outstanding }: SiteHost,
  plugins: Plugin[],
  options: Partial<OutboxOptions> = {},
): Outbox {
  return new Outbox({
    registry,
    outstanding,
    plugins,
    inForce: async () => {},
    settle: async () => {},
    told: () => {},
    log: silentLog,
    now: () => 77,
    ...options,
  })
}

async function host(t: Test): Promise<SiteHost> {
  const opened = await openSiteHost(t.testdir())
  t.teardown(() => opened[Symbol.asyncDispose]())
  return opened
}

/** Never aborts. */
const { signal } = new AbortController()

t.test('a publish is told once, when it is in force and settled, and the receipt is kept', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const order: string[] = []
  const { plugin, events } = recorder('cdn', () => {
    order.push('told')
  })
  await using outbox = outboxOf(opened, [plugin, { name: 'deaf' }], {
    inForce: async (name) => void order.push(`in force ${name}`),
    settle: async (name) => void order.push(`settled ${name}`),
  })
  t.same(outbox.plugins, ['cdn'])
  outbox.start()
  const version = await publishTexts(opened, site, { 'a.html': 'one', 'b.html': 'two' })
  outbox.poke('blog', version)
  t.match(outbox.pending(), [{ plugin: 'cdn', site: 'blog', versions: [1], attempts: 0, error: undefined }])
  await outbox.confirmed('blog', version, signal)
  t.same(order, ['in force blog', 'settled blog', 'told'])
  t.match(events, [{ site: { name: 'blog', authorities: ['blog.localhost'] }, version: 1, versions: [1] }])
  t.same(events[0]?.added, ['a.html', 'b.html'])
  t.same(outbox.pending(), [])
  t.match(site.events.receipts(1), [{ plugin: 'cdn', action: 'purged', atMs: 77, details: { urls: 0 } }])
  outbox.poke('blog')
  await outbox.confirmed('blog', version, signal)
  t.equal(events.length, 1, 'nothing new, nothing told')
})

t.test('publishes during a delivery are told together afterwards', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const gate = Promise.withResolvers<void>()
  const { plugin, events, until } = recorder('cdn', (_event, call) => (call === 1 ? gate.promise : undefined))
  await using outbox = outboxOf(opened, [plugin])
  outbox.start()
  outbox.poke('blog', await publishTexts(opened, site, { a: '1' }))
  await until(1)
  outbox.poke('blog', await publishTexts(opened, site, { a: '2', b: '1' }))
  outbox.poke('blog', await publishTexts(opened, site, { a: '3' }))
  t.match(outbox.pending('blog'), [{ versions: [1, 2, 3] }])
  t.same(outbox.pending('other'), [])
  gate.resolve()
  await outbox.confirmed('blog', 3, signal)
  t.match(events[1], { version: 3, versions: [2, 3], changed: ['a'], removed: ['b'], added: [] })
  t.equal(events.length, 2)
})

t.test('a failure is tried again with the same event until it is confirmed', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const { plugin, events } = recorder('cdn', (_event, call) => {
    if (call < 3) throw new Error(`cannot reach it ${'x'.repeat(1_000)}`)
  })
  await using outbox = outboxOf(opened, [plugin])
  outbox.start()
  const version = await publishTexts(opened, site, { a: '1' })
  outbox.poke('blog', version)
  await outbox.confirmed('blog', version, signal)
  t.equal(events.length, 3)
  t.equal(new Set(events.map(({ id }) => id)).size, 1)
})

t.test('what is pending says how often it failed and why', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const { plugin, until } = recorder('cdn', () => {
    throw new Error('x'.repeat(1_000))
  })
  const outbox = outboxOf(opened, [plugin])
  outbox.start()
  const version = await publishTexts(opened, site, { a: '1' })
  outbox.poke('blog', version)
  await until(2)
  const [pending] = outbox.pending()
  t.match(pending, { plugin: 'cdn', site: 'blog', versions: [1], error: /^x{500}$/ })
  t.ok((pending?.attempts ?? 0) >= 1)
  const enough = new AbortController()
  const waiting = outbox.confirmed('blog', version, enough.signal)
  enough.abort(new Error('enough'))
  await t.rejects(waiting, { message: 'enough' })
  await outbox[Symbol.asyncDispose]()
})

t.test('a plugin that never answers is not waited for any longer than its time', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const { plugin, until } = recorder('cdn', (_event, call) => (call === 1 ? new Promise(() => {}) : undefined))
  await using outbox = outboxOf(opened, [plugin], { publishedMs: 10 })
  outbox.start()
  const version = await publishTexts(opened, site, { a: '1' })
  outbox.poke('blog', version)
  await until(2)
  await outbox.confirmed('blog', version, signal)
  t.equal(site.events.receipts(1).length, 1)
})

t.test('nothing is told while older answers may be under way', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  let settles = 0
  const { plugin, events } = recorder('cdn')
  await using outbox = outboxOf(opened, [plugin], {
    settle: async () => {
      settles += 1
      t.equal(events.length, 0)
      if (settles < 2) throw new Error('a front did not answer')
    },
  })
  outbox.start()
  const version = await publishTexts(opened, site, { a: '1' })
  outbox.poke('blog', version)
  await outbox.confirmed('blog', version, signal)
  t.equal(settles, 2)
})

t.test('a delivery goes on over a restart, from where each plugin was', async (t) => {
  const folder = t.testdir()
  const down = recorder('cdn', () => {
    throw new Error('down')
  })
  const good = recorder('mail')
  let firstId: string | undefined
  {
    await using opened = await openSiteHost(folder, { durable: true })
    const site = await createSite(opened, 'blog')
    const outbox = outboxOf(opened, [down.plugin, good.plugin])
    outbox.start()
    outbox.poke('blog', await publishTexts(opened, site, { a: '1', b: '1' }))
    await down.until(1)
    await good.until(1)
    while (outbox.pending().some(({ plugin }) => plugin === 'mail')) await new Promise(setImmediate)
    firstId = down.events[0]?.id
    await outbox[Symbol.asyncDispose]()
  }
  await using opened = await openSiteHost(folder, { durable: true })
  const up = recorder('cdn')
  const again = recorder('mail')
  const fresh = recorder('fresh')
  await using outbox = outboxOf(opened, [up.plugin, again.plugin, fresh.plugin])
  outbox.start()
  await Promise.all([up.until(1), fresh.until(1)])
  t.equal(up.events[0]?.id, firstId, 'the same event, so the plugin can tell')
  t.match(fresh.events[0], { versions: [1], added: ['a', 'b'] }, 'a new plugin begins at the beginning')
  while (outbox.pending().length > 0) await new Promise(setImmediate)
  t.equal(again.events.length, 0, 'what was confirmed is not told again')
})

t.test('a process that dies between the call and the receipt tells again', async (t) => {
  const folder = t.testdir()
  const hanging = recorder('cdn', () => new Promise(() => {}))
  {
    await using opened = await openSiteHost(folder, { durable: true })
    const site = await createSite(opened, 'blog')
    const outbox = outboxOf(opened, [hanging.plugin], { publishedMs: 50 })
    t.teardown(() => outbox[Symbol.asyncDispose]())
    outbox.start()
    outbox.poke('blog', await publishTexts(opened, site, { a: '1' }))
    await hanging.until(1)
    // The store closes under it, as at a kill.
  }
  await using opened = await openSiteHost(folder, { durable: true })
  const { plugin, events, until } = recorder('cdn')
  await using outbox = outboxOf(opened, [plugin])
  outbox.start()
  await until(1)
  t.equal(events[0]?.id, hanging.events[0]?.id)
})

t.test('a deleted site is told as one without a version', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const { plugin, events, until } = recorder('cdn')
  await using outbox = outboxOf(opened, [plugin])
  outbox.start()
  outbox.poke('blog', await publishTexts(opened, site, { a: '1' }))
  await outbox.confirmed('blog', 1, signal)
  await opened.registry.delete('blog')
  outbox.poke('blog')
  await until(2)
  t.match(events[1], { version: undefined, versions: [], removed: ['a'] })
})

t.test('the end of a site is pending until it is confirmed, also after a restart', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const { plugin } = recorder('cdn', (event) => {
    if (event.version === undefined) throw new Error('cannot reach it')
  })
  const outbox = outboxOf(opened, [plugin])
  outbox.start()
  outbox.poke('blog', await publishTexts(opened, site, { a: '1' }))
  await outbox.confirmed('blog', 1, signal)
  await opened.registry.delete('blog')
  outbox.poke('blog')
  t.match(outbox.pending(), [{ plugin: 'cdn', site: 'blog', versions: [], attempts: 0 }], 'from the first moment')
  while (outbox.pending()[0]?.error === undefined) await new Promise(setImmediate)
  t.match(outbox.pending(), [{ versions: [], error: 'cannot reach it' }])
  await outbox[Symbol.asyncDispose]()

  const gate = Promise.withResolvers<void>()
  const back = recorder('cdn', () => gate.promise)
  await using next = outboxOf(opened, [back.plugin])
  next.start()
  await back.until(1)
  t.match(next.pending(), [{ site: 'blog', versions: [] }])
  gate.resolve()
  while (next.pending().length > 0) await new Promise(setImmediate)
  t.equal(back.events.length, 1)
})

t.test('before its start an outbox only notes what happens', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const { plugin, events } = recorder('cdn')
  await using outbox = outboxOf(opened, [plugin])
  const version = await publishTexts(opened, site, { a: '1' })
  outbox.poke('blog', version)
  t.match(outbox.pending(), [{ versions: [1] }])
  await new Promise(setImmediate)
  t.equal(events.length, 0)
  outbox.start()
  await outbox.confirmed('blog', version, signal)
  t.equal(events.length, 1)
})

t.test('a delivery that ends while the outbox stops still leaves its receipt', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const gate = Promise.withResolvers<void>()
  const { plugin, until } = recorder('cdn', () => gate.promise)
  const outbox = outboxOf(opened, [plugin])
  outbox.start()
  outbox.poke('blog', await publishTexts(opened, site, { a: '1' }))
  await until(1)
  const stopped = outbox[Symbol.asyncDispose]()
  gate.resolve()
  await stopped
  t.equal(site.events.receipts(1).length, 1)
  outbox.poke('blog', 9)
  t.same(outbox.pending(), [], 'what is stopped takes nothing more')
})

t.test('a receipt that is no receipt does not lead to another purge', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const receipts: unknown[] = [7, null, { action: 'ok', details: { text: 'x'.repeat(5_000) } }]
  for (const [index, receipt] of receipts.entries()) {
    const plugin: Plugin = { name: `p${index}`, published: async () => receipt as never }
    await using outbox = outboxOf(opened, [plugin])
    outbox.start()
    const version = await publishTexts(opened, site, { a: String(index) })
    outbox.poke('blog', version)
    await outbox.confirmed('blog', version, signal)
    const kept = site.events.receipts(version).find(({ plugin: name }) => name === plugin.name)
    t.match(kept, { action: index === 2 ? 'ok' : 'done', details: undefined })
  }
})

t.test(
  'after a start only sites of which something is outstanding are looked into, unless a plugin is new',
  async (t) => {
    const opened = await host(t)
    const { registry, outstanding } = opened
    for (const name of ['a', 'b', 'c']) await publishTexts(opened, await createSite(opened, name), { x: name })
    const held: string[] = []
    const watched = {
      everyName: () => registry.everyName(),
      info: (name: string) => registry.info(name),
      hold(name: string) {
        held.push(name)
        return registry.hold(name)
      },
    }
    const run = async (plugins: Plugin[]) => {
      held.length = 0
      const outbox = outboxOf(opened, plugins, {
        registry: watched,
        told: (name) => outstanding.end(name, outstanding.begun(name)),
      })
      outbox.start()
      while (outbox.plugins.some((name) => !outstanding.plugins.has(name))) await new Promise(setImmediate)
      while (outstanding.sites.size > 0 || outbox.pending().length > 0) await new Promise(setImmediate)
      await outbox[Symbol.asyncDispose]()
    }
    const cdn = recorder('cdn')
    await run([cdn.plugin])
    t.same(cdn.events.map(({ site }) => site.name).sort(), ['a', 'b', 'c'])
    t.equal(outstanding.sites.size, 0)
    await run([cdn.plugin])
    t.same(held, [], 'it knows all')
    const mail = recorder('mail')
    await run([mail.plugin])
    t.equal(mail.events.length, 3)
    using b = await registry.need('b')
    await publishTexts(opened, b, { x: 'changed while cdn is away' })
    await run([mail.plugin])
    t.same(new Set(held), new Set(['b']))
    await run([cdn.plugin, mail.plugin])
    t.same(new Set(held), new Set(['a', 'b', 'c']), 'one that was away is told of every site that it does not know')
    t.same(
      cdn.events.slice(3).map(({ site }) => site.name),
      ['b'],
    )
  },
)

t.test('where changes are forgotten, a plugin is told of the whole site', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  for (let version = 1; version <= 5; version += 1)
    await publishTexts(opened, site, { a: `${version}`, [`v${version}`]: '' })
  await site.versions.prune({ versions: 1, ms: 0 }, { atMs: Date.now() + 1_000 })
  await t.rejects(site.versions.changes(undefined), { code: 'ERR_TRIMMED' })
  const { plugin, events } = recorder('cdn', (_event, call) => {
    if (call === 1) throw new Error('not now')
  })
  await using outbox = outboxOf(opened, [plugin])
  outbox.start()
  outbox.poke('blog', 5)
  await outbox.confirmed('blog', 5, signal)
  t.match(events[0], { version: 5, complete: false, added: [], removed: [] })
  t.same(events[0]?.changed, ['a', 'v5'])
  t.same(events[1], events[0], 'the same at a retry')
  t.ok(await outbox.isTold(site))
  outbox.poke('blog', await publishTexts(opened, site, { a: 'next' }))
  await outbox.confirmed('blog', 6, signal)
  t.match(events[2], { version: 6, complete: true, changed: ['a'], removed: ['v5'] })
})

t.test('what a plugin has yet to be told stays readable', async (t) => {
  const opened = await host(t)
  const site = await createSite(opened, 'blog')
  const { plugin } = recorder('cdn')
  await using outbox = outboxOf(opened, [plugin])
  t.equal(outbox.toldUpto(site), undefined, 'nothing happened')
  const version = await publishTexts(opened, site, { a: '1' })
  t.notOk(await outbox.isTold(site))
  const prune = () =>
    site.versions.prune({ versions: 1, ms: 0 }, { atMs: Date.now() + 1_000, keepAfter: outbox.toldUpto(site) })
  await publishTexts(opened, site, { a: '2' })
  await prune()
  t.equal((await site.versions.changes(undefined)).length, 2)
  outbox.start()
  outbox.poke('blog', version)
  await outbox.confirmed('blog', version, signal)
  t.equal(outbox.toldUpto(site), site.events.cursor('cdn'))
  t.equal(outboxOf(opened, []).toldUpto(site), undefined, 'nobody is told')
})
