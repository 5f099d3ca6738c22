import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import type { SiteDomain } from '../../core/domain-api.ts'
import { type CaHost, publishPage, served, startCaHost } from './ca-host.ts'
import type { Harness } from './harness.ts'
import { Visitor } from './visitor.ts'

/** A Grove that asks the DNS of a Pebble, and gets its certificates there. */
function startHost(t: Test, certs: object = {}): Promise<CaHost> {
  return startCaHost(t, {
    certs,
    config: { sites: { fixed: { authorities: ['fixed.example.net'] } } },
    code: ({ dns }) => `lookups: ${JSON.stringify({ resolvers: [dns] })}`,
  })
}

const domain = (grove: Harness, act: string, ...args: string[]) =>
  grove.json<SiteDomain>(['site', 'domain', act, ...args])

function setRecord({ pebble }: CaHost, { record }: SiteDomain): Promise<void> {
  return pebble.tellDns('set-txt', { host: `${record.name}.`, value: record.value })
}

/** Whether a handshake for a name comes to an end. */
function shakesHands({ grove }: CaHost, servername: string): Promise<boolean> {
  return served(grove, servername).then(
    () => true,
    () => false,
  )
}

/** What a visitor who trusts a root is shown. */
async function shown(t: Test, { grove }: CaHost, root: string, name: string): Promise<string> {
  const visitor = new Visitor(root, grove.httpsPort)
  t.teardown(() => visitor.close())
  return (await visitor.http1(`https://${name}/`)).body.toString()
}

const orders = ({ pebble }: CaHost) => pebble.said.match(/POST \/order-plz/g)?.length ?? 0

t.test('an author’s domain is served with a certificate of the CA once the DNS proves it', async (t) => {
  const host = await startHost(t)
  const { grove, pebble, root } = host
  await publishPage(grove, 'blog', 'hello')
  const { token } = await grove.json<{ token: string }>(['grant', 'create', '--site', 'blog', '--for', '1h'])
  const as = ['--token', token]
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
    await publishPage(grove, 'blog', 'hello again')
    t.equal(await shown(t, host, root, name), 'hello again')
  })

  await t.test('another site gets it by proving it, after asking', async (t) => {
    await publishPage(grove, 'shop', 'for sale')
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
  const { grove, root } = host
  await publishPage(grove, 'blog', 'hello')
  await domain(grove, 'add', 'blog', 'waiting.example')
  await grove.until(async () => (await shakesHands(host, 'blog.grove.test')) || undefined)
  const before = orders(host)
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
  await publishPage(grove, 'blog', 'hello')
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
