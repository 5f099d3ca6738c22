import { join } from 'node:path'
import t from 'tap'
import { letsEncrypt, withAbsoluteCertFiles } from '../../core/certs-config.ts'
import { parseConfig } from '../../core/config.ts'
import { cloudflareDns } from '../../plugins/dns/cloudflare.ts'

const provider = { name: 'mine', present: async () => {}, remove: async () => {} }

t.test('without a word certificates come from Let’s Encrypt, and from the own CA where that cannot sign', (t) => {
  const { certs, email } = parseConfig({}, 'test')
  t.same(certs, {
    acme: [{ directory: letsEncrypt.directory }],
    lookups: { port: 53 },
    files: [],
    own: { domains: [], server: false },
  })
  t.equal(email, undefined)
  t.same(parseConfig({ certs: { acme: false } }, 'test').certs.acme, false)
  t.end()
})

t.test('a CA, files, a provider of DNS and an own server, all at once', (t) => {
  const certs = {
    acme: [
      {
        directory: 'https://127.0.0.1:14000/dir',
        staging: false as const,
        roots: 'pebble.pem',
        eab: { kid: 'kid-1', hmacKey: { file: 'hmac.txt' } },
        profile: 'shortlived',
      },
      { directory: 'https://acme.example/dir', eab: { kid: 'k', hmacKey: 'secret' } },
    ],
    dns: provider,
    lookups: { resolvers: ['192.0.2.53'], port: 5353 },
    files: [
      { cert: 'a.crt', key: 'a.key', password: { env: 'A' } },
      { folder: 'certs', password: { file: 'word' } },
      { pkcs12: 'b.p12', password: 'clear' },
    ],
    folder: 'shared',
    own: { domains: ['lan.example'], server: { port: 9443, accounts: { one: { file: 'one.key' } } } },
  }
  const config = parseConfig({ email: 'ops@example.com', certs }, 'test')
  t.same(config.certs, certs)
  const folder = '/etc/grove'
  const absolute = withAbsoluteCertFiles(config.certs, folder)
  const at = (file: string) => join(folder, file)
  t.match(absolute, {
    acme: [
      { roots: at('pebble.pem'), eab: { kid: 'kid-1', hmacKey: { file: at('hmac.txt') } } },
      { eab: { hmacKey: 'secret' } },
    ],
    files: [
      { cert: at('a.crt'), key: at('a.key'), password: { env: 'A' } },
      { folder: at('certs'), password: { file: at('word') } },
      { pkcs12: at('b.p12'), password: 'clear' },
    ],
    folder: at('shared'),
    own: { server: { port: 9443, accounts: { one: { file: at('one.key') } } } },
  })
  t.equal(absolute.dns, provider)
  t.same(withAbsoluteCertFiles(parseConfig({ certs: { acme: false } }, 'test').certs, folder).acme, false)
  t.end()
})

t.test('faults are told with their path', (t) => {
  const table: [what: string, input: unknown, told: RegExp][] = [
    ['no address', { email: 'ops' }, /email: expected a valid email/],
    ['a CA without TLS', { certs: { acme: [{ directory: 'http://ca/dir' }] } }, /certs\.acme/],
    ['no CA at all', { certs: { acme: [] } }, /certs\.acme/],
    ['true', { certs: { acme: true } }, /certs\.acme: expected false, or a list of 1 to 4 CAs/],
    ['too many', { certs: { acme: [{}, {}, {}, {}, {}] } }, /certs\.acme/],
    ['half a binding', { certs: { acme: [{ eab: { kid: 'x' } }] } }, /certs\.acme/],
    ['a provider that is none', { certs: { dns: { name: 'x' } } }, /certs\.dns: expected a provider of DNS/],
    ['a pair without a key', { certs: { files: [{ cert: 'a' }] } }, /certs\.files\[0\]: expected \{ cert, key \}/],
    ['a domain with a wildcard', { certs: { own: { domains: ['*.lan'] } } }, /certs\.own\.domains\[0\]/],
    ['a port that is none', { certs: { own: { server: { port: 70_000 } } } }, /certs\.own\.server/],
    ['an unknown key', { certs: { challenge: 'http-01' } }, /challenge/],
  ]
  for (const [what, input, told] of table) t.throws(() => parseConfig(input, 'test'), { message: told }, what)
  t.end()
})

t.test('options of a provider of DNS are checked with the config', (t) => {
  t.throws(() => parseConfig({ certs: { dns: cloudflareDns({ tokn: 'SECRET' } as never) }, fronts: 0 }, 'test'), {
    code: 'ERR_CONFIG_INVALID',
    message:
      /^test has 3 faults:\n {2}fronts: [^\n]*\n {2}certs\.dns\.token: expected a text, [^\n]*\n {2}certs\.dns\.tokn: /,
  })
  t.ok(parseConfig({ certs: { dns: cloudflareDns({ token: 'SECRET' }) } }, 'test').certs.dns)
  t.end()
})

t.test('name servers to look at have an address, and maybe a port', (t) => {
  const resolvers = ['192.0.2.53', '192.0.2.53:5353', '2001:db8::53', '[2001:db8::53]', '[2001:db8::53]:5353']
  t.same(parseConfig({ certs: { lookups: { resolvers, port: 5353 } } }, 'test').certs.lookups, {
    resolvers,
    port: 5353,
  })
  for (const bad of [
    'dns.example',
    '192.0.2.53:0',
    '192.0.2.53:65536',
    '192.0.2.300',
    '[::1',
    '::1]:53',
    '',
    '192.0.2.53:',
  ])
    t.throws(
      () => parseConfig({ certs: { lookups: { resolvers: [bad] } } }, 'test'),
      { message: /certs\.lookups\.resolvers\[0\]: expected an address, maybe with a port/ },
      bad,
    )
  t.end()
})

t.test('no fault tells a password or a key', (t) => {
  for (const certs of [
    { files: [{ pkcs12: 'a', password: 'SECRET', more: 1 }] },
    { files: ['SECRET'] },
    { files: 'SECRET' },
    { acme: [{ eab: { kid: 'x', hmacKey: { SECRET: 1 } } }] },
    { acme: 'SECRET' },
    { own: { server: { port: 'SECRET', accounts: { a: ['SECRET'] } } } },
  ]) {
    const error = t.throws(() => parseConfig({ certs }, 'test'), { code: 'ERR_CONFIG_INVALID' }) as Error
    t.notMatch(`${error.message}${JSON.stringify(error)}`.replaceAll('certs.acme[0].eab.hmacKey.SECRET', ''), /SECRET/)
  }
  t.end()
})
