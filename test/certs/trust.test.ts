import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openOwnCa } from '../../certs/own-ca.ts'
import { installTrust, removeTrust, thisEnvironment } from '../../certs/trust.ts'
import type { TrustEnvironment } from '../../certs/trust-change.ts'

const noTool = async () => ({ code: undefined, isMissing: true, output: '', errors: '' })

t.test('installing and removing tell of the system first and of browsers after it', async (t) => {
  const base = t.testdir({ home: {} })
  const ca = await openOwnCa(join(base, 'certs'))
  const root = { file: ca.rootFile, fingerprint: ca.fingerprint }
  const environment: TrustEnvironment = {
    platform: 'linux',
    home: join(base, 'home'),
    isRoot: false,
    systemRoot: base,
    run: noTool,
  }
  const expected = [{ outcome: 'skipped', sentence: /^The system's store/ }, { sentence: /^Chromium and Firefox/ }]
  t.match(await installTrust(root, environment), expected)
  t.match(await removeTrust(root, environment), expected)
})

t.test('only the certificate that was named is ever installed', async (t) => {
  const base = t.testdir({})
  const ca = await openOwnCa(join(base, 'certs'))
  const other = await openOwnCa(join(base, 'other'))
  const leaf = await ca.issue('blog.localhost')
  const leafHash = createHash('sha256').update(new X509Certificate(leaf.chain).raw)
  const anchors = join(base, 'etc/pki/trust/anchors')
  await mkdir(anchors, { recursive: true })
  const ran: string[] = []
  const environment: TrustEnvironment = {
    platform: 'linux',
    home: base,
    isRoot: true,
    systemRoot: base,
    run: async (command) => {
      ran.push(command)
      return noTool()
    },
  }
  const file = join(base, 'given.pem')
  const cases = [
    { name: 'another root', text: other.rootPem, fingerprint: ca.fingerprint, message: /another certificate/ },
    { name: 'a leaf', text: leaf.chain, fingerprint: leafHash.digest('hex'), message: /not the certificate of a CA/ },
    { name: 'no certificate', text: 'text', fingerprint: ca.fingerprint, message: /is not a certificate/ },
    { name: 'an empty file', text: '', fingerprint: ca.fingerprint, message: /is not a certificate/ },
    {
      name: 'another root before the named one',
      text: other.rootPem + ca.rootPem,
      fingerprint: ca.fingerprint,
      message: /another/,
    },
  ]
  for (const { name, text, fingerprint, message } of cases) {
    await writeFile(file, text)
    await t.rejects(installTrust({ file, fingerprint }, environment), { code: 'ERR_TRUST', message }, name)
  }
  const missing = { file: join(base, 'missing.pem'), fingerprint: ca.fingerprint }
  await t.rejects(installTrust(missing, environment), { code: 'ERR_TRUST', message: /there is no root/ })
  t.strictSame(ran, [])
})

t.test('this machine is described as it is', async (t) => {
  const { platform, home, isRoot } = thisEnvironment()
  t.strictSame(
    { platform, home, isRoot },
    { platform: process.platform, home: homedir(), isRoot: process.getuid?.() === 0 },
  )
})
