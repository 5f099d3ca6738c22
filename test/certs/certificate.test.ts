import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import t from 'tap'
import { covers, toCertificate } from '../../certs/certificate.ts'
import { limits } from '../../core/limits.ts'
import { crossSigned, dayMs, der, make, makeFamily } from './fixtures/certificates.ts'

const family = await makeFamily()
const { root, intermediate, leaf } = family
const nowMs = Date.now()
const both = leaf.pem + intermediate.pem

t.test('a chain and its key become a certificate', async (t) => {
  const certificate = toCertificate(both, leaf.key, nowMs)
  const parsed = new X509Certificate(leaf.pem)
  t.match(certificate, {
    id: parsed.fingerprint256.replaceAll(':', '').toLowerCase(),
    names: ['a.example', '*.b.example'],
    keyKind: 'ecdsa',
    serial: parsed.serialNumber,
    issuer: 'Between',
    notBeforeMs: parsed.validFromDate.getTime(),
    notAfterMs: parsed.validToDate.getTime(),
  })
  t.equal(
    certificate.chain,
    new X509Certificate(leaf.pem).toString() + new X509Certificate(intermediate.pem).toString(),
  )
  t.ok(parsed.checkPrivateKey(createPrivateKey(certificate.key)))
  t.match(certificate.key, /^-----BEGIN PRIVATE KEY-----\n/)
  t.strictSame(toCertificate(certificate.chain, certificate.key, nowMs), certificate, 'and stays what it is')
})

t.test('what can be put right is put right', async (t) => {
  const expected = toCertificate(both, leaf.key, nowMs)
  const otherRoot = await make({ name: 'Older root', isCa: true })
  const crossRoot = await crossSigned(root, otherRoot)
  const oldCross = await crossSigned(root, otherRoot, { fromMs: nowMs - 9 * dayMs, untilMs: nowMs - dayMs })
  const sec1 = createPrivateKey(leaf.key).export({ type: 'sec1', format: 'pem' }).toString()
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  const cases = [
    { name: 'the wrong order', chain: intermediate.pem + leaf.pem },
    { name: 'the root besides', chain: root.pem + intermediate.pem + leaf.pem },
    { name: 'twice the same', chain: both + both },
    { name: 'other line ends', chain: both.replaceAll('\n', '\r\n'), key: leaf.key.replaceAll('\n', '\r\n') },
    {
      name: 'text between the blocks',
      chain: `Subject: x\n${leaf.pem}\n# issuer - of it -----\n${intermediate.pem}bye`,
    },
    { name: 'the key in the same file', chain: leaf.key + both, key: leaf.key + both },
    { name: 'the key twice', key: leaf.key + leaf.key },
    { name: 'an older form of the key', key: parameters + sec1 },
    { name: 'a byte order mark', chain: `\uFEFF${both}` },
    { name: 'a root that an older one signed, which has ended', chain: both + oldCross.pem + otherRoot.pem },
  ]
  for (const { name, chain = both, key = leaf.key } of cases)
    t.strictSame(toCertificate(chain, key, nowMs), expected, name)
  const longer = toCertificate(both + root.pem + crossRoot.pem + otherRoot.pem, leaf.key, nowMs)
  t.equal(
    longer.chain,
    expected.chain + new X509Certificate(crossRoot.pem).toString(),
    'the longer way, which older clients know',
  )
})

t.test('keys of all kinds that clients take', async (t) => {
  for (const [kind, keyKind] of [
    ['ecdsa', 'ecdsa'],
    ['p384', 'ecdsa'],
    ['rsa', 'rsa'],
    ['ed25519', 'ed25519'],
  ] as const) {
    const made = await make({ kind, names: ['a.example'] })
    const { chain, key, ...certificate } = toCertificate(made.pem, made.key, nowMs)
    t.equal(certificate.keyKind, keyKind, kind)
    t.doesNotThrow(() => createSecureContext({ cert: chain, key }), 'and TLS takes it')
  }
  const other = await make({ kind: 'rsa', names: ['a.example'] })
  const pkcs1 = createPrivateKey(other.key).export({ type: 'pkcs1', format: 'pem' }).toString()
  t.equal(toCertificate(other.pem, pkcs1, nowMs).key, toCertificate(other.pem, other.key, nowMs).key)
})

