import { join } from 'node:path'
import t from 'tap'
import { letsEncrypt, withAbsoluteCertFiles } from '../../core/certs-config.ts'
import { parseConfig } from '../../core/config.ts'

const provider = { name: 'mine', present: async () => {}, remove: async () => {} }

t.test('without a word certificates come from Let’s Encrypt, and from the own CA where that cannot sign', (t) => {
  const { certs, email } = parseConfig({}, 'test')
  t.same(certs, { acme: [{ directory: letsEncrypt.directory }], files: [], own: { domains: [], server: false } })
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
