import { execFileSync } from 'node:child_process'
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createAlpnCertificate } from '../../../certs/acme/alpn-certificate.ts'
import { toChallenge } from '../../../certs/acme/solver.ts'

const nowMs = Date.UTC(2030, 0, 1)

t.test('the certificate is for one name, with the hash of the answer in a critical extension', async (t) => {
  const name = `${'a'.repeat(63)}.${'b'.repeat(63)}.example.com`
  const { cert, key } = await createAlpnCertificate({ name, keyAuthorization: 'token.thumbprint' }, nowMs)
  const certificate = new X509Certificate(cert)
  t.equal(certificate.subjectAltName, `DNS:${name}`)
  t.ok(certificate.checkPrivateKey(createPrivateKey(key)))
  t.ok(certificate.verify(certificate.publicKey))
  t.ok(certificate.validFromDate.getTime() < nowMs && certificate.validToDate.getTime() > nowMs)
  const file = join(t.testdir({}), 'cert.pem')
  await writeFile(file, cert)
  const text = execFileSync('openssl', ['x509', '-in', file, '-noout', '-text'], { encoding: 'utf8' })
  t.match(text, /1\.3\.6\.1\.5\.5\.7\.1\.31: critical/)
  const hash = createHash('sha256').update('token.thumbprint').digest()
  t.ok(certificate.raw.includes(Buffer.concat([Buffer.from([0x04, 0x22, 0x04, 0x20]), hash])), 'in two OCTET STRINGs')
})

t.test('a challenge has the value that DNS answers with', (t) => {
  const dnsValue = createHash('sha256').update('token.thumbprint').digest('base64url')
  t.strictSame(toChallenge('a.example', 'token', 'token.thumbprint'), {
    name: 'a.example',
    token: 'token',
    keyAuthorization: 'token.thumbprint',
    dnsValue,
  })
  t.end()
})
