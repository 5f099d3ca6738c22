import t from 'tap'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { SiteState } from '../../core/messages.ts'
import type { Upstream } from '../../core/upstream.ts'
import type { RemoteUpstream } from '../../proxy/remote-upstream.ts'
import { SiteTable, type SiteTableOptions } from '../../proxy/site-table.ts'
import type { StaticTable } from '../../proxy/table.ts'
import { UpstreamPools } from '../../proxy/upstream-pools.ts'

const hash = (digit: string) => digit.repeat(64)
const live = (version: number) => ({ version, compiled: hash(String(version)) })

function state(name: string, options: Partial<SiteState> = {}): SiteState {
  return { name, authorities: [`${name}.localhost`], upstreams: [], timeoutMs: 1_000, bodyBytes: 0, ...options }
}

/** A whole state: names without settings of their own, and what else is told. */
function whole(names: readonly string[], sites: readonly SiteState[] = []) {
  const defaults = { upstreams: [], timeoutMs: 1_000, bodyBytes: 0 }
  return { domain: 'localhost', names: [...names], defaults, sites: [...sites] }
}

function create(options: Partial<SiteTableOptions> = {}) {
  const events: string[] = []
  /** What control tells of a site that it is asked for. */
  const told = new Map<string, SiteState>()
  const upstreams = new UpstreamPools({
    create: (urls) => {
      events.push(`open ${urls}`)
      return { close: async () => void events.push(`close ${urls}`) } as unknown as RemoteUpstream
    },
    gone: (name) => events.push(`gone ${name}`),
  })
  const table: SiteTable = new SiteTable({
    load: async (compiled) => {
      events.push(`load ${compiled[0]}`)
      if (compiled === hash('f')) throw new Error('damaged')
      return { site: 'x', version: Number(compiled[0]), bytes: 100 } as StaticTable
    },
    async ask(name) {
      events.push(`ask ${name}`)
      await new Promise(setImmediate)
      const site = told.get(name)
      if (!site) throw new GroveError('ERR_SITE_UNKNOWN', 'there is none')
      await table.put(site)
    },
    upstreams,
    code: (name, version) => ({ name: `${name}@${version}` }) as Upstream,
    failed: (name) => events.push(`failed ${name}`),
    ...options,
  })
  /** Has sites loaded as they are told. */
  const load = async (...sites: SiteState[]) => {
    for (const site of sites) {
      told.set(site.name, site)
      await table.load(site.name)
    }
    events.length = 0
  }
  return { table, events, told, upstreams, load }
}

t.test('a site is known by its name, and loaded when it is asked for', async (t) => {
  const { table, events, told } = create()
  const fresh = await table.replace(whole(['blog'], [state('shop', { authorities: ['shop.example'], untold: true })]))
  t.same(fresh, ['blog.localhost', 'shop.example'])
  t.equal(table.nameAt('blog.localhost'), 'blog')
  t.equal(table.nameAt('shop.example'), 'shop')
  t.equal(table.nameAt('shop.localhost'), undefined)
  t.equal(table.at('blog.localhost'), undefined)
  await table.put(state('blog', { live: live(1) }))
  t.same(events, [], 'a change of a site that nobody wants is not followed')
  told.set('blog', state('blog', { live: live(2) }))
  await Promise.all([table.load('blog'), table.load('blog')])
  t.same(events, ['ask blog', 'load 2'])
  t.equal(table.at('blog.localhost')?.table?.version, 2)
  t.same(table.loaded, ['blog'])
  await t.rejects(table.load('shop'), { code: 'ERR_SITE_UNKNOWN' })
})

t.test('a change that comes while a site is asked for is not lost', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { table, events } = create({ ask: () => gate.promise })
  await table.replace(whole(['blog']))
  const loading = table.load('blog')
  await table.put(state('blog', { live: live(1) }))
  await table.put(state('blog', { live: live(2) }))
  gate.resolve()
  await loading
  t.equal(table.at('blog.localhost')?.table?.version, 2)
  t.same(events, ['load 1', 'load 2'])
})

t.test('sites that are waited for are bounded', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { table } = create({ ask: () => gate.promise })
  const waiting = Array.from({ length: limits.front.siteAsks }, (_, index) => table.load(`s${index}`))
  await t.rejects(table.load('one-more'), { code: 'ERR_TOO_MANY' })
  waiting.push(table.load('s0'))
  gate.resolve()
  await Promise.all(waiting)
})

