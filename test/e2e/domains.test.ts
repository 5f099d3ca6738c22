import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import type { SiteDomain } from '../../core/domain-api.ts'
import { freePort } from '../services/free-port.ts'
import { type Pebble, startPebble } from '../services/pebble.ts'
import { folderOf } from './bucket.ts'
import { type Harness, startGrove } from './harness.ts'
import { Visitor } from './visitor.ts'

interface Host {
  readonly grove: Harness
  readonly pebble: Pebble
}

/** A Grove that asks the DNS of a Pebble, and gets its certificates there. */
async function startHost(t: Test, certs: object = {}): Promise<Host> {
  const [http, https] = [await freePort(), await freePort()]
  const pebble = await startPebble(t, { httpPort: http, tlsPort: https })
  const folder = t.testdir({ 'pebble.pem': pebble.roots })
  const grove = await startGrove(t, {
    config: {
      domain: 'grove.test',
      listen: { http, https },
      fronts: 2,
      sites: { fixed: { authorities: ['fixed.example.net'] } },
      certs: {
        acme: [{ directory: pebble.directory, roots: join(folder, 'pebble.pem') }],
        lookups: { resolvers: [pebble.dns] },
        ...certs,
      },
    },
  })
  return { grove, pebble }
}

async function publish(grove: Harness, site: string, text: string): Promise<void> {
  await grove.json(['publish', folderOf(grove, site, { 'index.html': text }), '--site', site])
}

const domain = (grove: Harness, act: string, ...args: string[]) =>
  grove.json<SiteDomain>(['site', 'domain', act, ...args])

function setRecord({ pebble }: Host, { record }: SiteDomain): Promise<void> {
  return pebble.tellDns('set-txt', { host: `${record.name}.`, value: record.value })
}

