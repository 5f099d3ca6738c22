import t from 'tap'
import type { SiteState } from '../../core/messages.ts'
import { KnownSites } from '../../proxy/known-sites.ts'

const defaults = { upstreams: [], timeoutMs: 60_000, bodyBytes: 1_000 }
const own = (name: string, more: Partial<SiteState> = {}): SiteState => ({
  name,
  authorities: [`${name}.localhost`],
  ...defaults,
  ...more,
})

t.test('names of sites lead to them, and settings of their own come first', (t) => {
  const known = new KnownSites()
  const fresh = known.replace({
    domain: 'localhost',
    names: ['blog', 'taken'],
    defaults,
    sites: [own('shop', { authorities: ['shop.example', 'taken.localhost'], timeoutMs: 5, untold: true }), own('blog')],
  })
  t.same(fresh, ['blog.localhost', 'taken.localhost', 'shop.example', 'taken.localhost'])
  const rows: [authority: string, name: string | undefined][] = [
    ['blog.localhost', 'blog'],
    ['shop.example', 'shop'],
    ['taken.localhost', 'shop'],
    ['shop.localhost', undefined],
    ['blog.localhost.', undefined],
    ['.localhost', undefined],
    ['localhost', undefined],
    ['x.blog.localhost', undefined],
  ]
  for (const [authority, name] of rows) t.equal(known.find(authority), name, authority)
  t.same(known.stateOf('blog'), { ...own('blog'), untold: true })
  t.match(known.stateOf('shop'), { authorities: ['shop.example', 'taken.localhost'], timeoutMs: 5, untold: true })
  t.end()
})

t.test('a site that is told anew is known as it was told, and one that is gone is not', (t) => {
  const known = new KnownSites()
  known.replace({ domain: 'localhost', names: ['blog'], defaults, sites: [] })
  known.put(own('blog', { authorities: ['blog.localhost', 'blog.example'], live: { version: 1, compiled: 'x' } }))
  t.equal(known.find('blog.example'), 'blog')
  t.notOk('live' in known.stateOf('blog'))
  known.put(own('blog'))
  t.equal(known.find('blog.example'), undefined)
  t.equal(known.find('blog.localhost'), 'blog')
  known.put(own('new'))
  t.equal(known.find('new.localhost'), 'new')
  known.put(own('shop', { upstreams: ['http://a'] }))
  for (const name of ['new', 'shop', 'never']) known.remove(name)
  t.equal(known.find('shop.localhost'), undefined)
  t.notOk(known.has('new'))
  t.ok(known.has('blog'))
  t.end()
})

t.test('only names that were not known are new, unless the domain is another', (t) => {
  const known = new KnownSites()
  const state = { domain: 'localhost', names: ['a'], defaults, sites: [own('shop')] }
  known.replace(state)
  t.same(known.replace({ ...state, names: ['a', 'b'] }), ['b.localhost'])
  t.same(known.replace({ ...state, domain: 'example.org', sites: [] }), ['a.example.org'])
  t.equal(known.find('a.localhost'), undefined)
  t.equal(known.find('a.example.org'), 'a')
  t.end()
})

t.test('what a site asks visitors for is known by each of its names, and for no other', (t) => {
  const known = new KnownSites()
  const clients = { roots: 'pem', required: true }
  known.replace({ domain: 'localhost', names: ['blog'], defaults, sites: [] })
  t.equal(known.hasClientRules, false)
  known.put(own('shop', { authorities: ['shop.localhost', 'shop.example'], clients }))
  t.equal(known.hasClientRules, true)
  for (const authority of ['shop.localhost', 'shop.example']) t.same(known.clientRule(authority), clients)
  for (const authority of ['blog.localhost', 'x.shop.example', '']) t.equal(known.clientRule(authority), undefined)
  t.same(known.stateOf('shop').clients, clients, 'also once it is loaded')
  known.put(own('blog', { clients }))
  t.same(known.clientRule('blog.localhost'), clients, 'a site with that alone has settings of its own')
  known.remove('shop')
  t.equal(known.clientRule('shop.example'), undefined)
  known.replace({ domain: 'localhost', names: ['blog'], defaults, sites: [] })
  t.equal(known.hasClientRules, false)
  t.equal(known.clientRule('blog.localhost'), undefined)
  t.end()
})

t.test('a site that may prove its names is known as one, also before it is loaded', (t) => {
  const known = new KnownSites()
  known.replace({ domain: 'localhost', names: ['blog'], defaults, sites: [] })
  known.put(own('shop', { provesNames: true }))
  t.equal(known.stateOf('shop').provesNames, true)
  t.equal(known.stateOf('blog').provesNames, undefined)
  t.end()
})