t.test('alone: self-signed ones, also those that say they are a CA, and those that a root issued', async (t) => {
  for (const isCa of [true, false]) {
    const own = await make({ names: ['a.example'], isCa })
    t.equal(toCertificate(own.pem, own.key, nowMs).issuer, 'test')
  }
  const direct = await make({ name: 'direct', names: ['a.example'], issuer: root })
  t.same(toCertificate(direct.pem, direct.key, nowMs).names, ['a.example'])
  const told = await make({ names: ['a.example'], issuer: root, issuerUrl: 'http://ca.example/root.crt' })
  t.equal(toCertificate(told.pem + root.pem, told.key, nowMs).chain, new X509Certificate(told.pem).toString())
})

t.test('it ends with whatever of the chain ends first', async (t) => {
  const untilMs = Math.floor(nowMs / 1000) * 1000 + 3_600_000
  const short = await make({ name: 'Short', isCa: true, issuer: root, untilMs })
  const made = await make({ names: ['a.example'], issuer: short })
  t.equal(toCertificate(made.pem + short.pem, made.key, nowMs).notAfterMs, untilMs)
})

t.test('one that begins within a minute is taken: its CA has a clock of its own', async (t) => {
  const made = await make({ names: ['a.example'], fromMs: nowMs + 30_000 })
  t.same(toCertificate(made.pem, made.key, nowMs).names, ['a.example'])
})

