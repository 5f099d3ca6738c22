// From nothing to a wildcard: a Grove with a provider of DNS, a real name server and a real ACME server.

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import type { CertificateRow } from '../../core/cert-api.ts'
import { rfc2136Dns } from '../../plugins/dns/rfc2136.ts'
import { startBind } from '../services/bind.ts'
import { freePort } from '../services/free-port.ts'
import { startPebble } from '../services/pebble.ts'
import { folderOf } from './bucket.ts'
import { type Harness, startGrove } from './harness.ts'

async function served(grove: Harness, servername: string, ca: string): Promise<X509Certificate> {
  const socket = connect({ host: '127.0.0.1', port: grove.httpsPort, servername, ca })
  try {
    await once(socket, 'secureConnect')
    return new X509Certificate(socket.getPeerCertificate().raw)
  } finally {
    socket.destroy()
  }
}

t.test('all sites of a domain have one wildcard, proven by DNS, with no port open to the world', async (t) => {
  const bind = await startBind(t, {
    zones: { 'grove.test': '_acme-challenge CNAME grove.acme.test.', 'acme.test': '', 'ada.test': 'www A 127.0.0.1' },
  })
  const [http, https] = [await freePort(), await freePort()]
  const pebble = await startPebble(t, { dnsServer: bind.server, httpPort: http, tlsPort: https })
  const folder = t.testdir({ 'pebble.pem': pebble.roots })
  const acme = [{ directory: pebble.directory, roots: join(folder, 'pebble.pem') }]
  const lookups = { resolvers: [bind.server], port: bind.port }
  // Of all zones, the provider may change one.
  const provider = { server: bind.server, zone: 'acme.test', key: { ...bind.key, secret: { env: 'DNS_KEY' } } }
  const dns = `grove.rfc2136Dns(${JSON.stringify(provider)})`
  const grove = await startGrove(t, {
    config: { domain: 'grove.test', email: 'ops@grove.test', fronts: 2, listen: { http, https } },
    code: `certs: { acme: ${JSON.stringify(acme)}, lookups: ${JSON.stringify(lookups)}, dns: ${dns} }`,
    env: { DNS_KEY: bind.key.secret },
  })
  for (const site of ['blog', 'shop'])
    await grove.json(['publish', folderOf(grove, site, { 'index.html': site }), '--site', site])
  const row = await grove.until(async () => {
    const { certificates } = await grove.json<{ certificates: CertificateRow[] }>(['cert', 'list'])
    return certificates.find(({ state }) => state === 'valid')
  })
  t.match(row, { names: ['*.grove.test'] })
  const root = await pebble.manage('/roots/0')
  const [blog, shop] = [await served(grove, 'blog.grove.test', root), await served(grove, 'shop.grove.test', root)]
  t.equal(blog.fingerprint256, shop.fingerprint256)
  t.match(blog.subjectAltName, 'DNS:*.grove.test')
  t.same(await bind.texts('grove.acme.test'), [], 'the record was taken away')
  t.equal(
    pebble.said
      .match(/There are now \d+ authorizations|Issued certificate/g)
      ?.filter((line) => line.startsWith('Issued')).length,
    1,
  )
  t.notOk(grove.log.includes(bind.key.secret))

  await t.test('a domain that an author brought is proven on the ports, since its DNS is not ours', async (t) => {
    const added = await grove.command(['site', 'domain', 'add', 'blog', 'www.ada.test', '--json'])
    const [value = ''] = /grove-site=[\w-]+/.exec(added.out) ?? []
    const authors = rfc2136Dns({ server: bind.server, zone: 'ada.test', key: bind.key })
    const name = '_grove-challenge.www.ada.test'
    await authors.present({ name, type: 'TXT', value, ttlSeconds: 60 }, AbortSignal.timeout(10_000))
    await grove.json(['site', 'domain', 'verify', 'blog', 'www.ada.test', '--wait', '1m'])
    const own = await grove.until(() => served(grove, 'www.ada.test', root).catch(() => undefined))
    t.equal(own.subjectAltName, 'DNS:www.ada.test')
  })
})
