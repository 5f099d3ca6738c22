// Files that operators bring, and what can be wrong with them: each is named with its reason, and what was in use before
// stays in use.

import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CertificateReason } from '../../../certs/certificate-fault.ts'
import { openCertificateFiles } from '../../../certs/files/certificate-files.ts'
import type { CertificateFileSpec } from '../../../certs/files/file-specs.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { dayMs, make, makeFamily } from '../fixtures/certificates.ts'
import { lock, openssl, toPkcs12 } from './fixture.ts'

const environment = nodeEnvironment
const bounds = { settleMs: 5 }
const { root, intermediate, leaf } = await makeFamily()
const chain = leaf.pem + intermediate.pem
const names = ['a.example', '*.b.example']
const nowMs = Date.now()
const password = 'secret-password'

/** The files of one row; a text or bytes are written, a function makes something else of the path, or nothing. */
interface Files {
  readonly cert?: Content
  readonly key?: Content
  readonly p12?: Content
}
type Content = string | Buffer | ((path: string) => unknown)

interface Row {
  readonly what: string
  readonly reason: CertificateReason
  readonly message?: RegExp
  readonly files: (folder: string) => Files | Promise<Files>
  /** Default: the right one for containers, none for pairs; `none` for none. */
  readonly password?: string | { readonly env: string }
}

const derOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
const withLeaf = async (options: Parameters<typeof make>[0]) => {
  const made = await make({ name: 'leaf', names, issuer: intermediate, ...options })
  return { cert: made.pem + intermediate.pem, key: made.key }
}

