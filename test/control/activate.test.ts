import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { Activator, type ActivatorOptions } from '../../control/activate.ts'
import { createCodeManifests } from '../../control/code-manifests.ts'
import { toEncode } from '../../control/compile-version.ts'
import { CompiledTexts } from '../../control/compiled-texts.ts'
import { createVariants, type Variants } from '../../control/variants.ts'
import { blobFile, compiledFile, variantFile } from '../../core/layout.ts'
import type { ControlToFront } from '../../core/messages.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { createSite, openSiteHost, publishTexts } from './fixtures/site-host.ts'

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
  const texts = new CompiledTexts(host.layout, silentLog)
  const confirmed: string[] = []
  const activator = new Activator({
    layout: host.layout,
    registry: host.registry,
    outstanding: host.outstanding,
    texts,
    confirmed: (name) => void confirmed.push(name),
    variants: createVariants({ layout: host.layout, blobs: host.blobs, log: silentLog }),
    manifests: createCodeManifests({ blobs: host.blobs, log: silentLog }),
    announce: async () => {},
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
  /** Says that nothing is outstanding of a site. */
  const end = (name: string) => host.outstanding.end(name, host.outstanding.begun(name))
  return { ...host, texts, activator, pushes, confirmed, end, confirm: () => waiting.resolve() }
}

const versionsIn = (messages: readonly ControlToFront[]) =>
  messages.flatMap((message) => (message.kind === 'site' ? (message.site.live?.version ?? 0) : []))

t.test('a version is compiled, brought to the fronts, and its time is kept', async (t) => {
  const { activator, pushes, layout, texts, confirmed, ...host } = await setUp(t)
  const site = await createSite(host, 'blog')
  t.same(await activator.request('blog'), { live: 1, connected: 1 })
  t.match(pushes.messages, [{ kind: 'site', site: { name: 'blog', authorities: ['blog.localhost'], live: undefined } }])
  await publishTexts(host, site, { 'index.html': 'one' })
  await activator.request('blog')
  const live = activator.live('blog')
  t.equal(live?.version, 1)
  t.ok(texts.isHeld(live?.compiled ?? ''))
  t.match(pushes.messages[1], { site: { live: { version: 1, compiled: live?.compiled }, timeoutMs: 60_000 } })
  t.match(await readFile(compiledFile(layout, live?.compiled ?? ''), 'utf8'), 'index.html')
  t.equal(activator.told('blog'), live)
  t.equal(site.events.liveAtMs(1), 99)
  t.same(confirmed, ['blog'])
  await publishTexts(host, site, { 'index.html': 'two' })
  await activator.request('blog')
  t.notOk(existsSync(compiledFile(layout, live?.compiled ?? '')), 'the form before is gone')
})

t.test('copies are made in the background, and the version is told again with them', async (t) => {
  const { activator, pushes, ...host } = await setUp(t)
  const site = await createSite(host, 'blog')
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
  const live = activator.live('blog')
  t.same(live && toEncode(live), [])
  while (!site.events.isEncoded(1)) await new Promise(setImmediate)
  t.equal(site.events.lastLive, 1)
})

t.test('copies that cannot be made are not asked for for ever', async (t) => {
  let asked = 0
  const variants: Variants = {
    async request() {
      asked += 1
    },
    remake: async () => true,
    async close() {},
  }
  const { activator, pushes, ...host } = await setUp(t, { variants })
  const site = await createSite(host, 'blog')
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
  const { activator, pushes, config, ...host } = await setUp(t, {}, { plugins: [plugin] })
  const site = await createSite(host, 'blog')
  await publishTexts(host, site, { 'index.html': 'one' })
  await activator.ready('blog')
  t.equal(activator.told('blog'), 'unavailable')
  await activator.retryFailed()
  t.equal(activator.told('blog'), 'unavailable')
  t.same(pushes.messages, [], 'fronts go on with what they have')
  wrong.fails = false
  await activator.retryFailed()
  t.match(activator.told('blog'), { version: 1 })
  t.same(versionsIn(pushes.messages), [1])
  await activator.retryFailed()
  t.equal(pushes.messages.length, 1, 'what is live is not tried again')

  wrong.fails = true
  await publishTexts(host, site, { 'index.html': 'two' })
  await t.rejects(activator.request('blog'), { code: 'ERR_PLUGIN' })
  t.match(activator.told('blog'), { version: 1 }, 'the version before is there to be told')
  wrong.fails = false
  await activator.retryFailed()
  t.equal(activator.live('blog')?.version, 2)
})

t.test('versions that come while one is on its way are told in order, without those between', async (t) => {
  const { activator, pushes, ...host } = await setUp(t)
  const site = await createSite(host, 'blog')
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
    const { activator, pushes, config, ...host } = await setUp(t, {}, { plugins: [{ name: 'tags', headers }] })
    const site = await createSite(host, 'blog')
    await publishTexts(host, site, { a: '1' })
    await activator.request('blog')
    fails = true
    await publishTexts(host, site, { a: '2' })
    await t.rejects(activator.request('blog'), { code: 'ERR_PLUGIN' })
    t.same(versionsIn(pushes.messages), [1])
    t.equal(activator.live('blog')?.version, 1)
    await t.rejects(activator.inForce('blog', AbortSignal.timeout(10_000)), { code: 'ERR_PLUGIN' })
    await t.rejects(activator.recompile(config, new Set(['blog'])), { code: 'ERR_PLUGIN' })
    fails = false
    await activator.inForce('blog', AbortSignal.timeout(10_000))
    t.same(versionsIn(pushes.messages), [1, 2])
  },
)

t.test('a site that is not served any more is taken from the fronts', async (t) => {
  const { activator, pushes, ...host } = await setUp(t)
  const site = await createSite(host, 'blog')
  await publishTexts(host, site, { a: '1' })
  await activator.request('blog')
  await host.registry.delete('blog')
  await activator.inForce('blog', AbortSignal.timeout(10_000))
  t.match(pushes.messages.at(-1), { kind: 'gone', name: 'blog' })
  t.equal(activator.live('blog'), undefined)
})

t.test('the time at which all have it is kept when it comes, not before', async (t) => {
  const { activator, pushes, confirm, ...host } = await setUp(t)
  const site = await createSite(host, 'blog')
  pushes.behind = 'front 1 is not connected'
  await publishTexts(host, site, { a: '1' })
  await activator.request('blog')
  t.equal(site.events.liveAtMs(1), undefined)
  confirm()
  while (site.events.liveAtMs(1) === undefined) await new Promise(setImmediate)
  t.equal(site.events.liveAtMs(1), 99)
})

t.test('what fronts have loaded is compiled anew for a config that is to come, and the rest forgotten', async (t) => {
  const { activator, pushes, config, end, texts, ...host } = await setUp(t)
  for (const name of ['a', 'b', 'c', 'd', 'empty']) {
    const site = await createSite(host, name)
    if (name !== 'empty') await publishTexts(host, site, { x: name })
    await activator.request(name)
    if (name !== 'd') end(name)
  }
  pushes.messages.length = 0
  const before = activator.live('a')
  const loaded = new Set(['a', 'b', 'empty', 'gone'])
  const plugins = [{ name: 'tags', headers: () => ['x-tag', 'new'] }]
  const compiled = await activator.recompile({ ...config, plugins }, loaded)
  t.same([...compiled.keys()].sort(), ['a', 'b', 'd', 'empty'], 'and those of which something is outstanding')
  t.equal(activator.live('a'), before, 'nothing is told before it is used')
  await activator.use(compiled, async () => {
    t.not(activator.live('a')?.compiled, before?.compiled)
    t.ok(texts.isHeld(before?.compiled ?? ''), 'fronts may still read what they have')
  })
  t.notOk(texts.isHeld(before?.compiled ?? ''))
  t.equal(activator.live('c'), undefined)
  t.equal(activator.live('d')?.version, 1)
  t.same(pushes.messages, [])
  const discarded = await activator.recompile(config, loaded)
  await activator.discard(discarded)
  t.ok(existsSync(compiledFile(host.layout, activator.live('a')?.compiled ?? '')))
})

t.test('one that could not be compiled under the new config is unavailable, unless a front has it', async (t) => {
  const { activator, config, ...host } = await setUp(t)
  await publishTexts(host, await createSite(host, 'blog'), { x: '1' })
  const headers = () => {
    throw new Error('cannot')
  }
  const bad = { ...config, plugins: [{ name: 'tags', headers }] }
  await t.rejects(activator.recompile(bad, new Set(['blog'])), { code: 'ERR_PLUGIN' })
  await activator.use(await activator.recompile(bad, new Set()), async () => {})
  t.equal(activator.told('blog'), 'unavailable', 'it was never told, so nobody has it')
  await activator.retryFailed()
  t.match(activator.told('blog'), { version: 1 })
})

t.test('a site is compiled when the first front asks, and the others are told nothing', async (t) => {
  const { activator, pushes, end, ...host } = await setUp(t)
  await publishTexts(host, await createSite(host, 'blog'), { x: '1' })
  end('blog')
  t.equal(activator.told('blog'), undefined)
  await Promise.all([activator.ready('blog'), activator.ready('blog')])
  t.match(activator.told('blog'), { version: 1 })
  t.same(pushes.messages, [])
  await activator.inForce('blog', AbortSignal.timeout(10_000))
  t.same(pushes.messages, [], 'whoever has it has this version')
  await createSite(host, 'empty')
  await activator.ready('empty')
  t.equal(activator.told('empty'), undefined)
  await activator.ready('unknown')
  t.match(pushes.messages, [{ kind: 'gone', name: 'unknown' }])
})

t.test('while something is outstanding, a front that asks makes all fronts hear of it', async (t) => {
  const { activator, pushes, ...host } = await setUp(t)
  await publishTexts(host, await createSite(host, 'blog'), { x: '1' })
  await activator.ready('blog')
  t.same(versionsIn(pushes.messages), [1])
})

t.test('versions that nobody asked for in a long time are forgotten, but for those that are outstanding', async (t) => {
  const { activator, end, layout, ...host } = await setUp(t, { livePieces: 4 })
  for (const name of ['a', 'b', 'c', 'd']) {
    await publishTexts(host, await createSite(host, name), { x: name })
    await activator.request(name)
    if (name !== 'b') end(name)
  }
  const live = activator.live('d')
  t.same(
    ['a', 'b', 'c', 'd'].map((name) => activator.live(name)?.version),
    [undefined, 1, undefined, 1],
  )
  const kept = activator.live('b')
  t.ok(existsSync(compiledFile(layout, live?.compiled ?? '')) && existsSync(compiledFile(layout, kept?.compiled ?? '')))
  await activator.ready('a')
  t.match(activator.told('a'), { version: 1 })
})

t.test('what a front cannot read is made again', async (t) => {
  const { activator, pushes, layout, ...host } = await setUp(t)
  await publishTexts(host, await createSite(host, 'blog'), { x: '1' })
  await activator.request('blog')
  const { compiled = '', pieces = [] } = activator.live('blog') ?? {}
  const piece = compiledFile(layout, pieces[0]?.piece?.hash ?? '')
  rmSync(compiledFile(layout, compiled))
  writeFileSync(piece, 'damaged')
  await activator.mend('blog')
  t.equal(activator.live('blog')?.compiled, compiled)
  t.match(await readFile(compiledFile(layout, compiled), 'utf8'), 'grove-compiled')
  t.match(await readFile(piece, 'utf8'), 'grove-piece')
  t.same(versionsIn(pushes.messages), [1, 1])
})

t.test('a copy that a front did not find is made again; where it comes out otherwise, so is the version', async (t) => {
  const { activator, pushes, layout, ...host } = await setUp(t)
  const site = await createSite(host, 'blog')
  await publishTexts(host, site, { 'index.html': 'word '.repeat(1_000) })
  await activator.request('blog')
  while (!site.events.isEncoded(1)) await new Promise(setImmediate)
  await activator.inForce('blog', AbortSignal.timeout(10_000))
  const { hash } = (await site.versions.find(1, 'index.html')) ?? { hash: '' }
  const file = variantFile(layout, hash, 'br')
  const bytes = (await readFile(file)).length
  const copy = { kind: 'copy', site: 'blog', hash, coding: 'br', bytes, type: 'text/html; charset=utf-8' } as const
  const told = versionsIn(pushes.messages).length
  rmSync(file)
  rmSync(blobFile(layout, hash), { force: true })
  await activator.copyLost(copy)
  t.ok(existsSync(file), 'also when the content had to be fetched first')
  t.equal(versionsIn(pushes.messages).length, told)
  await activator.copyLost({ ...copy, bytes: 1 })
  t.equal(versionsIn(pushes.messages).length, told + 1)
  await activator.copyLost({ ...copy, site: 'gone' })
})

t.test('after its end nothing is put live', async (t) => {
  const { activator, ...host } = await setUp(t)
  await createSite(host, 'blog')
  await activator[Symbol.asyncDispose]()
  await t.rejects(activator.request('blog'), { code: 'ERR_CLOSED' })
})
