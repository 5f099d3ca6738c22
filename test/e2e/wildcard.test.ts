// From nothing to a wildcard: a Grove with a provider of DNS, a real name server and a real ACME server.

import t from 'tap'
import { rfc2136Dns } from '../../plugins/dns/rfc2136.ts'
import { startBind } from '../services/bind.ts'
import { issued, publishPage, rowOf, served, startCaHost } from './ca-host.ts'

t.test('all sites of a domain have one wildcard, proven by DNS, with no port open to the world', async (t) => {
  const bind = await startBind(t, {
    zones: { 'grove.test': '_acme-challenge CNAME grove.acme.test.', 'acme.test': '', 'ada.test': 'www A 127.0.0.1' },
  })
  // Of all zones, the provider may change one.
  const provider = { server: bind.server, zone: 'acme.test', key: { ...bind.key, secret: { env: 'DNS_KEY' } } }
  const { grove, pebble, root } = await startCaHost(t, {
    pebble: { dnsServer: bind.server },
    certs: { lookups: { resolvers: [bind.server], port: bind.port } },
    code: () => `dns: grove.rfc2136Dns(${JSON.stringify(provider)})`,
    env: { DNS_KEY: bind.key.secret },
  })
  for (const site of ['blog', 'shop']) await publishPage(grove, site)
  await rowOf(grove, '*.grove.test')
  const [blog, shop] = [await served(grove, 'blog.grove.test', root), await served(grove, 'shop.grove.test', root)]
  t.equal(blog.fingerprint256, shop.fingerprint256)
  t.match(blog.subjectAltName, 'DNS:*.grove.test')
  t.same(await bind.texts('grove.acme.test'), [], 'the record was taken away')
  t.equal(issued(pebble), 1)
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
