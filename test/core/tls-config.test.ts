import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseConfig } from '../../core/config.ts'
import { loadConfig } from '../../core/load-config.ts'
import { hstsHeader } from '../../core/tls-config.ts'
import { makeClientCa } from '../proxy/fixtures/client-ca.ts'

t.test('HSTS is off by default, and each part of it is said when it is wanted', (t) => {
  const header = (hsts: unknown) => hstsHeader(parseConfig({ hsts }, 'test').hsts)
  t.equal(hstsHeader(parseConfig({}, 'test').hsts), undefined)
  t.equal(header(false), undefined)
  t.equal(header({}), 'max-age=31536000')
  t.equal(header({ maxAgeSeconds: 0 }), 'max-age=0')
  t.equal(header({ maxAgeSeconds: 300, includeSubDomains: true }), 'max-age=300; includeSubDomains')
  t.equal(header({ includeSubDomains: true, preload: true }), 'max-age=31536000; includeSubDomains; preload')
  t.end()
})

t.test('HSTS that browsers would not preload, or that is no HSTS, is refused', (t) => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [{ preload: true }, /hsts\.includeSubDomains: expected true, since preload is, found false/],
    [
      { preload: true, includeSubDomains: true, maxAgeSeconds: 300 },
      /hsts\.maxAgeSeconds: expected at least 31536000, since preload is true, found 300/,
    ],
    [true, /hsts: expected false, or \{ maxAgeSeconds/],
    [{ maxAge: 1 }, /hsts/],
    [{ maxAgeSeconds: -1 }, /hsts/],
    [{ maxAgeSeconds: '1; preload' }, /hsts/],
  ]
  for (const [hsts, message] of cases)
    t.throws(() => parseConfig({ hsts }, 'test'), { code: 'ERR_CONFIG_INVALID', message }, JSON.stringify(hsts))
  t.end()
})

t.test('certificates of CAs come from a file beside the config, and nothing else of it', async (t) => {
  const [one, two] = [await makeClientCa('CN=One'), await makeClientCa('CN=Two')]
  const pair = await one.issue('CN=Ada')
  const folder = t.testdir({
    'grove.config.json': JSON.stringify({
      sites: { shop: { clientCertificates: { roots: './roots.pem' } }, blog: {} },
    }),
    'roots.pem': `# ours\n${one.root}${two.root}${pair.key}`,
  })
  const { config } = await loadConfig({ cwd: folder })
  t.same(config.sites['blog']?.clientCertificates, undefined)
  const { roots = '', required } = config.sites['shop']?.clientCertificates ?? {}
  t.equal(required, true)
  t.equal(roots.replaceAll('\n', ''), `${one.root}${two.root}`.replaceAll('\n', ''))
})

t.test('a file that is no list of CAs is refused, and named with the reason', async (t) => {
  const ca = await makeClientCa('CN=One')
  const { cert } = await ca.issue('CN=Ada')
  const cases: Readonly<Record<string, RegExp>> = {
    'missing.pem': /no such file/,
    'empty.pem': /no certificate in PEM/,
    'client.pem': /CN=Ada is no CA/,
    'broken.pem': /sites\.shop\.clientCertificates\.roots: .*broken\.pem cannot be used/,
  }
  const folder = t.testdir({
    'empty.pem': '',
    'client.pem': `${ca.root}${cert}`,
    'broken.pem': ca.root.replace(/[A-Za-z]{20}/, 'AAAA'),
  })
  for (const [file, message] of Object.entries(cases)) {
    const config = join(folder, `${file}.json`)
    writeFileSync(config, JSON.stringify({ sites: { shop: { clientCertificates: { roots: file } } } }))
    await t.rejects(loadConfig({ cwd: folder, file: config }), { code: 'ERR_CONFIG_INVALID', message }, file)
  }
})