t.test('a loaded site is found by its authorities and replaced in one step', async (t) => {
  const { table, events, load } = create()
  await load(state('blog', { authorities: ['blog.localhost', 'blog.example'] }))
  t.equal(table.at('blog.example')?.state.name, 'blog')
  t.equal(table.at('blog.example')?.table, undefined)
  await table.put(state('blog', { live: live(1) }))
  t.equal(table.at('blog.example'), undefined, 'an authority that was taken away')
  t.equal(table.nameAt('blog.example'), undefined)
  t.equal(table.at('blog.localhost')?.table?.version, 1)
  t.same(events, ['load 1'])
})

t.test('the same compiled version is not read twice, and keeps its epoch', async (t) => {
  const { table, events, load } = create()
  await load(state('blog', { live: live(1) }))
  const before = table.get('blog')
  await table.put(state('blog', { live: live(1), timeoutMs: 5 }))
  t.equal(table.get('blog')?.epoch, before?.epoch)
  t.equal(table.get('blog')?.state.timeoutMs, 5)
  t.same(events, [])
})

t.test(
  'a version that control cannot tell now goes on being served, and is told again without being read anew',
  async (t) => {
    const { table, events, load } = create()
    await load(state('blog', { live: live(1) }), state('fresh', { unavailable: true }))
    await table.replace(whole(['fresh'], [state('blog', { unavailable: true, timeoutMs: 5 })]))
    t.equal(table.get('blog')?.table?.version, 1)
    t.equal(table.get('blog')?.state.timeoutMs, 5)
    t.equal(table.get('fresh')?.table, undefined)
    await table.put(state('blog', { live: live(1) }))
    t.same(events, [])
    await table.put(state('blog'))
    t.equal(table.get('blog')?.table, undefined, 'a site that has no version any more is another thing')
  },
)

t.test('a site of which a new control says nothing is served on, and asked for when a visitor comes', async (t) => {
  const { table, events, told, load } = create()
  await load(state('blog', { live: live(1) }))
  told.set('blog', state('blog', { live: live(2) }))
  await table.replace(whole(['blog']))
  t.same(events, [])
  t.equal(table.at('blog.localhost')?.table?.version, 1)
  t.equal(table.at('blog.localhost')?.table?.version, 1)
  t.same(events, ['ask blog'])
  while (!table.get('blog')?.isSure) await new Promise(setImmediate)
  t.equal(table.at('blog.localhost')?.table?.version, 2)
  t.same(events, ['ask blog', 'load 2'])
})

t.test('a control that cannot answer is not asked for each visitor', async (t) => {
  const { table, events, told, load } = create()
  await load(state('blog', { live: live(1) }))
  await table.replace(whole(['blog']))
  told.clear()
  t.equal(table.at('blog.localhost')?.table?.version, 1)
  while (!events.includes('failed blog')) await new Promise(setImmediate)
  for (let visit = 0; visit < 10; visit += 1) t.equal(table.at('blog.localhost')?.table?.version, 1)
  t.same(events, ['ask blog', 'failed blog'])
})

t.test('answers of a site that is gone are known until they have ended, also when it comes back', async (t) => {
  const { table, load } = create()
  await load(state('blog', { live: live(1) }), state('quiet', { live: live(1) }))
  const underWay = table.get('blog')?.epoch
  underWay?.begin()
  for (const name of ['blog', 'quiet']) table.remove(name)
  t.same(table.earlier('blog'), [underWay])
  t.same(table.earlier('quiet'), [])
  await load(state('blog'))
  t.same(table.earlier('blog'), [underWay])
  await table.put(state('blog', { live: live(1) }))
  t.same(table.earlier('blog'), [underWay])
  underWay?.end()
  table.remove('blog')
  t.same(table.earlier('blog'), [])
  t.same(table.earlier('never'), [])
})

t.test('upstream connections live as long as the list of upstreams is the same', async (t) => {
  const { table, events, load, upstreams } = create()
  await load(state('shop', { upstreams: ['http://a'] }))
  await table.put(state('shop', { upstreams: ['http://a'], bodyBytes: 9 }))
  await table.put(state('shop', { upstreams: ['http://b'] }))
  table.remove('shop')
  table.remove('shop')
  t.same(events, ['gone shop', 'close http://a', 'open http://b', 'gone shop', 'close http://b'])
  await load(state('shop', { upstreams: ['http://c'] }))
  await table.replace(whole(['other']))
  t.same(events, ['gone shop', 'close http://c'])
  await load(state('shop', { upstreams: ['http://d'] }))
  await upstreams.close()
  t.same(events, ['close http://d'])
})

