import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openOwnCa } from '../../../certs/own-ca.ts'
import { fetchJwks } from '../../../examples/guestbook/upstream/jwks.ts'

async function setup(t: Test, listener: RequestListener) {
  const folder = t.testdir()
  const ca = await openOwnCa(join(folder, 'certs'))
  const leaf = await ca.issue('guestbook.localhost')
  const server = createServer({ cert: leaf.chain, key: leaf.key }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const url = `https://guestbook.localhost:${(server.address() as AddressInfo).port}/.grove/jwks.json`
  return { folder, url, rootFile: ca.rootFile }
}

t.test('keys are fetched over TLS from a name under localhost', async (t) => {
  const { url, rootFile } = await setup(t, (request, response) => response.end(JSON.stringify({ path: request.url })))
  t.same(await fetchJwks(url, rootFile), { path: '/.grove/jwks.json' })
})

t.test('a server that another authority vouches for is not believed', async (t) => {
  const { url, folder } = await setup(t, (_request, response) => response.end('{}'))
  const other = await openOwnCa(join(folder, 'other'))
  await t.rejects(fetchJwks(url, other.rootFile), { code: /SELF_SIGNED|UNABLE_TO_VERIFY|CERT/ })
  await t.rejects(fetchJwks(url, join(folder, 'missing.pem')), { code: 'ENOENT' })
})

t.test('an answer that is not keys is an error', async (t) => {
  const { url, rootFile } = await setup(t, (request, response) => {
    if (request.url === '/huge') response.end('x'.repeat(70_000))
    else if (request.url === '/text') response.end('no JSON')
    else response.writeHead(503).end()
  })
  await t.rejects(fetchJwks(url, rootFile), { message: /answered 503, expected 200/ })
  await t.rejects(fetchJwks(new URL('/huge', url).href, rootFile), { message: /more than 65536 bytes/ })
  await t.rejects(fetchJwks(new URL('/text', url).href, rootFile), SyntaxError)
})

t.test('a root file that is no certificate is an error', async (t) => {
  const { url, folder } = await setup(t, (_request, response) => response.end('{}'))
  const file = join(folder, 'no.pem')
  await writeFile(file, 'no certificate')
  await t.rejects(fetchJwks(url, file))
})
