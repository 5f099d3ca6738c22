import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import forge from 'node-forge'
import t from 'tap'
import { type LockedThing, openLocked } from '../../../certs/files/open-locked.ts'
import { kinds, make, makeFamily } from '../fixtures/certificates.ts'
import { lock, openssl, toPkcs12 } from './fixture.ts'

const family = await makeFamily()
const spki = (pem: string) => createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' }).toString('hex')
const certificatesIn = (pem: string) =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [])
    .map((one) => new X509Certificate(one).fingerprint256)
    .sort()

for (const kind of ['ecdsa', 'p384', 'rsa', 'ed25519'] as const)
  t.test(`a container with a key of kind ${kind} gives out the same bytes that went in`, async (t) => {
    t.ok(kinds[kind])
    const { root, intermediate, leaf } = await makeFamily({ kind })
    const bytes = await toPkcs12(t.testdir(), leaf, [intermediate, root], 'pass word')
    const opened = await openLocked({ kind: 'pkcs12', bytes, password: 'pass word' })
    t.equal(spki(opened.keys), spki(leaf.key))
    const expected = [leaf, intermediate, root].map(({ pem }) => new X509Certificate(pem).fingerprint256).sort()
    t.same(certificatesIn(opened.certificates), expected)
  })

const ways: [string, string | undefined, string[]][] = [
  ['as OpenSSL 3 writes it', 'secret', []],
  ['with ciphers of Windows: RC2 and 3DES', 'secret', ['-legacy']],
  ['with 3DES for all', 'secret', ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
  ['with AES-128', 'secret', ['-certpbe', 'AES-128-CBC', '-keypbe', 'AES-128-CBC', '-macalg', 'sha384']],
  ['with SHA-512', 'secret', ['-macalg', 'sha512']],
  ['with more rounds', 'secret', ['-iter', '20000']],
  ['without a MAC', 'secret', ['-nomac']],
  ['with certificates in the clear', 'secret', ['-certpbe', 'NONE']],
  ['with an empty password', '', []],
  ['with no password where one is empty', undefined, []],
  ['with a password of other letters', 'pässwörd €', []],
  ['with a long password', 'x'.repeat(500), []],
  ['with a name', 'secret', ['-name', 'my site', '-caname', 'its issuer']],
]
for (const [what, password, flags] of ways)
  t.test(`a container ${what} is opened`, async (t) => {
    const bytes = await toPkcs12(t.testdir(), family.leaf, [family.intermediate], password ?? '', ...flags)
    const opened = await openLocked({ kind: 'pkcs12', bytes, password })
    t.equal(spki(opened.keys), spki(family.leaf.key))
    t.equal(certificatesIn(opened.certificates).length, 2)
  })

const locks: [string, string[]][] = [
  ['PKCS#8 with AES-256', ['-v2', 'aes-256-cbc']],
  ['PKCS#8 with SHA-512 and many rounds', ['-v2', 'aes-256-cbc', '-v2prf', 'hmacWithSHA512', '-iter', '200000']],
  ['PKCS#8 with scrypt', ['-scrypt']],
  ['PKCS#8 with 3DES', ['-v1', 'PBE-SHA1-3DES']],
]
for (const [what, flags] of locks)
  t.test(`a key in ${what} is opened`, async (t) => {
    const pem = await lock(t.testdir(), family.leaf.key, 'geheim €', ...flags)
    t.match(pem, 'ENCRYPTED PRIVATE KEY')
    const opened = await openLocked({ kind: 'key', pem, password: 'geheim €' })
    t.equal(spki(opened.keys), spki(family.leaf.key))
    await t.rejects(openLocked({ kind: 'key', pem, password: 'geheim' }), {
      code: 'ERR_CERT',
      details: { reason: 'password' },
    })
  })

t.test('a key as OpenSSL locked it before PKCS#8 is opened', async (t) => {
  const folder = t.testdir()
  const { key } = await make({ kind: 'rsa' })
  await writeFile(join(folder, 'in.pem'), key)
  await openssl(folder, 'rsa', '-traditional', '-aes128', '-in', 'in.pem', '-out', 'out.pem', '-passout', 'pass:abc')
  const pem = await readFile(join(folder, 'out.pem'), 'utf8')
  t.match(pem, 'Proc-Type: 4,ENCRYPTED')
  t.equal(spki((await openLocked({ kind: 'key', pem, password: 'abc' })).keys), spki(key))
  await t.rejects(openLocked({ kind: 'key', pem, password: 'abd' }), {
    code: 'ERR_CERT',
    details: { reason: 'password' },
  })
})

t.test('work without end is refused before it begins, or ended', async (t) => {
  const folder = t.testdir()
  const bytes = await toPkcs12(folder, family.leaf, [], 'secret')
  const spoil = (rounds: string) => {
    const container = forge.asn1.fromDer(bytes.toString('binary'))
    const [, , mac] = container.value as forge.asn1.Asn1[]
    const [, , count] = (mac?.value ?? []) as forge.asn1.Asn1[]
    if (count) count.value = Buffer.from(rounds, 'hex').toString('binary')
    return Buffer.from(forge.asn1.toDer(container).getBytes(), 'binary')
  }
  const endless: [string, LockedThing][] = [
    ['rounds of a MAC', { kind: 'pkcs12', bytes: spoil('7fffffff'), password: 'secret' }],
    ['more rounds than there are numbers', { kind: 'pkcs12', bytes: spoil('7f'.repeat(200)), password: 'secret' }],
  ]
  const key = await lock(folder, family.leaf.key, 'secret', '-v2', 'aes-256-cbc', '-iter', '100000')
  const scrypt = await lock(folder, family.leaf.key, 'secret', '-scrypt', '-scrypt_N', '1024', '-scrypt_p', '1')
  const rewrite = (pem: string, from: string, to: string): LockedThing => {
    const bytes = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64').toString('hex')
    const body = Buffer.from(bytes.replace(from, to), 'hex').toString('base64')
    return {
      kind: 'key',
      pem: `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${body}\n-----END ENCRYPTED PRIVATE KEY-----\n`,
      password: 'secret',
    }
  }
  endless.push(['rounds of a key below the least', rewrite(key, '02030186a0', '0203000000')])
  endless.push([
    'the cost of scrypt',
    rewrite(scrypt, '02020400020108020101', '0202040002010802017f'.replace('02020400', '02027fff')),
  ])
  for (const [what, thing] of endless)
    await t.rejects(openLocked(thing), { code: 'ERR_CERT', details: { reason: 'size' } }, what)
  const none: LockedThing = { kind: 'pkcs12', bytes: spoil('00'), password: 'secret' }
  await t.rejects(openLocked(none), { code: 'ERR_CERT', details: { reason: 'parse' } }, 'no rounds at all')
  const slow: LockedThing = { kind: 'pkcs12', bytes: spoil('00989680'), password: 'secret' }
  await t.rejects(openLocked(slow, 300), {
    code: 'ERR_CERT',
    details: { reason: 'size' },
    message: /longer than 300 ms/,
  })
})

t.test('many at once are opened one after the other', async (t) => {
  const bytes = await toPkcs12(t.testdir(), family.leaf, [], 'secret')
  const opened = await Promise.all(
    Array.from({ length: 5 }, () => openLocked({ kind: 'pkcs12', bytes, password: 'secret' })),
  )
  t.equal(opened.length, 5)
})