t.test('sites that nobody visits are let go of when memory is short, and those that are stay', async (t) => {
  const { table, events, load } = create({ maxBytes: 10_000, least: 2 })
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  await table.replace(whole(names))
  for (const name of names) {
    await load(state(name, { live: live(1), ...(name === 'b' && { upstreams: ['http://b'] }) }))
    table.at('a.localhost')
  }
  t.ok(table.loaded.length <= 4, `${table.loaded}`)
  t.ok(table.get('a'), 'it is visited all the time')
  t.ok(table.get('h'), 'the newest')
  t.equal(table.get('b'), undefined)
  t.equal(table.nameAt('b.localhost'), 'b', 'it is known all the same')
  t.same(events, [], 'its connections stay')
  const underWay = table.get('h')?.epoch
  underWay?.begin()
  for (const name of names) await load(state(name, { live: live(1) }))
  t.ok(table.earlier('h').includes(underWay as never) || table.get('h')?.epoch === underWay)
})

t.test('a site that was just loaded for a visitor is not the first to go', async (t) => {
  const { table, load } = create({ maxBytes: 10_000, least: 1 })
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  await table.replace(whole(names))
  for (const name of names) {
    await load(state(name, { live: live(1) }))
    t.ok(table.at(`${name}.localhost`), name)
    for (const other of table.loaded) table.at(`${other}.localhost`)
  }
})

t.test('however much they take, a few sites stay loaded', async (t) => {
  const { table, load } = create({ maxBytes: 1, least: 3 })
  await table.replace(whole(['a', 'b', 'c', 'd']))
  for (const name of ['a', 'b', 'c', 'd']) await load(state(name, { live: live(1) }))
  t.equal(table.loaded.length, 3)
})

t.test('a table that grows while it is served counts', async (t) => {
  let grow = (_bytes: number) => {}
  const tables: { bytes: number }[] = []
  const { table, load } = create({
    maxBytes: 100_000,
    least: 1,
    load: async (_compiled, _before, grown) => {
      const made = { site: 'x', version: 1, bytes: 100 }
      tables.push(made)
      grow = grown
      return made as unknown as StaticTable
    },
  })
  await table.replace(whole(['a', 'b']))
  await load(state('a', { live: live(1) }), state('b', { live: live(1) }))
  const last = tables.at(-1)
  if (!last) throw new Error('two were loaded')
  last.bytes = 99_000
  grow(98_900)
  t.same(table.loaded.length, 1)
})

t.test('a new state is exactly what is known afterwards', async (t) => {
  const { table, load } = create()
  await load(state('old', { authorities: ['shared.example'] }), state('blog'))
  await table.replace(whole(['blog'], [state('new', { authorities: ['shared.example'], untold: true })]))
  t.equal(table.get('old'), undefined)
  t.equal(table.nameAt('shared.example'), 'new')
  t.equal(table.at('shared.example'), undefined)
  t.equal(table.at('blog.localhost')?.state.name, 'blog')
})

t.test('an authority that moved is not taken from its new site when the old one goes', async (t) => {
  const { table, load } = create()
  await load(state('a', { authorities: ['x.example'] }), state('b', { authorities: ['x.example'] }))
  table.remove('a')
  t.equal(table.at('x.example')?.state.name, 'b')
  t.equal(table.nameAt('x.example'), 'b')
})

t.test('one site whose version cannot be read keeps the last one, and is asked for again', async (t) => {
  const { table, events, told, load } = create()
  await load(state('blog', { live: live(1) }), state('shop'))
  const damaged = state('blog', { live: { version: 2, compiled: hash('f') } })
  await table.replace(whole(['shop'], [damaged]))
  t.equal(table.get('blog')?.table?.version, 1)
  t.ok(table.get('shop'))
  t.same(events, ['load f', 'failed blog'])
  told.set('blog', state('blog', { live: live(2) }))
  table.at('blog.localhost')
  while (!table.get('blog')?.isSure) await new Promise(setImmediate)
  t.equal(table.get('blog')?.table?.version, 2)
  await t.rejects(table.put(damaged), /damaged/)
  t.equal(table.get('blog')?.table?.version, 2)
})
