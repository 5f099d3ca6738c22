// Each of the three challenges as the only one that the CA can find answered, with refused nonces on top.

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startBind } from '../services/bind.ts'
import { freePort } from '../services/free-port.ts'
import { issued, publishPage, rowOf, served, startCaHost } from './ca-host.ts'

const badNonces = 15

t.test('where port 443 does not lead here, http-01 is found to work', async (t) => {
  const { grove, root } = await startCaHost(t, { pebble: { badNonces, tlsPort: await freePort() } })
  await publishPage(grove, 'blog')
  t.match(await rowOf(grove, 'blog.grove.test'), { from: 'acme', tries: 0 })
  t.ok(await served(grove, 'blog.grove.test', root))
})

t.test('where nobody listens at port 80, tls-alpn-01 alone does', async (t) => {
  const { grove, root, pebble } = await startCaHost(t, { pebble: { badNonces }, config: { listen: { http: false } } })
  await publishPage(grove, 'blog')
  t.match(await rowOf(grove, 'blog.grove.test'), { from: 'acme', tries: 0 })
  t.ok(await served(grove, 'blog.grove.test', root))
  t.notMatch(pebble.said, /http-01.*blog/i)
})

t.test('where no port leads here, a program of the operator puts one record for all names', async (t) => {
  // Who serves the zone, as resolvers see it: the challenge server at the address of its name server.
  const bind = await startBind(t, { zones: { 'grove.test': '' } })
  const program = join(t.testdir({}), 'dns.mjs')
  writeFileSync(program, tellChallengeServer)
  chmodSync(program, 0o755)
  const { grove, root, pebble } = await startCaHost(t, {
    pebble: { badNonces, httpPort: await freePort(), tlsPort: await freePort() },
    code: ({ dns, dnsManagement }) => {
      const options = { command: process.execPath, args: [program], env: { MANAGEMENT: dnsManagement } }
      const lookups = { resolvers: [bind.server], port: Number(dns.split(':')[1]) }
      return `dns: grove.execDns(${JSON.stringify(options)}), lookups: ${JSON.stringify(lookups)}`
    },
  })
  for (const site of ['blog', 'shop', 'news']) await publishPage(grove, site)
  t.match(await rowOf(grove, '*.grove.test'), { from: 'acme', tries: 0 })
  const all = await Promise.all(['blog', 'shop', 'news'].map((site) => served(grove, `${site}.grove.test`, root)))
  t.equal(new Set(all.map(({ fingerprint256 }) => fingerprint256)).size, 1)
  t.equal(issued(pebble), 1)
})

const tellChallengeServer = `
const { GROVE_DNS_ACTION: action, GROVE_DNS_NAME: name, GROVE_DNS_VALUE: value, MANAGEMENT: url } = process.env
const command = action === 'present' ? 'set-txt' : 'clear-txt'
const answer = await fetch(url + '/' + command, { method: 'POST', body: JSON.stringify({ host: name + '.', value }) })
if (!answer.ok) throw new Error('the challenge server answered ' + answer.status)
`
