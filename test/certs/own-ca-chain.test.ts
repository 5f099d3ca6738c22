import { execFile, execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { decodeLeaf } from '../../certs/leaf-file.ts'
import { openOwnCa } from '../../certs/own-ca.ts'
import { intermediateLifeMs, makeLeaf, makeLeafKeys, toSigner } from '../../certs/own-certificates.ts'
import { pemBlock, pemBlocks } from '../../certs/pem.ts'

const dayMs = 86_400_000
/** The root of a data folder that the first release of Grove made, until 2046: pathLenConstraint 0. */
const earlierRoot = `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIQSPbIgDqmLwntlCDgGLnmljAKBggqhkjOPQQDAjAiMSAw
HgYDVQQDExdHcm92ZSBMb2NhbCBDQSAwNDEwZmI4NzAeFw0yNjExMjEwNTI3NDJa
Fw00NjExMTYwNjI3NDJaMCIxIDAeBgNVBAMTF0dyb3ZlIExvY2FsIENBIDA0MTBm
Yjg3MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfL4oK5yCc0Rc4jko1GHyshFJ
vJymc/qnRGuCmljTpo/+/NUNfGPIEvjpDAUtG3OdF1dHNkiHwN4X2ct9A2OoyKNF
MEMwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMCAQYwHQYDVR0OBBYE
FBR0fMXcNA76iS22brV3/kKyJV6TMAoGCCqGSM49BAMCA0gAMEUCIAxBQTwEaHqO
LneW4QZm2d0F4RAaEXXzBf/Lcnp9g4kuAiEAv9JbCHwTvROWJnts+3bz9T8Tox08
jaW2k71LxWyWlWc=
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUF5bKNZnZTV6vr2e
lLfX0vq9TOaDLLtEEoNwBn+2uYWhRANCAAR8vigrnIJzRFziOSjUYfKyEUm8nKZz
+qdEa4KaWNOmj/781Q18Y8gS+OkMBS0bc50XV0c2SIfA3hfZy30DY6jI
-----END PRIVATE KEY-----
`

const certificatesOf = (pem: string) => pemBlocks(pem).map(({ text }) => new X509Certificate(text))

/** What openssl, curl and Node say to a server with a chain: that it is `fine`, or why not. */
async function ask(t: Test, chain: string, key: string, rootFile: string, name: string) {
  const server = createServer({ cert: chain, key }, (_, response) => response.end('fine'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const ca = await readFile(rootFile)
  const isAddress = /^[\d.]+$/.test(name)
  const byNode = new Promise<string>((resolve) => {
    const options = { host: '127.0.0.1', port, ca, agent: false, headers: { host: name } }
    const asked = request({ ...options, ...(!isAddress && { servername: name }) }, async (response) => {
      let text = ''
      for await (const part of response.setEncoding('utf8')) text += part
      resolve(text)
    })
    asked.once('error', (error) => resolve(error.message))
    asked.end()
  })
  const resolving = isAddress ? [] : ['--resolve', `${name}:${port}:127.0.0.1`]
  const curl = ['-sS', '--max-time', '20', '--cacert', rootFile, ...resolving, `https://${name}:${port}/`]
  const byCurl = await promisify(execFile)('curl', curl).then(
    ({ stdout }) => stdout,
    (error: { stderr: string }) => error.stderr,
  )
  const file = join(dirname(rootFile), 'asked.pem')
  await writeFile(file, chain)
  const verify = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', rootFile, '-untrusted', file, file]
  const byOpenssl = await promisify(execFile)('openssl', verify).then(
    ({ stdout }) => (stdout.endsWith(': OK\n') ? 'fine' : stdout),
    (error: { stderr: string }) => error.stderr,
  )
  return { byNode: await byNode, byCurl, byOpenssl }
}

t.test('openssl, curl and Node take what it signs: names, wildcards and addresses', async (t) => {
  const ca = await openOwnCa(join(t.testdir({}), 'certs'), { names: ['shop.example', '203.0.113.0/24'] })
  const cases = [
    { name: 'blog.localhost', asked: 'blog.localhost' },
    { name: 'shop.example', asked: 'shop.example' },
    { name: '*.shop.example', asked: 'a.shop.example' },
    { name: '127.0.0.1', asked: '127.0.0.1' },
  ]
  for (const { name, asked } of cases) {
    const { chain, key } = await ca.issue(name, ['203.0.113.9', '::1'])
    t.equal(certificatesOf(chain).length, 2, 'the leaf and the intermediate')
    t.strictSame(
      await ask(t, chain, key, ca.rootFile, asked),
      { byNode: 'fine', byCurl: 'fine', byOpenssl: 'fine' },
      name,
    )
  }
})

t.test('what the intermediate’s key signs outside of its names is refused by all three', async (t) => {
  const folder = join(t.testdir({}), 'certs')
  const ca = await openOwnCa(folder, { names: ['shop.example'] })
  const stolen = await readFile(join(folder, 'intermediate-key.pem'), 'utf8')
  const pem = pemBlock(stolen, 'CERTIFICATE') ?? ''
  const pkcs8 = createPrivateKey(pemBlock(stolen, 'PRIVATE KEY') ?? '').export({ type: 'pkcs8', format: 'der' })
  const signer = await toSigner(pem, new Uint8Array(pkcs8), Date.now() + dayMs)
  const outside = [
    { names: ['bank.example'], asked: 'bank.example' },
    { names: ['badshop.example'], asked: 'badshop.example' },
    { names: ['blog.localhost', '8.8.8.8'], asked: 'blog.localhost' },
  ]
  for (const { names, asked } of outside) {
    await t.rejects(ca.issue(names.at(-1) ?? ''), { code: 'ERR_CERT_NAME' })
    const { key, spki } = await makeLeafKeys()
    const leaf = await makeLeaf(signer, names, spki, Date.now())
    const said = await ask(t, `${leaf.certificate}${pem}`, key, ca.rootFile, asked)
    t.match(said.byNode, /permitted subtree violation/, names.join())
    t.match(said.byCurl, /permitted subtree violation/, names.join())
    t.match(said.byOpenssl, /permitted subtree violation/, names.join())
  }
})

t.test('names that change make a new intermediate; the root stays, and leaves from before stay valid', async (t) => {
  const folder = t.testdir({})
  const ca = await openOwnCa(folder, { names: ['a.example'] })
  const before = await ca.issue('a.example')
  await t.rejects(ca.issue('b.example'), { code: 'ERR_CERT_NAME', hint: /configuration/ })
  await ca.constrain(['b.example'])
  t.equal(ca.permits('a.example'), false)
  t.equal(ca.permits('b.example'), true)
  const after = await ca.issue('b.example')
  t.not(certificatesOf(before.chain)[1]?.fingerprint256, certificatesOf(after.chain)[1]?.fingerprint256)
  const root = new X509Certificate(ca.rootPem)
  t.ok(decodeLeaf(before.chain + before.key, 'a.example', root, Date.now()))
  t.ok(decodeLeaf(after.chain + after.key, 'b.example', root, Date.now()))
  const again = await openOwnCa(folder, { names: ['b.example'] })
  t.equal(again.fingerprint, ca.fingerprint)
  t.equal(
    certificatesOf((await again.issue('b.example')).chain)[1]?.fingerprint256,
    certificatesOf(after.chain)[1]?.fingerprint256,
  )
  await t.rejects(ca.constrain(['not a name']), { code: 'ERR_CERT_NAME' })
  t.equal(ca.permits('b.example'), true)
})

t.test(
  'an intermediate is renewed in time, also by a process that never ends, and made anew when it is damaged',
  async (t) => {
    const folder = t.testdir({})
    const file = join(folder, 'intermediate-key.pem')
    let nowMs = Date.now()
    const ca = await openOwnCa(folder, { now: () => nowMs })
    const first = await readFile(file, 'utf8')
    nowMs += intermediateLifeMs / 2
    await ca.issue('a.localhost')
    t.equal(await readFile(file, 'utf8'), first)
    nowMs += intermediateLifeMs / 4
    const leaves = await Promise.all([ca.issue('a.localhost'), ca.issue('b.localhost')])
    const second = await readFile(file, 'utf8')
    t.not(second, first)
    for (const { chain } of leaves) t.equal(certificatesOf(chain)[1]?.toString(), pemBlock(second, 'CERTIFICATE'))
    const other = await openOwnCa(join(folder, 'other'))
    const strange = await readFile(join(folder, 'other/intermediate-key.pem'), 'utf8')
    for (const text of ['', second.slice(0, 900), second.replace('MII', 'MIX'), strange]) {
      await writeFile(file, text)
      const opened = await openOwnCa(folder, { now: () => nowMs })
      t.equal(opened.fingerprint, ca.fingerprint)
      const { chain, key } = await opened.issue('a.localhost')
      t.ok(decodeLeaf(chain + key, 'a.localhost', new X509Certificate(ca.rootPem), nowMs))
      t.notOk(decodeLeaf(chain + key, 'a.localhost', new X509Certificate(other.rootPem), nowMs))
      t.strictSame(opened.notices, [])
    }
  },
)

t.test('the root’s key can be kept elsewhere, and is asked for when it is needed', async (t) => {
  const folder = t.testdir({ safe: {} })
  const keyFile = join(folder, 'root-key.pem')
  const safe = join(folder, 'safe/root-key.pem')
  let nowMs = Date.now()
  const now = () => nowMs
  const ca = await openOwnCa(folder, { now, names: ['a.example'] })
  await rename(keyFile, safe)

  const offline = await openOwnCa(folder, { now, names: ['a.example'] })
  t.equal(offline.fingerprint, ca.fingerprint)
  t.strictSame(offline.notices, [])
  t.ok(await offline.issue('a.example'))

  const changed = await openOwnCa(folder, { now, names: ['b.example'] })
  t.match(changed.notices, [/other names than the configuration.*root-key\.pem/])
  t.equal(changed.permits('b.example'), false)
  t.equal(changed.permits('a.example'), true)
  await t.rejects(changed.issue('b.example'), { code: 'ERR_CERT_NAME' })

  nowMs += intermediateLifeMs * 0.8
  const due = await openOwnCa(folder, { now, names: ['a.example'] })
  t.match(due.notices, [/ends on \d{4}-\d\d-\d\d: put root-key\.pem back/])
  t.ok(await due.issue('a.example'))

  nowMs += intermediateLifeMs * 0.3
  await t.rejects(due.issue('a.example'), { code: 'ERR_CERT', hint: /root-key\.pem back/ })
  const ended = await openOwnCa(folder, { now, names: ['a.example'] })
  t.equal(ended.fingerprint, ca.fingerprint, 'no new root behind anybody’s back')
  t.match(ended.notices, [/has ended or is missing/])
  await t.rejects(ended.issue('a.example'), { code: 'ERR_CERT', hint: /root-key\.pem back/ })

  await rename(safe, keyFile)
  const back = await openOwnCa(folder, { now, names: ['b.example'] })
  t.equal(back.fingerprint, ca.fingerprint)
  t.strictSame(back.notices, [])
  t.ok(await back.issue('b.example'))
})

t.test('without the root’s key and without an intermediate there is nothing to keep: a new root is made', async (t) => {
  const folder = t.testdir({})
  const { fingerprint } = await openOwnCa(folder)
  await rm(join(folder, 'root-key.pem'))
  await rm(join(folder, 'intermediate-key.pem'))
  t.not((await openOwnCa(folder)).fingerprint, fingerprint)
  await rm(join(folder, 'root-key.pem'))
  await writeFile(join(folder, 'root.pem'), 'something else')
  await t.resolves(openOwnCa(folder))
})

t.test('a root of an earlier Grove stays, signs by itself, and says what that means', async (t) => {
  const folder = t.testdir({})
  await writeFile(join(folder, 'root-key.pem'), earlierRoot)
  const ca = await openOwnCa(folder, { names: ['shop.example'] })
  t.equal(ca.rootPem, pemBlock(earlierRoot, 'CERTIFICATE'))
  t.match(execFileSync('openssl', ['x509', '-in', ca.rootFile, '-noout', '-text'], { encoding: 'utf8' }), /pathlen:0/)
  t.match(ca.notices, [/earlier Grove.*root-key\.pem and root\.pem.*grove trust/])
  const { chain, key } = await ca.issue('shop.example')
  t.equal(certificatesOf(chain).length, 1)
  t.strictSame(await ask(t, chain, key, ca.rootFile, 'shop.example'), {
    byNode: 'fine',
    byCurl: 'fine',
    byOpenssl: 'fine',
  })
  await t.rejects(ca.issue('bank.example'), { code: 'ERR_CERT_NAME' })
  await ca.constrain(['bank.example'])
  t.ok(await ca.issue('bank.example'))
  t.equal((await openOwnCa(folder)).fingerprint, ca.fingerprint)
})