const pairs: Row[] = [
  {
    what: 'the key of another certificate',
    reason: 'key',
    message: /cert\.pem: the key belongs to none/,
    files: async () => ({ key: (await make()).key }),
  },
  {
    what: 'a certificate that has ended',
    reason: 'expired',
    message: /ended at 20/,
    files: () => withLeaf({ untilMs: nowMs - dayMs / 2 }),
  },
  {
    what: 'a certificate of the future',
    reason: 'future',
    message: /begins only at 20/,
    files: () => withLeaf({ fromMs: nowMs + dayMs, untilMs: nowMs + 2 * dayMs }),
  },
  {
    what: 'a chain that is missing',
    reason: 'chain',
    message: /issuer of the certificate of leaf is missing/,
    files: async () => {
      const made = await make({ name: 'leaf', names, issuer: intermediate, issuerUrl: 'http://ca.example/between.der' })
      return { cert: made.pem, key: made.key }
    },
  },
  {
    what: 'a chain of somebody else',
    reason: 'chain',
    message: /has not issued/,
    files: async () => ({ cert: leaf.pem + (await make({ name: 'Stranger', isCa: true })).pem }),
  },
  {
    what: 'a chain that has ended',
    reason: 'expired',
    files: async () => {
      const old = await make({
        name: 'Old',
        isCa: true,
        issuer: root,
        fromMs: nowMs - 9 * dayMs,
        untilMs: nowMs - dayMs,
      })
      const made = await make({ name: 'leaf', names, issuer: old })
      return { cert: made.pem + old.pem, key: made.key }
    },
  },
  {
    what: 'a locked key without a password',
    reason: 'password',
    message: /key\.pem is locked with a password, and none is given/,
    files: async (folder) => ({ key: await lock(folder, leaf.key, password) }),
  },
  {
    what: 'a locked key with another password',
    reason: 'password',
    message: /does not open with this password/,
    password: 'wrong-password',
    files: async (folder) => ({ key: await lock(folder, leaf.key, password) }),
  },
  {
    what: 'a locked key whose password is not there',
    reason: 'password',
    message: /environment variable GROVE_TEST_NONE is not set/,
    password: { env: 'GROVE_TEST_NONE' },
    files: async (folder) => ({ key: await lock(folder, leaf.key, password) }),
  },
  {
    what: 'a locked key that is damaged',
    reason: 'password',
    password,
    files: async (folder) => {
      const pem = await lock(folder, leaf.key, password)
      const bytes = derOf(pem)
      bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 255
      return {
        key: `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${bytes.toString('base64')}\n-----END ENCRYPTED PRIVATE KEY-----\n`,
      }
    },
  },
  {
    what: 'a locked key that is noise',
    reason: 'parse',
    password,
    files: () => ({ key: '-----BEGIN ENCRYPTED PRIVATE KEY-----\nbm9pc2U=\n-----END ENCRYPTED PRIVATE KEY-----\n' }),
  },
  {
    what: 'a text that is not PEM',
    reason: 'parse',
    message: /no certificate in PEM/,
    files: () => ({ cert: 'hello\n' }),
  },
  { what: 'a web page', reason: 'parse', files: () => ({ cert: '<!doctype html><title>404</title>' }) },
  {
    what: 'a certificate in DER',
    reason: 'parse',
    message: /cert\.pem is DER, expected PEM/,
    files: () => ({ cert: derOf(leaf.pem) }),
  },
  {
    what: 'a key in DER',
    reason: 'parse',
    message: /there is no private key/,
    files: () => ({ key: derOf(leaf.key) }),
  },
  {
    what: 'a certificate file that is empty',
    reason: 'parse',
    message: /cert\.pem is empty/,
    files: () => ({ cert: '' }),
  },
  { what: 'a key file that is empty', reason: 'parse', message: /key\.pem is empty/, files: () => ({ key: '' }) },
  {
    what: 'a certificate that is half written',
    reason: 'parse',
    message: /cut off/,
    files: () => ({ cert: chain.slice(0, chain.length / 3) }),
  },
  {
    what: 'a chain that is half written',
    reason: 'parse',
    message: /cut off/,
    files: () => ({ cert: chain.slice(0, -100) }),
  },
  {
    what: 'a key that is half written',
    reason: 'parse',
    message: /key\.pem: .*cut off/,
    files: () => ({ key: leaf.key.slice(0, -50) }),
  },
  {
    what: 'a certificate with a damaged middle',
    reason: 'parse',
    files: () => ({ cert: chain.replace(/\n.{64}\n/, `\n${'A'.repeat(64)}\n`) }),
  },
  {
    what: 'a key with a damaged middle',
    reason: 'parse',
    files: () => ({ key: leaf.key.replace(/\n.{10}/, '\nAAAAAAAAAA') }),
  },
  { what: 'a certificate with zeros, as after a crash', reason: 'parse', files: () => ({ cert: Buffer.alloc(4_096) }) },
  {
    what: 'a certificate in UTF-16',
    reason: 'parse',
    files: () => ({ cert: Buffer.from(`\uFEFF${chain}`, 'utf16le') }),
  },
  { what: 'key and certificate in each other’s place', reason: 'parse', files: () => ({ cert: leaf.key, key: chain }) },
  {
    what: 'a public key as the key',
    reason: 'parse',
    files: () => ({ key: createPublicKey(leaf.key).export({ type: 'spki', format: 'pem' }).toString() }),
  },
  {
    what: 'a certificate request as the certificate',
    reason: 'parse',
    files: async (folder) => {
      await writeFile(join(folder, 'in-key.pem'), leaf.key)
      await openssl(folder, 'req', '-new', '-key', 'in-key.pem', '-subj', '/CN=a.example', '-out', 'out.pem')
      return { cert: await readFile(join(folder, 'out.pem')) }
    },
  },
  {
    what: 'two keys in one file',
    reason: 'key',
    message: /2 private keys/,
    files: async () => ({ key: leaf.key + (await make()).key }),
  },
  {
    what: 'very many certificates',
    reason: 'size',
    message: /200 certificates|more than \d+ bytes/,
    files: () => ({ cert: leaf.pem + intermediate.pem.repeat(199) }),
  },
  {
    what: 'a file that is too large',
    reason: 'size',
    message: /cert\.pem has more than \d+ bytes/,
    files: () => ({ cert: `${'# \n'.repeat(200_000)}${chain}` }),
  },
  {
    what: 'a file of ten gigabytes',
    reason: 'size',
    files: () => ({
      key: async (path) => {
        await writeFile(path, leaf.key)
        await truncate(path, 10 * 2 ** 30)
      },
    }),
  },
  {
    what: 'a device without end',
    reason: 'file',
    message: /is not a file/,
    files: () => ({ cert: (path) => symlink('/dev/zero', path) }),
  },
  {
    what: 'a pipe that nobody writes to',
    reason: 'file',
    message: /is not a file/,
    files: () => ({ key: (path) => execFileSync('mkfifo', [path]) }),
  },
  {
    what: 'a folder in place of the certificate',
    reason: 'file',
    message: /is not a file/,
    files: () => ({ cert: (path) => mkdir(path) }),
  },
  {
    what: 'a certificate that is not there',
    reason: 'file',
    message: /cert\.pem is not there/,
    files: () => ({ cert: () => undefined }),
  },
  {
    what: 'a key that is not there',
    reason: 'file',
    message: /key\.pem is not there/,
    files: () => ({ key: () => undefined }),
  },
  {
    what: 'a link in a circle',
    reason: 'file',
    message: /circle/,
    files: () => ({ key: (path) => symlink(path, path) }),
  },
  {
    what: 'a link to nowhere',
    reason: 'file',
    files: () => ({ key: (path) => symlink('/nonexistent/key.pem', path) }),
  },
  { what: 'a key that is too short', reason: 'weak', message: /1024 bits/, files: () => withLeaf({ kind: 'rsa1024' }) },
  { what: 'a certificate without names', reason: 'names', files: () => withLeaf({ names: [] }) },
  { what: 'a certificate for clients', reason: 'usage', files: () => withLeaf({ usages: ['1.3.6.1.5.5.7.3.2'] }) },
]