t.test('names that no client can ask for are left out, and never become others', async (t) => {
  const rawNames = [
    'ok.example\0.evil.example',
    'a, DNS:evil.example',
    'a", DNS:"evil.example',
    'with space.example',
    'under_score.example',
    'bücher.example',
    '\u212Aelvin.example',
    'f*.example',
    '*',
    '*.',
    'a.*.example',
    '*.*.example',
    '.example',
    'a..example',
    'trailing.example.',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(130)}example`,
    '',
    '192.0.2.1',
    '-a.example',
  ].map((value) => [0x82, value] as const)
  const raw = [
    ...rawNames,
    [0x81, 'someone@mail.example'],
    [0x86, 'https://uri.example'],
    [0x82, 'GOOD.Example'],
  ] as const
  const made = await make({ name: 'evil.example', rawNames: raw })
  t.same(toCertificate(made.pem, made.key, nowMs).names, ['good.example'])
  const addresses = await make({ addresses: ['192.0.2.1', '2001:DB8:0:0:0:0:0:1'], names: ['a.example', 'A.example'] })
  t.same(toCertificate(addresses.pem, addresses.key, nowMs).names, ['a.example', '192.0.2.1', '2001:db8::1'])
})

const pemOf = (type: string, body = 'AAAA') => `-----BEGIN ${type}-----\n${body}\n-----END ${type}-----\n`
const encrypted = (type: 'pkcs8' | 'sec1') => {
  const key = createPrivateKey(leaf.key)
  return key.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }).toString()
}
const keyOf = (type: 'ed448' | 'x25519') =>
  (type === 'ed448' ? generateKeyPairSync('ed448') : generateKeyPairSync('x25519')).privateKey
    .export({ type: 'pkcs8', format: 'pem' })
    .toString()
const curve = (namedCurve: string) =>
  generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

/** An RSA key of any measures; its parts do not belong together. */
function madeUpKey(modulusBytes: number, exponent = Buffer.of(1, 0, 1)): string {
  const modulus = Buffer.alloc(modulusBytes, 0xaa)
  const parts = [
    Buffer.of(0),
    Buffer.concat([Buffer.of(0), modulus]),
    exponent,
    ...[5, 7, 11, 13, 17, 19].map((part) => Buffer.from([part])),
  ]
  const key = der(0x30, Buffer.concat(parts.map((part) => der(0x02, part))))
  return pemOf('RSA PRIVATE KEY', key.toString('base64').replaceAll(/.{64}/g, '$&\n'))
}

/** A key whose public half is that of a certificate, and whose private half is another one's. */
async function halves() {
  const [one, other] = [await make({ names: ['a.example'] }), await make()]
  const scalar = (pem: string) => Buffer.from(createPrivateKey(pem).export({ format: 'jwk' }).d ?? '', 'base64url')
  const key = createPrivateKey(one.key).export({ type: 'pkcs8', format: 'der' })
  scalar(other.key).copy(key, key.indexOf(scalar(one.key)))
  return { chain: one.pem, key: pemOf('PRIVATE KEY', key.toString('base64').replaceAll(/.{64}/g, '$&\n')) }
}

const self = async (options: Parameters<typeof make>[0]) => {
  const made = await make({ names: ['a.example'], ...options })
  return { chain: made.pem, key: made.key }
}
const below = async (issuer: Parameters<typeof make>[0], own: Parameters<typeof make>[0] = {}) => {
  const between = await make({ name: 'Odd', isCa: true, issuer: root, ...issuer })
  const made = await make({ names: ['a.example'], issuer: between, ...own })
  return { chain: made.pem + between.pem, key: made.key }
}
const stranger = await make({ name: 'Stranger', isCa: true })
const twin = await make({ name: 'Between', isCa: true, issuer: root })
const second = await make({ names: ['c.example'], issuer: intermediate, keys: leaf.keys })
const ago = { fromMs: nowMs - 9 * dayMs, untilMs: nowMs - dayMs }
const ahead = { fromMs: nowMs + dayMs, untilMs: nowMs + 9 * dayMs }

interface Fault {
  readonly name: string
  readonly chain?: string
  readonly key?: string
  readonly reason: string
  readonly says?: RegExp
}

const faults: Fault[] = [
  { name: 'an empty chain', chain: '', reason: 'parse' },
  { name: 'text', chain: 'hello', reason: 'parse' },
  { name: 'DER', chain: new X509Certificate(leaf.pem).raw.toString('latin1'), reason: 'parse' },
  { name: 'a page of HTML', chain: '<html>404</html>', reason: 'parse' },
  { name: 'a key for a chain', chain: leaf.key, reason: 'parse' },
  { name: 'a request for a certificate', chain: pemOf('CERTIFICATE REQUEST'), reason: 'parse' },
  { name: 'a chain that is cut in a block', chain: both.slice(0, -40), reason: 'parse', says: /cut off/ },
  { name: 'a chain without its last line', chain: leaf.pem.replace(/-----END.*/, ''), reason: 'parse' },
  { name: 'an END of another block', chain: leaf.pem.replace('END CERT', 'END PERT'), reason: 'parse' },
  { name: 'many blocks that do not end', chain: '-----BEGIN CERTIFICATE-----\n'.repeat(4_000), reason: 'parse' },
  { name: 'a block without content', chain: pemOf('CERTIFICATE', ''), reason: 'parse' },
  { name: 'a block of another content', chain: pemOf('CERTIFICATE'), reason: 'parse', says: /certificate 1 of 1/ },
  { name: 'a certificate that lacks lines', chain: leaf.pem.split('\n').toSpliced(3, 2).join('\n'), reason: 'parse' },
  {
    name: 'a second certificate that is damaged',
    chain: leaf.pem + pemOf('CERTIFICATE'),
    reason: 'parse',
    says: /2 of 2/,
  },
  { name: 'a NUL in a block', chain: leaf.pem.replace('\nM', '\n\0M'), reason: 'parse' },
  { name: 'eleven certificates', chain: leaf.pem.repeat(limits.cert.chain + 1), reason: 'size' },
  { name: 'a chain that is too long', chain: both + ' '.repeat(limits.cert.chainBytes), reason: 'size' },
  { name: 'an empty key', key: '', reason: 'parse' },
  { name: 'text for a key', key: 'hello', reason: 'parse' },
  { name: 'a certificate for a key', key: leaf.pem, reason: 'parse' },
  { name: 'a public key', key: pemOf('PUBLIC KEY'), reason: 'parse' },
  { name: 'a key that is cut', key: leaf.key.slice(0, -30), reason: 'parse' },
  { name: 'a key of another content', key: pemOf('PRIVATE KEY'), reason: 'parse' },
  {
    name: 'a key of another form than its label says',
    key: leaf.key.replaceAll('PRIVATE', 'RSA PRIVATE'),
    reason: 'parse',
  },
  { name: 'a key that is too long', key: pemOf('PRIVATE KEY', 'A'.repeat(limits.cert.keyBytes)), reason: 'size' },
  { name: 'a key of OpenSSH', key: pemOf('OPENSSH PRIVATE KEY'), reason: 'parse' },
  { name: 'a locked key', key: encrypted('pkcs8'), reason: 'password' },
  { name: 'a locked key of the older form', key: encrypted('sec1'), reason: 'password' },
  { name: 'two keys', key: leaf.key + root.key, reason: 'key', says: /2 private keys/ },
  { name: 'the key of another certificate', key: root.key, reason: 'key', says: /none of the certificates/ },
  {
    name: 'the key of another, for one alone',
    chain: leaf.pem,
    key: root.key,
    reason: 'key',
    says: /another certificate/,
  },
  { name: 'the key of the issuer', key: intermediate.key, reason: 'key', says: /a CA/ },
  { name: 'a key of RSA for a certificate of ECDSA', key: (await make({ kind: 'rsa' })).key, reason: 'key' },
  { name: 'a key whose halves differ', ...(await halves()), reason: 'key' },
  { name: 'a key on a curve of money', key: curve('secp256k1'), reason: 'weak', says: /secp256k1/ },
  { name: 'a key on a short curve', key: curve('secp224r1'), reason: 'weak' },
  { name: 'a key of Ed448', key: keyOf('ed448'), reason: 'key' },
  { name: 'a key for agreements', key: keyOf('x25519'), reason: 'key' },
  { name: 'a short key of RSA', ...(await self({ kind: 'rsa1024' })), reason: 'weak', says: /1024 bits/ },
  { name: 'a key of RSA without measure', key: madeUpKey(limits.cert.rsaMostBits / 8 + 8), reason: 'size' },
  {
    name: 'a key of RSA with an exponent without measure',
    key: madeUpKey(256, Buffer.alloc(64, 0x55)),
    reason: 'size',
    says: /exponent/,
  },
  { name: 'a key of RSA with an even exponent', key: madeUpKey(256, Buffer.of(4)), reason: 'weak', says: /exponent/ },
  { name: 'a signature with SHA-1', ...(await self({ kind: 'rsa', hash: 'SHA-1' })), reason: 'weak', says: /sha1/i },
  { name: 'a signature of ECDSA with SHA-1', ...(await self({ hash: 'SHA-1' })), reason: 'weak' },
  { name: 'an issuer with a short key', ...(await below({ kind: 'rsa1024' })), reason: 'weak', says: /of Odd/ },
  { name: 'an issuer that signs with SHA-1', ...(await below({ kind: 'rsa', hash: 'SHA-1' })), reason: 'weak' },
  { name: 'one that has ended', ...(await self(ago)), reason: 'expired', says: /of test ended at 20/ },
  { name: 'one that has not begun', ...(await self(ahead)), reason: 'future' },
  {
    name: 'one that ends before it begins',
    ...(await self({ fromMs: nowMs + dayMs, untilMs: nowMs - dayMs })),
    reason: 'expired',
  },
  { name: 'an issuer that has ended', ...(await below(ago)), reason: 'expired', says: /of Odd ended/ },
  { name: 'an issuer that has not begun', ...(await below(ahead)), reason: 'future', says: /of Odd/ },
  {
    name: 'no issuer',
    ...(await self({ issuer: intermediate, issuerUrl: 'http://ca.example/' })),
    reason: 'chain',
    says: /missing/,
  },
  { name: 'one that does not belong', chain: both + stranger.pem, reason: 'chain', says: /of Stranger/ },
  { name: 'an issuer of the same name with another key', chain: leaf.pem + twin.pem, reason: 'chain' },
  { name: 'two certificates of one key', chain: both + second.pem, reason: 'chain' },
  { name: 'an issuer that is no CA', ...(await below({ isCa: false })), reason: 'chain' },
  { name: 'no alternative names', ...(await self({ names: [] })), reason: 'names', says: /no name/ },
  { name: 'names of people only', ...(await self({ names: [], rawNames: [[0x81, 'a@b.example']] })), reason: 'names' },
  {
    name: 'a name with a NUL only',
    ...(await self({ names: [], rawNames: [[0x82, 'a.example\0b']] })),
    reason: 'names',
  },
  { name: 'a wildcard of everything', ...(await self({ names: [], rawNames: [[0x82, '*']] })), reason: 'names' },
  { name: 'a broken list of names', ...(await self({ names: [], rawNames: [[0x02, 'x']] })), reason: 'names' },
  {
    name: 'more names than anybody has',
    ...(await self({ names: Array.from({ length: 1_001 }, (_, n) => `n${n}.example`) })),
    reason: 'size',
  },
  { name: 'one for clients', ...(await self({ usages: ['1.3.6.1.5.5.7.3.2'] })), reason: 'usage' },
  { name: 'one for mail', ...(await self({ usages: ['1.3.6.1.5.5.7.3.4'] })), reason: 'usage' },
  { name: 'that of a CA', ...(await self({ isCa: true, issuer: root })), reason: 'usage' },
]

t.test('what cannot be used is refused with its reason', async (t) => {
  for (const { name, chain = both, key = leaf.key, reason, says = /./ } of faults)
    t.throws(() => toCertificate(chain, key, nowMs), { code: 'ERR_CERT', details: { reason }, message: says }, name)
})

t.test('no fault tells a word of the key', async (t) => {
  const secret = leaf.key.split('\n')[1] ?? ''
  for (const key of [leaf.key.slice(0, -30), leaf.key + root.key, leaf.key.replaceAll('PRIVATE', 'RSA PRIVATE')])
    try {
      toCertificate(both, key, nowMs)
      t.fail('it is taken')
    } catch (error) {
      t.notOk(String((error as Error).stack).includes(secret))
    }
})

t.test('any piece of a good file left out or changed is refused or still a good certificate', async (t) => {
  const expected = toCertificate(both, leaf.key, nowMs)
  for (let at = 0; at < both.length; at += 7) {
    const changed = `${both.slice(0, at)}#${both.slice(at + 1)}`
    for (const chain of [both.slice(0, at), both.slice(at), changed])
      try {
        t.equal(toCertificate(chain, leaf.key, nowMs).id, expected.id)
      } catch (error) {
        t.match(error, { code: 'ERR_CERT' })
      }
  }
})

