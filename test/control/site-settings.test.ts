import t from 'tap'
import { checkClaims, infoOf, settingsOf, siteFinder } from '../../control/site-settings.ts'
import { type ConfigInput, parseConfig } from '../../core/config.ts'

const config = (input: ConfigInput = {}) => parseConfig(input, 'the test')

t.test('a name leads to the site that the config gives it, then to the site of that name', (t) => {
  const created = new Set(['blog', 'taken', 'a.b'])
  const find = siteFinder(
    config({ domain: 'example.org', sites: { shop: { authorities: ['shop.example', 'taken.example.org'] } } }),
    created,
  )
  const rows: [authority: string, site: string | undefined][] = [
    ['shop.example.org', 'shop'],
    ['shop.example', 'shop'],
    ['taken.example.org', 'shop'],
    ['blog.example.org', 'blog'],
    ['blog.example.com', undefined],
    ['blogexample.org', undefined],
    ['.example.org', undefined],
    ['example.org', undefined],
    ['blog', undefined],
    ['x.blog.example.org', undefined],
  ]
  for (const [authority, site] of rows) t.equal(find(authority), site, authority)
  created.add('later')
  t.equal(find('later.example.org'), 'later', 'sites that are made are found at once')
  t.end()
})

t.test('a name that two claim is refused', (t) => {
  const sites = { shop: { authorities: ['blog.localhost', 'shop.localhost'] } }
  t.throws(() => checkClaims(config({ sites }), new Set(['blog'])), {
    code: 'ERR_CONFIG_INVALID',
    message: /"shop" and "blog" both claim the name blog.localhost/,
  })
  checkClaims(config({ sites }), new Set(['shop', 'other']))
  t.end()
})

t.test('a site has its own name first, and settings by default', (t) => {
  const given = config({ sites: { shop: { authorities: ['a.example', 'shop.localhost'], timeoutMs: 50 } } })
  t.same(infoOf(given, 'shop'), { name: 'shop', authorities: ['shop.localhost', 'a.example'] })
  t.same(infoOf(given, 'constructor'), { name: 'constructor', authorities: ['constructor.localhost'] })
  t.match(settingsOf(given, 'shop'), { from: 'config', timeoutMs: 50 })
  t.match(settingsOf(given, 'blog'), { from: 'command', upstreams: [] })
  t.end()
})
