import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { startGrove } from './harness.ts'

t.test('from an empty folder to a site that is published, changed, rolled back and deleted', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 2 } })
  const site = join(grove.folder, 'site')
  mkdirSync(join(site, 'docs'), { recursive: true })
  writeFileSync(join(site, 'index.html'), '<h1>one</h1>')
  writeFileSync(join(site, 'docs/a.txt'), 'a')

  const first = await grove.publish('blog', site, '--message', 'first')
  t.match(first, { site: 'blog', version: 1, added: 2, changed: 0, removed: 0, sentContents: 2 })
  t.strictSame(first.urls, [grove.url('blog')])
  for (const ask of ['http1', 'http2'] as const) {
    const answer = await grove.visitor[ask](grove.url('blog'))
    t.match(answer, { status: 200, headers: { 'grove-version': 'blog@1', 'content-type': 'text/html; charset=utf-8' } })
    t.equal(String(answer.body), '<h1>one</h1>')
  }

  const again = await grove.publish('blog', site)
  t.match(again, { version: 1, unchanged: true, sentContents: 0 })

  writeFileSync(join(site, 'index.html'), '<h1>two</h1>')
  rmSync(join(site, 'docs'), { recursive: true })
  t.match(await grove.publish('blog', site), { version: 2, changed: 1, removed: 1, sentContents: 1 })
  t.equal(String((await grove.visitor.http2(grove.url('blog'))).body), '<h1>two</h1>')
  t.equal((await grove.visitor.http1(grove.url('blog', '/docs/a.txt'))).status, 404)

  await grove.json(['site', 'rollback', 'blog'])
  t.equal(String((await grove.visitor.http1(grove.url('blog'))).body), '<h1>one</h1>')
  t.match(await grove.json(['site', 'show', 'blog']), { live: 1, versions: 2 })

  t.match(await grove.json(['site', 'delete', 'blog', '--yes']), { deleted: 'blog' })
  // Its authority is nobody's now. Who has no TLS session to resume does not even get through the handshake.
  const stranger = grove.newVisitor()
  t.teardown(() => stranger.close())
  await t.rejects(stranger.http1(grove.url('blog')), { message: /alert handshake failure/ })
})

t.test('plain HTTP is led to TLS, for sites that exist', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1, sites: { blog: {} } } })
  const ask = (host: string) =>
    new Promise<{ status: number | undefined; location: string | undefined }>((resolve, reject) => {
      get({ host: '127.0.0.1', port: grove.httpPort, path: '/a?b', headers: { host } }, (response) => {
        response.resume()
        resolve({ status: response.statusCode, location: response.headers.location })
      }).on('error', reject)
    })
  t.strictSame(await ask('blog.localhost'), { status: 308, location: grove.url('blog', '/a?b') })
  t.strictSame(await ask('other.localhost'), { status: 421, location: undefined })
})

t.test('a stop is orderly, and what was published is there at the next start', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  await grove.publish('blog', t.testdir({ 'index.html': 'kept' }))
  t.strictSame(await grove.stop(), { code: 0, signal: null })
  await grove.start()
  t.equal(String((await grove.visitor.http2(grove.url('blog'))).body), 'kept')
  t.match(await grove.command(['stop']), { exitCode: 0, out: 'stopped\n' })
  t.match(await grove.command(['status']), { exitCode: 1, out: '', err: /no grove answers.*\nhint: start it with/ })
})

t.test('a second grove on the same data, or on the same port, is refused with the reason', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  const same = await grove.command(['serve'])
  t.match(same, { exitCode: 1, err: /^error: .*\n/ })
  t.match(same.err, grove.data)
  const other = await grove.command(['serve', '--data', 'other', '--https-port', String(grove.httpsPort)])
  t.match(other, {
    exitCode: 1,
    err: /cannot listen on 127\.0\.0\.1:\d+ \(https\): process \d+ \(.*\) holds the port\nhint: .*--https-port/,
  })
})

t.test('a config that is bad stops the start, with all faults', async (t) => {
  const grove = await startGrove(t)
  writeFileSync(join(grove.folder, 'bad.json'), JSON.stringify({ fronts: 0, prot: 1 }))
  const ran = await grove.command(['serve', '--config', 'bad.json', '--data', 'other'])
  t.match(ran, { exitCode: 1, out: '', err: /2 faults/ })
  t.equal(ran.err.match(/2 faults/g)?.length, 1, 'once')
})
