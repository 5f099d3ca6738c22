import t from 'tap'
import type { SiteState } from '../../core/messages.ts'
import type { RemoteUpstream } from '../../proxy/remote-upstream.ts'
import { SiteTable } from '../../proxy/site-table.ts'
import type { StaticTable } from '../../proxy/table.ts'

const hash = (digit: string) => digit.repeat(64)

function state(name: string, options: Partial<SiteState> = {}): SiteState {
  return { name, authorities: [`${name}.localhost`], upstreams: [], timeoutMs: 1_000, bodyBytes: 0, ...options }
}

function create() {
  const events: string[] = []
  const table = new SiteTable({
    load: async (compiled) => {
      events.push(`load ${compiled[0]}`)
      if (compiled === hash('f')) throw new Error('damaged')
      return { site: 'x', version: Number(compiled[0]) } as StaticTable
    },
    createUpstream: (urls) => {
      events.push(`open ${urls}`)
      return { close: async () => void events.push(`close ${urls}`) } as unknown as RemoteUpstream
    },
    failed: (name) => events.push(`failed ${name}`),
    upstreamGone: (name) => events.push(`gone ${name}`),
  })
  return { table, events }
}

t.test('a site is found by its authorities and replaced in one step', async (t) => {
  const { table, events } = create()
  await table.put(state('blog', { authorities: ['blog.localhost', 'blog.example'] }))
  t.equal(table.at('blog.example')?.state.name, 'blog')
  t.equal(table.at('blog.example')?.table, undefined)
  await table.put(state('blog', { live: { version: 1, compiled: hash('1') } }))
  t.equal(table.at('blog.example'), undefined, 'an authority that was taken away')
  t.equal(table.at('blog.localhost')?.table?.version, 1)
  t.same(events, ['load 1'])
})

t.test('the same compiled version is not read twice, and keeps its epoch', async (t) => {
  const { table, events } = create()
  await table.put(state('blog', { live: { version: 1, compiled: hash('1') } }))
  const before = table.get('blog')
  await table.put(state('blog', { live: { version: 1, compiled: hash('1') }, timeoutMs: 5 }))
  t.equal(table.get('blog')?.epoch, before?.epoch)
  t.equal(table.get('blog')?.state.timeoutMs, 5)
  t.same(events, ['load 1'])
})

t.test(
  'a version that control cannot tell now goes on being served, and is told again without being read anew',
  async (t) => {
    const { table, events } = create()
    const live = { version: 1, compiled: hash('1') }
    await table.put(state('blog', { live }))
    await table.replace([state('blog', { unavailable: true, timeoutMs: 5 }), state('fresh', { unavailable: true })])
    t.equal(table.get('blog')?.table?.version, 1)
    t.equal(table.get('blog')?.state.timeoutMs, 5)
    t.equal(table.get('fresh')?.table, undefined)
    await table.put(state('blog', { live }))
    t.same(events, ['load 1'])
    await table.put(state('blog'))
    t.equal(table.get('blog')?.table, undefined, 'a site that has no version any more is another thing')
  },
)

t.test('answers of a site that is gone are known until they have ended, also when it comes back', async (t) => {
  const { table } = create()
  const live = { version: 1, compiled: hash('1') }
  for (const name of ['blog', 'quiet']) await table.put(state(name, { live }))
  const underWay = table.get('blog')?.epoch
  underWay?.begin()
  for (const name of ['blog', 'quiet']) table.remove(name)
  t.same(table.earlier('blog'), [underWay])
  t.same(table.earlier('quiet'), [])
  await table.put(state('blog'))
  t.same(table.earlier('blog'), [underWay])
  await table.put(state('blog', { live }))
  t.same(table.earlier('blog'), [underWay])
  underWay?.end()
  table.remove('blog')
  t.same(table.earlier('blog'), [])
  t.same(table.earlier('never'), [])
})

t.test('upstream connections live as long as the list of upstreams is the same', async (t) => {
  const { table, events } = create()
  await table.put(state('shop', { upstreams: ['http://a'] }))
  await table.put(state('shop', { upstreams: ['http://a'], bodyBytes: 9 }))
  await table.put(state('shop', { upstreams: ['http://b'] }))
  table.remove('shop')
  table.remove('shop')
  t.same(events, ['open http://a', 'open http://b', 'gone shop', 'close http://a', 'gone shop', 'close http://b'])
})

t.test('a new state is exactly what is in force afterwards', async (t) => {
  const { table } = create()
  await table.put(state('old', { authorities: ['shared.example'] }))
  await table.replace([state('new', { authorities: ['shared.example'] }), state('blog')])
  t.equal(table.get('old'), undefined)
  t.equal(table.at('shared.example')?.state.name, 'new')
  t.equal(table.at('blog.localhost')?.state.name, 'blog')
})

t.test('an authority that moved is not taken from its new site when the old one goes', async (t) => {
  const { table } = create()
  await table.put(state('a', { authorities: ['x.example'] }))
  await table.put(state('b', { authorities: ['x.example'] }))
  table.remove('a')
  t.equal(table.at('x.example')?.state.name, 'b')
})

t.test('one site whose version cannot be read keeps the last one, and the others are served', async (t) => {
  const { table, events } = create()
  await table.put(state('blog', { live: { version: 1, compiled: hash('1') } }))
  await table.replace([state('blog', { live: { version: 2, compiled: hash('f') } }), state('shop')])
  t.equal(table.get('blog')?.table?.version, 1)
  t.ok(table.get('shop'))
  t.ok(events.includes('failed blog'))
  await table.replace([state('late', { live: { version: 2, compiled: hash('f') } })])
  t.match(table.at('late.localhost'), { state: { unavailable: true }, table: undefined }, 'one that never was read')
  await t.rejects(table.put(state('late', { live: { version: 2, compiled: hash('f') } })), /damaged/)
  await table.close()
})