const box = (folder: string, ...flags: string[]) => toPkcs12(folder, leaf, [intermediate], password, ...flags)
const spoiled = async (folder: string, place: (bytes: Buffer) => number, ...flags: string[]) => {
  const bytes = await box(folder, ...flags)
  const at = place(bytes)
  bytes[at] = (bytes[at] ?? 0) ^ 0x55
  return bytes
}

const containers: Row[] = [
  {
    what: 'another password',
    reason: 'password',
    message: /box\.p12: the password is another one/,
    password: 'wrong-password',
    files: async (folder) => ({ p12: await box(folder) }),
  },
  {
    what: 'another password, and no MAC that would tell',
    reason: 'password',
    password: 'wrong-password',
    files: async (folder) => ({ p12: await box(folder, '-nomac') }),
  },
  {
    what: 'another password, and old ciphers',
    reason: 'password',
    password: 'wrong-password',
    files: async (folder) => ({ p12: await box(folder, '-legacy') }),
  },
  {
    what: 'no password',
    reason: 'password',
    message: /needs a password/,
    password: 'none',
    files: async (folder) => ({ p12: await box(folder) }),
  },
  { what: 'an empty file', reason: 'parse', files: () => ({ p12: '' }) },
  { what: 'noise', reason: 'parse', files: () => ({ p12: Buffer.from('noise'.repeat(100)) }) },
  { what: 'zeros', reason: 'parse', files: () => ({ p12: Buffer.alloc(2_000) }) },
  { what: 'PEM', reason: 'parse', files: () => ({ p12: chain + leaf.key }) },
  { what: 'a certificate in DER', reason: 'parse', files: () => ({ p12: derOf(leaf.pem) }) },
  {
    what: 'half of a container',
    reason: 'parse',
    files: async (folder) => ({ p12: (await box(folder)).subarray(0, 700) }),
  },
  {
    what: 'a container without its last byte',
    reason: 'parse',
    files: async (folder) => ({ p12: (await box(folder)).subarray(0, -1) }),
  },
  {
    what: 'a damaged MAC',
    reason: 'password',
    files: async (folder) => ({ p12: await spoiled(folder, (bytes) => bytes.length - 30) }),
  },
  {
    what: 'a damaged content',
    reason: 'password',
    files: async (folder) => ({ p12: await spoiled(folder, (bytes) => bytes.length >> 1) }),
  },
  {
    what: 'a container without a key',
    reason: 'key',
    message: /no private key/,
    files: async (folder) => ({ p12: await box(folder, '-nokeys') }),
  },
  {
    what: 'a container without a certificate',
    reason: 'parse',
    message: /no certificate/,
    files: async (folder) => {
      await writeFile(join(folder, 'k.pem'), leaf.key)
      await openssl(
        folder,
        'pkcs12',
        '-export',
        '-nocerts',
        '-inkey',
        'k.pem',
        '-out',
        'out.p12',
        '-passout',
        `pass:${password}`,
      )
      return { p12: await readFile(join(folder, 'out.p12')) }
    },
  },
  {
    what: 'a certificate that has ended',
    reason: 'expired',
    files: async (folder) => {
      const made = await make({ names, issuer: intermediate, untilMs: nowMs - 1_000 })
      return { p12: await toPkcs12(folder, made, [intermediate], password) }
    },
  },
  {
    what: 'a chain that is missing',
    reason: 'chain',
    files: async (folder) => {
      const made = await make({ names, issuer: intermediate, issuerUrl: 'http://ca.example/x.der' })
      return { p12: await toPkcs12(folder, made, [], password) }
    },
  },
  {
    what: 'a weak key',
    reason: 'weak',
    files: async (folder) => ({ p12: await toPkcs12(folder, await make({ names, kind: 'rsa1024' }), [], password) }),
  },
  { what: 'a container that is too large', reason: 'size', files: () => ({ p12: Buffer.alloc(2_000_000) }) },
  {
    what: 'very deep brackets',
    reason: 'parse',
    files: () => ({ p12: Buffer.concat([...Array.from({ length: 200_000 }, () => Buffer.of(0x30, 0x80))]) }),
  },
  {
    what: 'a length that is longer than everything',
    reason: 'parse',
    files: () => ({ p12: Buffer.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 3) }),
  },
  { what: 'a folder', reason: 'file', files: () => ({ p12: (path) => mkdir(path) }) },
]

