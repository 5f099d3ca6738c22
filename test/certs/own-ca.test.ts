import { execFileSync, spawn } from 'node:child_process'
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { decodeLeaf } from '../../certs/leaf-file.ts'
import { openOwnCa } from '../../certs/own-ca.ts'
import { leafLifeMs } from '../../certs/own-certificates.ts'
import { pemBlock } from '../../certs/pem.ts'

const dayMs = 86_400_000
const modeOf = async (path: string) => (await stat(path)).mode & 0o777

t.test('the root is a P-256 CA for ten years, its key readable by its owner alone', async (t) => {
  const folder = join(t.testdir({}), 'certs')
  const ca = await openOwnCa(folder)
  const root = new X509Certificate(await readFile(join(folder, 'root.pem')))
  t.equal(ca.rootFile, join(folder, 'root.pem'))
  t.equal(root.toString(), ca.rootPem)
  t.equal(createHash('sha256').update(root.raw).digest('hex'), ca.fingerprint)
  t.match(root.subject, /^CN=Grove Local CA [0-9a-f]{8}$/)
  t.equal(root.ca, true)
  t.equal(root.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.equal(Math.round((root.validToDate.getTime() - Date.now()) / dayMs), 3_652)
  t.equal(await modeOf(folder), 0o700)
  t.equal(await modeOf(join(folder, 'root-key.pem')), 0o600)
})

t.test('openssl agrees: critical constraints, one name, server authentication only, a strict chain', async (t) => {
  const folder = t.testdir({})
  const ca = await openOwnCa(folder)
  await writeFile(join(folder, 'leaf.pem'), (await ca.issue('blog.localhost')).chain)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8', cwd: folder })
  const root = openssl('x509', '-in', 'root.pem', '-noout', '-text')
  t.match(root, /Basic Constraints: critical\s+CA:TRUE, pathlen:1/)
  t.match(root, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/)
  const leaf = openssl('x509', '-in', 'leaf.pem', '-noout', '-text')
  t.match(leaf, /Basic Constraints: critical\s+CA:FALSE/)
  t.match(leaf, /Key Usage: critical\s+Digital Signature\n/)
  t.match(leaf, /Extended Key Usage: \s+TLS Web Server Authentication\n/)
  t.match(leaf, /Subject Alternative Name: critical\s+DNS:blog\.localhost\n/)
  const intermediate = openssl('x509', '-in', 'intermediate-key.pem', '-noout', '-text')
  t.match(intermediate, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
  t.match(intermediate, /Extended Key Usage: \s+TLS Web Server Authentication\n/)
  t.match(
    intermediate,
    /Name Constraints: critical\s+Permitted:\s+DNS:home\.arpa\s+DNS:internal\s+DNS:local\s+DNS:localhost/,
  )
  t.match(intermediate, /IP:10\.0\.0\.0\/255\.0\.0\.0\s/)
  const chain = ['-CAfile', 'root.pem', '-untrusted', 'leaf.pem']
  const strict = ['verify', '-x509_strict', ...chain, '-purpose', 'sslserver', '-verify_hostname']
  t.match(openssl(...strict, 'blog.localhost', 'leaf.pem'), /leaf\.pem: OK/)
  t.throws(() => execFileSync('openssl', [...strict, 'shop.localhost', 'leaf.pem'], { cwd: folder, stdio: 'ignore' }))
})

t.test('a leaf lives a week from an hour ago and is due at two thirds of that', async (t) => {
  const nowMs = Date.UTC(2030, 0, 1, 12, 0, 0, 500)
  const ca = await openOwnCa(t.testdir({}), { now: () => nowMs })
  const leaf = await ca.issue('blog.localhost')
  const certificate = new X509Certificate(leaf.chain)
  t.equal(leaf.name, 'blog.localhost')
  t.equal(certificate.validFromDate.getTime(), nowMs - 500 - 3_600_000)
  t.equal(certificate.validToDate.getTime(), nowMs - 500 + leafLifeMs)
  t.equal(leaf.notAfterMs, certificate.validToDate.getTime())
  t.equal(leaf.renewAtMs, nowMs - 500 - 3_600_000 + ((leafLifeMs + 3_600_000) * 2) / 3)
  t.ok(certificate.checkPrivateKey(createPrivateKey(leaf.key)))
})

t.test('each leaf has its own key and its own 128-bit serial', async (t) => {
  const ca = await openOwnCa(t.testdir({}))
  const leaves = await Promise.all(Array.from({ length: 20 }, () => ca.issue('blog.localhost')))
  t.equal(new Set(leaves.map(({ key }) => key)).size, 20)
  const serials = leaves.map(({ chain }) => new X509Certificate(chain).serialNumber)
  t.equal(new Set(serials).size, 20)
  for (const serial of serials) t.match(serial, /^[4-7][0-9A-F]{31}$/)
})

t.test('opening again, or from two processes at once, gives one and the same root', async (t) => {
  const folder = t.testdir({})
  const opened = await Promise.all([openOwnCa(folder), openOwnCa(folder), openOwnCa(folder)])
  opened.push(await openOwnCa(folder))
  t.equal(new Set(opened.map(({ fingerprint }) => fingerprint)).size, 1)
  t.strictSame((await readdir(folder)).sort(), ['intermediate-key.pem', 'root-key.pem', 'root.pem'])
})

t.test('a lost or altered root.pem is made again from the root', async (t) => {
  const folder = t.testdir({})
  const { rootPem } = await openOwnCa(folder)
  await writeFile(join(folder, 'root.pem'), 'something else')
  await openOwnCa(folder)
  t.equal(await readFile(join(folder, 'root.pem'), 'utf8'), rootPem)
})

t.test('rights that others got to the key are taken away', async (t) => {
  const folder = t.testdir({})
  await openOwnCa(folder)
  await chmod(join(folder, 'root-key.pem'), 0o644)
  await openOwnCa(folder)
  t.equal(await modeOf(join(folder, 'root-key.pem')), 0o600)
})

t.test('a root without a leaf’s life left is replaced, and leaves never outlive their root', async (t) => {
  const folder = t.testdir({})
  let nowMs = Date.now()
  const old = await openOwnCa(folder, { now: () => nowMs })
  const rootEndsMs = new X509Certificate(old.rootPem).validToDate.getTime()
  nowMs = rootEndsMs - leafLifeMs / 2
  t.equal((await old.issue('a.localhost')).notAfterMs, rootEndsMs)
  t.not((await openOwnCa(folder, { now: () => nowMs })).fingerprint, old.fingerprint)
  nowMs = rootEndsMs
  await t.rejects(old.issue('a.localhost'), { code: 'ERR_CERT', hint: /new root/ })
})

t.test('a damaged root stops the start and is never replaced behind people’s backs', async (t) => {
  const folder = t.testdir({})
  const keyFile = join(folder, 'root-key.pem')
  await openOwnCa(folder)
  const whole = await readFile(keyFile, 'utf8')
  const other = await openOwnCa(join(folder, 'other'))
  const otherKey = pemBlock(await readFile(join(folder, 'other/root-key.pem'), 'utf8'), 'PRIVATE KEY')
  const cases = [
    { name: 'empty', text: '', reason: /lacks/ },
    { name: 'cut in the key', text: whole.slice(0, -60), reason: /lacks/ },
    { name: 'without a certificate', text: otherKey ?? '', reason: /lacks/ },
    { name: 'a flipped character', text: whole.replace(/MII/, 'MIX'), reason: /cannot be parsed/ },
    { name: 'the key of another root', text: `${pemBlock(whole, 'CERTIFICATE')}${otherKey}`, reason: /do not belong/ },
    {
      name: 'a leaf in place of the root',
      text: await other.issue('a.localhost').then(({ chain, key }) => chain + key),
      reason: /do not belong/,
    },
  ]
  for (const { name, text, reason } of cases) {
    await writeFile(keyFile, text)
    await t.rejects(openOwnCa(folder), { code: 'ERR_CERT', message: reason, hint: /backup/ }, name)
    t.equal(await readFile(keyFile, 'utf8'), text, `${name}: nothing changed`)
  }
})

t.test('what is not a host name gets no certificate', async (t) => {
  const ca = await openOwnCa(t.testdir({}))
  const names = [
    '',
    'UPPER.localhost',
    'a b',
    'a.localhost.',
    '*.localhost',
    '*.*.blog.localhost',
    '127.0.0.1.5',
    '[::1',
    'fe80::1%eth0',
    '2130706433',
    'ä.localhost',
  ]
  names.push('a\0.localhost', '../../etc', `${'a'.repeat(64)}.localhost`, `${'a.'.repeat(127)}a`, '-a.localhost')
  for (const name of names) await t.rejects(ca.issue(name), { code: 'ERR_CERT_NAME' }, JSON.stringify(name))
})

t.test('a process killed while it makes the root leaves none or a whole one', async (t) => {
  const program = `
    const { openOwnCa } = await import(${JSON.stringify(import.meta.resolve('../../certs/own-ca.ts'))})
    process.stdout.write('opening')
    await openOwnCa(process.argv[1])
    setInterval(() => {}, 1000)`
  const base = t.testdir({})
  for (let round = 0; round < 5; round++) {
    const folder = join(base, `${round}`)
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    // Each round lets it get a few turns of our own event loop further.
    for (let turn = 0; turn < round * 400; turn++) await new Promise((resolve) => setImmediate(resolve))
    const closed = new Promise((resolve) => child.once('close', resolve))
    child.kill('SIGKILL')
    await closed
    const ca = await openOwnCa(folder)
    t.equal((await openOwnCa(folder)).fingerprint, ca.fingerprint, `round ${round}`)
    const { chain, key } = await ca.issue('a.localhost')
    t.ok(decodeLeaf(chain + key, 'a.localhost', new X509Certificate(ca.rootPem), Date.now()))
  }
})
