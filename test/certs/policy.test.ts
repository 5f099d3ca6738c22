import t from 'tap'
import { isPublicName, issuerKindOf, registeredDomain } from '../../certs/policy.ts'

const noFiles = () => false

t.test('public names go to ACME, names that nobody owns to the own CA', async (t) => {
  const cases: readonly [name: string, kind: string][] = [
    ['example.com', 'acme'],
    ['a.b.example.co.uk', 'acme'],
    ['*.example.com', 'acme'],
    ['xn--bcher-kva.example', 'acme'],
    ['localhost', 'own'],
    ['blog.localhost', 'own'],
    ['*.localhost', 'own'],
    ['printer.local', 'own'],
    ['db.internal', 'own'],
    ['router.home.arpa', 'own'],
    ['home.arpa', 'own'],
    ['127.0.0.1', 'own'],
    ['[::1]', 'own'],
    ['::1', 'own'],
    ['intranet', 'own'],
    ['127.1', 'own'],
    ['1.2.3', 'own'],
  ]
  for (const [name, kind] of cases) t.equal(issuerKindOf(name, { acme: true, inFiles: noFiles }), kind, name)
})

t.test('ends of names are whole labels', async (t) => {
  for (const name of ['notlocal.example', 'mylocalhost.com', 'internal.example', 'local.example', 'xhome.arpa'])
    t.equal(isPublicName(name), true, name)
})

t.test('without ACME the own CA signs everything', async (t) => {
  t.equal(issuerKindOf('example.com', { acme: false, inFiles: noFiles }), 'own')
})

t.test('a certificate that the operator brought comes first, whatever the name', async (t) => {
  const inFiles = (name: string) => name === 'example.com' || name === 'localhost'
  t.equal(issuerKindOf('example.com', { acme: true, inFiles }), 'file')
  t.equal(issuerKindOf('localhost', { acme: false, inFiles }), 'file')
  t.equal(issuerKindOf('www.example.com', { acme: true, inFiles }), 'acme')
})

t.test('what is no name is not public', async (t) => {
  const long = `${'a.'.repeat(130)}com`
  const cases = [
    '',
    '.',
    'example.com.',
    '.example.com',
    'EXAMPLE.com',
    'a..b',
    'a b.com',
    'é.com',
    '*.*.com',
    '*',
    long,
  ]
  for (const name of [...cases, 'a\0.com', '-a.com', 'a-.com', '*.', 'x.*.com', `${'a'.repeat(64)}.com`, '[::1].com'])
    t.equal(isPublicName(name), false, JSON.stringify(name))
})

t.test('a registered domain is what somebody can have', async (t) => {
  const cases: readonly [name: string, domain: string][] = [
    ['example.com', 'example.com'],
    ['a.b.example.co.uk', 'example.co.uk'],
    ['*.example.co.uk', 'example.co.uk'],
    ['one.github.io', 'one.github.io'],
    ['a.one.github.io', 'one.github.io'],
    ['github.io', 'github.io'],
    ['co.uk', 'co.uk'],
    ['com', 'com'],
    ['a.made-up-end', 'a.made-up-end'],
    ['127.0.0.1', '127.0.0.1'],
    ['localhost', 'localhost'],
  ]
  for (const [name, domain] of cases) t.equal(registeredDomain(name), domain, name)
})
