/** What a real Chromium makes of the own CA's chains. */

import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Constraints } from '../../certs/name-constraints.ts'
import { openOwnCa } from '../../certs/own-ca.ts'
import { makeIntermediate, makeLeaf, makeLeafKeys, toSigner } from '../../certs/own-certificates.ts'
import { pemBlock } from '../../certs/pem.ts'
import { startBrowser } from '../e2e/browser.ts'

async function serve(t: Test, cert: string, key: string): Promise<number> {
  const server = createServer({ cert, key }, (_, response) => response.end('fine'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function signerOf(text: string) {
  const key = createPrivateKey(pemBlock(text, 'PRIVATE KEY') ?? '')
  const pkcs8 = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
  return toSigner(pemBlock(text, 'CERTIFICATE') ?? '', pkcs8, Date.now() + 86_400_000)
}

t.test('Chromium takes names and addresses that are permitted, and refuses what is not', async (t) => {
  const base = t.testdir({})
  const folder = join(base, 'certs')
  const ca = await openOwnCa(folder)
  const browser = await startBrowser(t, join(base, 'home'), ca.rootFile)
  const page = await browser.newPage()
  const visit = (url: string) =>
    page.goto(url).then(
      async () => page.locator('body').innerText(),
      (error: Error) => /net::\w+/.exec(error.message)?.[0],
    )

  const good = await ca.issue('blog.localhost', ['127.0.0.1'])
  const port = await serve(t, good.chain, good.key)
  t.equal(await visit(`https://blog.localhost:${port}/`), 'fine')
  t.equal(await visit(`https://127.0.0.1:${port}/`), 'fine')

  /** A server whose leaf is for more than the intermediate above it. */
  const outside = async (constraints: Constraints, name: string) => {
    const root = await signerOf(await readFile(join(folder, 'root-key.pem'), 'utf8'))
    const made = await makeIntermediate(root, constraints, Date.now())
    const { key, spki } = await makeLeafKeys()
    const leaf = await makeLeaf(await signerOf(made.certificate + made.key), [name], spki, Date.now())
    return serve(t, `${leaf.certificate}${made.certificate}`, key)
  }
  const networks = [{ bytes: Buffer.from([10, 0, 0, 0]), bits: 8 }]
  const named = await outside({ domains: ['other.localhost'], networks }, 'blog.localhost')
  t.equal(await visit(`https://blog.localhost:${named}/`), 'net::ERR_CERT_INVALID')
  const addressed = await outside({ domains: ['other.localhost'], networks }, '127.0.0.1')
  t.equal(await visit(`https://127.0.0.1:${addressed}/`), 'net::ERR_CERT_INVALID')
})