async function check(t: Test, { reason, message, files, password: given }: Row, isContainer: boolean): Promise<void> {
  const folder = t.testdir()
  const work = join(folder, 'work')
  await mkdir(work)
  const paths = { cert: join(work, 'cert.pem'), key: join(work, 'key.pem'), p12: join(work, 'box.p12') }
  const put = async (contents: Files) => {
    for (const [name, content] of Object.entries(contents) as [keyof Files, Content][]) {
      await rm(paths[name], { recursive: true, force: true })
      if (typeof content === 'function') await content(paths[name])
      else await writeFile(paths[name], content)
    }
  }
  const main = isContainer ? paths.p12 : paths.cert
  const toSpec = (secret: CertificateFileSpec['password']): CertificateFileSpec =>
    isContainer ? { pkcs12: paths.p12, password: secret } : { cert: paths.cert, key: paths.key, password: secret }
  const good: Files = isContainer ? { p12: await box(folder) } : { cert: chain, key: leaf.key }
  const bad = await files(folder)
  const fault = { reason, ...(message && { message }) }

  await t.test('at the start it is told, and nothing is in use', async (t) => {
    await put({ ...good, ...bad })
    const secret = given ?? (isContainer ? password : 'none')
    await using opened = await openCertificateFiles([toSpec(secret === 'none' ? undefined : secret)], {
      environment,
      bounds,
    })
    t.match(opened.list(), [{ file: main, names: [], notAfterMs: undefined, fault }])
    t.equal(opened.list().length, 1)
    t.same(opened.find('a.example'), [])
    for (const secret of [password, 'wrong-password']) t.notOk(JSON.stringify(opened.list()).includes(secret))
  })
  if (given === 'none') return

  await t.test('later it is told, the old one stays in use, and a good one ends it', async (t) => {
    // What a good container opens with may not open the faulty one: the password stands where it can change.
    process.env['GROVE_TEST_PASSWORD'] = password
    t.teardown(() => delete process.env['GROVE_TEST_PASSWORD'])
    const hasPassword = isContainer || given !== undefined
    await put(good)
    await using opened = await openCertificateFiles(
      [toSpec(hasPassword ? { env: 'GROVE_TEST_PASSWORD' } : undefined)],
      { environment, bounds },
    )
    t.match(opened.list(), [{ file: main, names, fault: undefined }])
    const inUse = opened.find('a.example')
    t.equal(inUse.length, 1)
    if (typeof given === 'string') process.env['GROVE_TEST_PASSWORD'] = given
    else if (given) delete process.env['GROVE_TEST_PASSWORD']
    await put(bad)
    await opened.reload()
    t.match(opened.list(), [{ file: main, names, fault: { reason } }])
    t.same(opened.find('a.example'), inUse)
    t.same(opened.find('x.b.example'), inUse)
    if (isContainer) return // It takes a thread each time.
    process.env['GROVE_TEST_PASSWORD'] = password
    await put(good)
    await opened.reload()
    t.match(opened.list(), [{ file: main, names, fault: undefined }])
  })
}

for (const row of pairs) t.test(`PEM: ${row.what}: ${row.reason}`, (t) => check(t, row, false))
for (const row of containers) t.test(`PKCS#12: ${row.what}: ${row.reason}`, (t) => check(t, row, true))
