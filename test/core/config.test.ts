import t from 'tap'
import { parseConfig } from '../../core/config.ts'
import type { GroveError } from '../../core/errors.ts'

t.test('an empty config serves localhost on 8443 and 8080 from ./data', (t) => {
  const config = parseConfig({}, 'test')
  t.match(config, { domain: 'localhost', data: './data', listen: { https: 8443, http: 8080, plain: false }, sites: {} })
  t.ok(config.fronts >= 1)
  t.end()
})

t.test('all faults are told at once, each with path, expected and found', (t) => {
  const input = {
    domain: 'a b',
    listen: { https: 70_000, address: 1 },
    fronts: 'x',
    plugins: [{}, { name: 'ok' }],
    sites: { shop: { upstreams: ['ftp://x', 'http://x/path', 3], colour: 'red' } },
    trustedProxies: ['not an address'],
  }
  let error: GroveError | undefined
  try {
    parseConfig(input, 'grove.config.ts')
  } catch (thrown) {
    error = thrown as GroveError
  }
  t.equal(error?.code, 'ERR_CONFIG_INVALID')
  t.match(error?.message, /^grove\.config\.ts has \d+ faults:/)
  const faults = (error?.details?.['faults'] ?? []) as { path: string }[]
  const paths = faults.map(({ path }) => path)
  t.same(paths.sort(), [
    'domain',
    'fronts',
    'listen.address',
    'listen.https',
    'plugins[0]',
    'sites.shop.colour',
    'sites.shop.upstreams[0]',
    'sites.shop.upstreams[1]',
    'sites.shop.upstreams[2]',
    'trustedProxies[0]',
  ])
  t.match(error?.message, /fronts: expected a number, found "x"/)
  t.match(error?.message, /listen\.https: expected at most 65535, found 70000/)
  t.end()
})

t.test('hostile configs are refused with one clear fault', (t) => {
  const table: [string, unknown, RegExp][] = [
    ['null', null, /\(config\): expected an object, found null/],
    ['a list', [], /\(config\)/],
    ['a text', 'x', /\(config\)/],
    ['an unknown key', { port: 1 }, /port: expected no such key, found 1/],
    ['a site name with a dot', { sites: { 'a.b': {} } }, /sites\.a\.b: expected a site name/],
    ['a site name in capitals', { sites: { A: {} } }, /sites\.A/],
    ['an authority with a port', { sites: { a: { authorities: ['a.example:80'] } } }, /authorities\[0\]/],
    [
      'an authority twice',
      { sites: { a: { authorities: ['x.example'] }, b: { authorities: ['x.example'] } } },
      /site "a" does not have/,
    ],
    ['the name of another site', { sites: { a: { authorities: ['b.localhost'] }, b: {} } }, /site "b" does not have/],
    ['credentials in an upstream', { sites: { a: { upstreams: ['http://u:p@x'] } } }, /upstreams\[0\]/],
    ['a negative time', { sites: { a: { timeoutMs: -1 } } }, /at least 10/],
    ['a fraction of a front', { fronts: 1.5 }, /fronts/],
    ['no fronts', { fronts: 0 }, /fronts: expected at least 1/],
    ['a network that is none', { trustedProxies: ['10.0.0.0/99'] }, /trustedProxies\[0\]/],
    ['a level that is none', { log: { level: 'loud' } }, /one of "silent", "error"/],
    ['an address that is a name', { listen: { addresses: ['localhost'] } }, /listen\.addresses\[0\]/],
    ['two plugins of one name', { plugins: [{ name: 'a' }, { name: 'a' }] }, /a name that no other plugin has/],
    ['a plugin with a broken hook', { plugins: [{ name: 'a', start: 1 }] }, /plugins\[0\]: expected a plugin/],
    ['a session that never ends', { sessions: { maxAgeSeconds: Number.POSITIVE_INFINITY } }, /sessions\.maxAgeSeconds/],
    ['a prototype', JSON.parse('{"__proto__": {"domain": "x"}}'), /expected no such key|domain/],
  ]
  for (const [name, input, message] of table)
    t.throws(() => parseConfig(input, 'test'), { code: 'ERR_CONFIG_INVALID', message }, name)
  t.end()
})

t.test('names are taken in any case and kept in lower case', (t) => {
  t.equal(parseConfig({ domain: 'Example.COM' }, 'test').domain, 'example.com')
  t.end()
})
