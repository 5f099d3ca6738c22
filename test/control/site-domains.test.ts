import t, { type Test } from 'tap'
import { SiteDomains } from '../../control/site-domains.ts'
import { limits } from '../../core/limits.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { openOwnLog } from '../../store/logs/own-log.ts'

async function opened(t: Test) {
  const store = await openMemoryStore()
  t.teardown(async () => await store[Symbol.asyncDispose]())
  let nowMs = 0
  return { store, open: () => SiteDomains.open(store, () => ++nowMs) }
}

t.test('a domain is asked for, proven, and taken away, and stays as it is over a restart', async (t) => {
  const { open } = await opened(t)
  {
    await using domains = await open()
    t.same(domains.of('blog'), [])
    await domains.add('blog', 'b.example')
    await domains.add('blog', 'b.example')
    await domains.add('blog', 'a.example')
    await domains.add('blog', 'c.example')
    t.same(domains.of('blog'), [], 'what waits is not served')
    t.equal(await domains.prove('blog', 'b.example', undefined), true)
    t.equal(await domains.prove('blog', 'a.example', undefined), true)
    t.equal(await domains.prove('blog', 'never.example', undefined), false, 'nobody asked for it')
    t.equal(await domains.remove('blog', 'c.example'), true)
    t.equal(await domains.remove('blog', 'c.example'), false)
  }
  await using domains = await open()
  t.same(domains.of('blog'), ['a.example', 'b.example'])
  t.equal(domains.owner('a.example'), 'blog')
  t.equal(domains.owner('c.example'), undefined)
  t.match(domains.records('blog'), [
    { domain: 'a.example', addedAtMs: 2, provenAtMs: 5 },
    { domain: 'b.example', addedAtMs: 1, provenAtMs: 4 },
  ])
  t.same([...domains.all()].sort(), ['a.example', 'b.example'])
  const before = domains.revision
  await domains.remove('blog', 'a.example')
  t.not(domains.revision, before)
  t.same(domains.of('blog'), ['b.example'])
  t.equal(domains.owner('a.example'), undefined)
})

t.test('two sites may ask for a domain, and the one that proved it last has it', async (t) => {
  const { open } = await opened(t)
  {
    await using domains = await open()
    for (const site of ['blog', 'shop']) await domains.add(site, 'a.example')
    await domains.prove('blog', 'a.example', undefined)
    t.equal(await domains.prove('shop', 'a.example', undefined), false, 'decided on what is not so any more')
    t.equal(await domains.prove('shop', 'a.example', 'blog'), true)
    t.same(domains.of('blog'), [])
    t.match(domains.record('blog', 'a.example'), { provenAtMs: undefined }, 'who had it may prove it again')
  }
  await using domains = await open()
  t.equal(domains.owner('a.example'), 'shop')
  await domains.remove('blog', 'a.example')
  t.equal(domains.owner('a.example'), 'shop', 'who only asks takes nothing away')
})

t.test('each time it is added a domain has another salt, which stays', async (t) => {
  const { open } = await opened(t)
  const saltOf = (domains: SiteDomains, site: string) => domains.record(site, 'a.example')?.salt ?? ''
  let salts: string[]
  {
    await using domains = await open()
    await domains.add('blog', 'a.example')
    const first = saltOf(domains, 'blog')
    await domains.remove('blog', 'a.example')
    for (const site of ['blog', 'shop']) await domains.add(site, 'a.example')
    salts = [saltOf(domains, 'blog'), saltOf(domains, 'shop')]
    t.equal(new Set([first, ...salts]).size, 3)
    t.ok(salts.every((salt) => salt.length >= 20))
    await domains.prove('blog', 'a.example', undefined)
    await domains.prove('shop', 'a.example', 'blog')
  }
  await using domains = await open()
  t.same([saltOf(domains, 'blog'), saltOf(domains, 'shop')], salts)
})

t.test('a site that ends frees its domains', async (t) => {
  const { open } = await opened(t)
  {
    await using domains = await open()
    await domains.add('blog', 'a.example')
    await domains.prove('blog', 'a.example', undefined)
    await domains.add('shop', 'a.example')
    await domains.removeAll('blog')
    await domains.removeAll('blog')
    t.equal(domains.owner('a.example'), undefined)
  }
  await using domains = await open()
  t.same(domains.records('blog'), [])
  t.equal(await domains.prove('shop', 'a.example', undefined), true)
})

t.test('a site has so many domains and no more', async (t) => {
  const { open } = await opened(t)
  await using domains = await open()
  const asked = Array.from({ length: limits.domains.ofSite + 1 }, (_, index) => domains.add('blog', `${index}.example`))
  const results = await Promise.allSettled(asked)
  t.same(
    results.filter(({ status }) => status === 'rejected'),
    [results.at(-1)],
  )
  t.match(results.at(-1), { reason: { code: 'ERR_TOO_MANY' } })
  await domains.add('shop', 'other.example')
})

t.test('a log that holds something else is not taken', async (t) => {
  const { store, open } = await opened(t)
  await using log = await openOwnLog(store, store.root, '/domains')
  await log.write(Buffer.from('{"kind":"invented"}'))
  await t.rejects(open(), { code: 'ERR_DATA_FORMAT' })
})