t.test('which names a certificate covers', async (t) => {
  const names = ['a.example', '*.b.example', '*.localhost', '192.0.2.1', '2001:db8::1', 'xn--bcher-kva.example']
  const covered = [
    'a.example',
    'A.EXAMPLE',
    'x.b.example',
    'X.b.Example',
    'xn--bcher-kva.b.example',
    '*.b.example',
    '*.localhost',
    '192.0.2.1',
    '2001:db8::1',
    '[2001:DB8:0::1]',
    'xn--bcher-kva.example',
  ]
  const others = [
    '',
    '.',
    'example',
    'b.example',
    '.b.example',
    'x.y.b.example',
    '*.example',
    '*.a.example',
    '*.*.b.example',
    'a.example.',
    ' a.example',
    'a.example:443',
    'a.example\0',
    'x\0.b.example',
    'x_y.b.example',
    '-x.b.example',
    'bücher.b.example',
    '\u212A.b.example',
    'localhost',
    'blog.localhost',
    '1.192.0.2.1',
    '192.0.2.2',
    '192.0.2.01',
    '3221225985',
    '0xc0.0.2.1',
    '2001:db8::1%eth0',
    '::ffff:192.0.2.1',
    `${'a'.repeat(64)}.b.example`,
    `${'a.'.repeat(200)}b.example`,
    '__proto__',
    'constructor',
  ]
  for (const name of covered) t.ok(covers({ names }, name), JSON.stringify(name))
  for (const name of others) t.notOk(covers({ names }, name), JSON.stringify(name))
  const made = await make({ names: names.filter((name) => /[a-z]$/.test(name)), addresses: names.slice(3, 5) })
  const openssl = new X509Certificate(made.pem)
  for (const name of covered.filter((one) => !one.startsWith('*'))) {
    const address = name.replace(/^\[|\]$/g, '')
    t.ok(isIP(address) ? openssl.checkIP(address) : openssl.checkHost(name), `OpenSSL agrees on ${name}`)
  }
  t.notOk(covers({ names: ['*.2.1'] }, '192.0.2.1'), 'a wildcard covers no address')
})
