import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { publishPage, rowOf, rows, served, startCaHost } from './ca-host.ts'
import { Visitor } from './visitor.ts'

t.test('a new site of a public domain has a certificate of the CA a moment later', async (t) => {
  const { grove, root } = await startCaHost(t)
  await publishPage(grove, 'blog', 'hello')
  const row = await rowOf(grove, 'blog.grove.test')
  t.match(row, { names: ['blog.grove.test'], from: 'acme', tries: 0 })
  const visitor = new Visitor(root, grove.httpsPort)
  t.teardown(() => visitor.close())
  t.equal((await visitor.http1('https://blog.grove.test/')).body.toString(), 'hello')
  const first = await served(grove, 'blog.grove.test', root)

  await t.test('which is renewed by hand, and every front serves the new one', async (t) => {
    const renewed = await grove.json<{ serial: string }>(['cert', 'renew', 'blog.grove.test'])
    t.not(renewed.serial.toLowerCase(), first.serialNumber.toLowerCase())
    for (let count = 0; count < 6; count += 1)
      t.equal((await served(grove, 'blog.grove.test', root)).serialNumber.toLowerCase(), renewed.serial.toLowerCase())
  })

  await t.test('exported for another program', async (t) => {
    const [cert, key] = [join(grove.folder, 'out.crt'), join(grove.folder, 'out.key')]
    await grove.json(['cert', 'export', 'blog.grove.test', '--cert', cert, '--key', key])
    t.match((await grove.command(['cert', 'import', cert, key])).out, /imported/, 'and taken back')
    const [row, ...more] = await grove.until(async () => (await rows(grove)).length === 1 && rows(grove))
    t.match(row, { from: 'file', names: ['blog.grove.test'], state: 'valid' })
    t.same(more, [], 'what a file covers is ordered no more')
  })

  await t.test('and still there after a restart, without a new order', async (t) => {
    await grove.stop()
    grove.log = ''
    await grove.start()
    t.ok(await served(grove, 'blog.grove.test', root))
    t.notMatch(grove.log, /certificate obtained/)
  })
})

t.test('names that nobody has get no handshake, and local ones the own CA', async (t) => {
  const { grove, root } = await startCaHost(t)
  await t.rejects(served(grove, 'nobody.grove.test', root))
  await t.rejects(served(grove, 'grove.test', root))
  t.same(await rows(grove), [])
})

t.test('revoked, a new certificate takes its place', async (t) => {
  const { grove, root } = await startCaHost(t)
  await publishPage(grove, 'shop', 'open')
  await rowOf(grove, 'shop.grove.test')
  const before = await served(grove, 'shop.grove.test', root)
  await grove.json(['cert', 'revoke', 'shop.grove.test', '--reason', 'keyCompromise'])
  await grove.until(async () => {
    const now = await served(grove, 'shop.grove.test', root).catch(() => undefined)
    return now !== undefined && now.serialNumber !== before.serialNumber
  })
})

t.test('with bad nonces, proofs that are asked for late and a CA that is away, it comes all the same', async (t) => {
  const { grove, pebble, root } = await startCaHost(t, { pebble: { badNonces: 20, sleepSeconds: 1 } })
  await publishPage(grove, 'news', 'today')
  await rowOf(grove, 'news.grove.test')
  t.ok(await served(grove, 'news.grove.test', root))
  await pebble.stop()
  await publishPage(grove, 'late', 'later')
  const failed = await rowOf(grove, 'late.grove.test', ({ lastError }) => lastError !== undefined)
  t.match(failed, { names: ['late.grove.test'], state: 'failed', lastError: { code: 'ERR_ACME' } })
  t.equal(typeof failed.nextTryAtMs, 'number')
  t.ok(await served(grove, 'news.grove.test', root), 'what is there is served')
  await t.rejects(served(grove, 'late.grove.test', root), 'and nothing wrong')
  await pebble.start()
  const newRoot = await pebble.manage('/roots/0')
  await grove.until(() => grove.json(['cert', 'renew', 'late.grove.test']).catch(() => false))
  t.ok(await served(grove, 'late.grove.test', newRoot))
})

t.test('a certificate of the operator’s own comes first, and is read again when it changes', async (t) => {
  const folder = t.testdir({ 'a.crt': '', 'a.key': '' })
  const { grove } = await startCaHost(t, {
    certs: { acme: false, files: [{ cert: join(folder, 'a.crt'), key: join(folder, 'a.key') }] },
  })
  const fault = (await rows(grove)).find(({ from }) => from === 'file')
  t.match(fault, { state: 'failed' })
  await publishPage(grove, 'blog', 'hello')
  const { chain, key } = await grove.json<{ chain: string; key: string }>(['cert', 'export', 'blog.grove.test'])
  writeFileSync(join(folder, 'a.crt'), chain)
  writeFileSync(join(folder, 'a.key'), key)
  await grove.until(async () => (await rows(grove)).find(({ from, state }) => from === 'file' && state === 'valid'))
  const leaf = new X509Certificate(chain)
  const now = await served(grove, 'blog.grove.test', readFileSync(grove.rootFile, 'utf8'))
  t.equal(now.fingerprint256, leaf.fingerprint256)
})