/** Whether a handshake for a name comes to an end. */
async function shakesHands({ grove }: Host, servername: string): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port: grove.httpsPort, servername, rejectUnauthorized: false })
  try {
    await once(socket, 'secureConnect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** What a visitor who trusts a root is shown. */
async function shown(t: Test, { grove }: Host, root: string, name: string): Promise<string> {
  const visitor = new Visitor(root, grove.httpsPort)
  t.teardown(() => visitor.close())
  return (await visitor.http1(`https://${name}/`)).body.toString()
}

const orders = ({ pebble }: Host) => pebble.said.match(/POST \/order-plz/g)?.length ?? 0

t.test('an author’s domain is served with a certificate of the CA once the DNS proves it', async (t) => {
  const host = await startHost(t)
  const { grove, pebble } = host
  await publish(grove, 'blog', 'hello')
  const { token } = await grove.json<{ token: string }>(['grant', 'create', '--site', 'blog', '--for', '1h'])
  const as = ['--token', token]
  const root = await pebble.manage('/roots/0')
  await grove.until(async () => (await shakesHands(host, 'blog.grove.test')) || undefined)
  const before = orders(host)
  const name = 'www.author.example'

  const added = await domain(grove, 'add', 'blog', name, ...as)
  t.match(added, { domain: name, state: 'pending', record: { name: `_grove-challenge.${name}` } })

  await t.test('without its record nothing is served and nothing ordered', async (t) => {
    t.equal((await grove.command(['site', 'domain', 'verify', 'blog', name])).exitCode, 1)
    await pebble.tellDns('set-txt', { host: `${added.record.name}.`, value: 'grove-site=somebody-else' })
    t.match(await grove.command(['site', 'domain', 'verify', 'blog', name]), {
      exitCode: 1,
      out: /found there instead: "grove-site=somebody-else"/,
    })
    for (let count = 0; count < 4; count += 1) t.equal(await shakesHands(host, name), false)
    t.equal(orders(host), before)
    await pebble.tellDns('clear-txt', { host: `${added.record.name}.` })
  })

  await t.test('with it the site is served there', async (t) => {
    const waiting = domain(grove, 'verify', 'blog', name, '--wait', '60s', ...as)
    await setRecord(host, added)
    t.match(await waiting, { state: 'proven' })
    const row = await grove.until(async () => {
      const { domains } = await grove.json<{ domains: SiteDomain[] }>(['site', 'domain', 'list', 'blog', ...as])
      return domains.find(({ certificate }) => certificate?.state === 'valid')
    })
    t.match(row, { domain: name, state: 'proven' })
    t.equal(await shown(t, host, root, name), 'hello')
    t.equal(orders(host), before + 1)
  })

  await t.test('and after a restart, also when the record is gone', async (t) => {
    await pebble.tellDns('clear-txt', { host: `${added.record.name}.` })
    await grove.stop()
    await grove.start()
    t.equal(await shown(t, host, root, name), 'hello')
    const still = await domain(grove, 'verify', 'blog', name)
    t.match(still, { state: 'proven', problem: /record is gone; the domain stays/ })
    t.equal(orders(host), before + 1)
  })

  await t.test('a new version is live there too', async (t) => {
    await publish(grove, 'blog', 'hello again')
    t.equal(await shown(t, host, root, name), 'hello again')
  })

  await t.test('another site gets it by proving it, after asking', async (t) => {
    await publish(grove, 'shop', 'for sale')
    const second = await domain(grove, 'add', 'shop', name)
    t.match(second, { state: 'pending', isElsewhere: true })
    t.not(second.record.value, added.record.value, 'one site’s record proves nothing for another')
    await setRecord(host, second)
    t.match(await grove.command(['site', 'domain', 'verify', 'shop', name]), { exitCode: 1, err: /another site has/ })
    t.equal(await shown(t, host, root, name), 'hello again')
    t.match(await domain(grove, 'verify', 'shop', name, '--take-over'), { state: 'proven', isElsewhere: false })
    t.equal(await shown(t, host, root, name), 'for sale')
    t.equal(orders(host), before + 2, 'for shop.grove.test alone')
  })

  await t.test('names of the config are not to be had, and tokens act for their site alone', async (t) => {
    for (const one of ['fixed.example.net', 'x.grove.test', 'grove.test'])
      t.match(await grove.command(['site', 'domain', 'add', 'blog', one]), { exitCode: 1, err: /config decides/ }, one)
    const denied = await grove.command(['site', 'domain', 'add', 'shop', 'b.example', ...as])
    t.match(denied, { exitCode: 1, err: /is for/ })
  })

  await t.test('taken away, and free with the end of its site', async (t) => {
    await grove.json(['site', 'domain', 'remove', 'blog', name, ...as])
    await grove.json(['site', 'delete', 'shop', '--yes'])
    t.equal(await shakesHands(host, name), false)
    await setRecord(host, added)
    const anew = await domain(grove, 'add', 'blog', name)
    t.equal(anew.state, 'pending', 'the record of before proves nothing')
    await setRecord(host, anew)
    t.match(await domain(grove, 'verify', 'blog', name), { state: 'proven' })
    t.equal(await shown(t, host, root, name), 'hello again')
    t.equal(orders(host), before + 2, 'with the certificate that is there')
  })
})

t.test('a flood of handshakes for made-up names orders nothing, and the others are served', async (t) => {
  const host = await startHost(t)
  const { grove, pebble } = host
  await publish(grove, 'blog', 'hello')
  await domain(grove, 'add', 'blog', 'waiting.example')
  await grove.until(async () => (await shakesHands(host, 'blog.grove.test')) || undefined)
  const before = orders(host)
  const root = await pebble.manage('/roots/0')
  const names = Array.from({ length: 1_500 }, (_, index) => {
    if (index % 10 === 0) return 'waiting.example'
    return index % 2 === 0 ? `n${index}.grove.test` : `n${index}.example`
  })
  const results: boolean[] = []
  const flood = async (own: readonly string[]) => {
    for (const name of own) results.push(await shakesHands(host, name))
  }
  const floods = Array.from({ length: 20 }, (_, lane) => flood(names.filter((_, index) => index % 20 === lane)))
  for (let count = 0; count < 10; count += 1) t.equal(await shown(t, host, root, 'blog.grove.test'), 'hello')
  await Promise.all(floods)
  t.same([results.length, results.filter(Boolean)], [names.length, []])
  t.equal(orders(host), before)
  t.notMatch(grove.log, /"level":50/, 'nothing of it is an error')
})

t.test('without a CA, the own one signs for domains that were proven', async (t) => {
  const host = await startHost(t, { acme: false })
  const { grove } = host
  await publish(grove, 'blog', 'hello')
  const name = 'own.author.example'
  const added = await domain(grove, 'add', 'blog', name)
  t.equal(await shakesHands(host, name), false)
  await setRecord(host, added)
  t.match(await domain(grove, 'verify', 'blog', name), { state: 'proven' })
  const root = readFileSync(grove.rootFile, 'utf8')
  t.equal(await shown(t, host, root, name), 'hello')
  await grove.stop()
  await grove.start()
  t.equal(await shown(t, host, root, name), 'hello')
  await grove.json(['site', 'domain', 'remove', 'blog', name])
  t.equal(await shakesHands(host, name), false)
})
