import t, { type Test } from 'tap'
import { constraintBytes } from '../../certs/name-constraints.ts'
import { type ConfigInput, parseConfig } from '../../core/config.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { openDomainHost } from './fixtures/domain-host.ts'

async function host(t: Test, input?: ConfigInput, asks?: number) {
  const opened = await openDomainHost(t.testdir(), input, asks)
  t.teardown(async () => await opened[Symbol.asyncDispose]())
  return opened
}

const name = 'www.author.example'

t.test('a domain waits for its record, and then everybody is told', async (t) => {
  const { domains, registry, told, act, publish, state, constrained } = await host(t)
  const names = registry.names
  const added = await domains.add('blog', name, act)
  t.match(added, { domain: name, state: 'pending', isElsewhere: false, found: [] })
  t.equal(added.problem, undefined)
  t.same(told, [], 'nobody has to know of it')
  t.equal(registry.siteAt(name), undefined)
  t.equal((await domains.verify('blog', name, act)).state, 'pending')
  publish(added)
  const proven = await domains.verify('blog', name, act)
  t.match(proven, { state: 'proven', provenAtMs: Number })
  t.equal(proven.found, undefined)
  t.same(told, [`site blog ${name}`, 'refresh', `obtain ${name}`])
  t.equal(registry.siteAt(name), 'blog')
  t.not(registry.names, names, 'those who look at names see that there are others')
  t.same(constrained, [], 'a public CA signs for it')
  state.rows = [
    { names: [name], from: 'acme', state: 'failed', lastError: { code: 'ERR_ACME', message: 'no' }, nextTryAtMs: 9 },
  ]
  t.match(await domains.list('blog'), [
    { domain: name, certificate: { state: 'failed', lastError: 'no', nextTryAtMs: 9 } },
  ])
  state.rows = [{ names: [name], from: 'acme', state: 'valid', issuer: 'CA', notAfterMs: 5 }]
  t.match((await domains.add('blog', name, act)).certificate, { state: 'valid', issuer: 'CA', notAfterMs: 5 })
  t.same(told.length, 3, 'asked again, nothing changes')
})

t.test('a domain is taken as people write it, and nothing else is taken', async (t) => {
  const { domains, act } = await host(t, {
    sites: { fixed: { authorities: ['fixed.example'] } },
    domain: 'grove.example',
  })
  t.equal((await domains.add('blog', ' Bücher.Example. ', act)).domain, 'xn--bcher-kva.example')
  t.equal((await domains.verify('blog', 'BÜCHER.example', act)).domain, 'xn--bcher-kva.example')
  const wrong: [string, string][] = [
    ['', 'ERR_BAD_REQUEST'],
    ['.', 'ERR_BAD_REQUEST'],
    ['a b.example', 'ERR_BAD_REQUEST'],
    ['a.example/x', 'ERR_BAD_REQUEST'],
    ['https://a.example', 'ERR_BAD_REQUEST'],
    ['a.example:443', 'ERR_BAD_REQUEST'],
    ['a@b.example', 'ERR_BAD_REQUEST'],
    ['a.example?x', 'ERR_BAD_REQUEST'],
    ['a.example#x', 'ERR_BAD_REQUEST'],
    ['a%2eexample.org', 'ERR_BAD_REQUEST'],
    ['[::1]', 'ERR_BAD_REQUEST'],
    ['a\0.example', 'ERR_BAD_REQUEST'],
    ['*.author.example', 'ERR_CERT_NAME'],
    ['_x.author.example', 'ERR_CERT_NAME'],
    ['a..example', 'ERR_CERT_NAME'],
    ['-a.example', 'ERR_CERT_NAME'],
    ['localhost', 'ERR_CERT_NAME'],
    ['x.localhost', 'ERR_CERT_NAME'],
    ['printer.local', 'ERR_CERT_NAME'],
    ['db.internal', 'ERR_CERT_NAME'],
    ['example', 'ERR_CERT_NAME'],
    ['127.0.0.1', 'ERR_CERT_NAME'],
    ['127.1', 'ERR_CERT_NAME'],
    [`${'a'.repeat(64)}.example`, 'ERR_CERT_NAME'],
    [`${'a.'.repeat(120)}example`, 'ERR_CERT_NAME'],
    ['fixed.example', 'ERR_CONFLICT'],
    ['fixed.grove.example', 'ERR_CONFLICT'],
    ['grove.example', 'ERR_CONFLICT'],
    ['a.b.grove.example', 'ERR_CONFLICT'],
  ]
  for (const [text, code] of wrong) await t.rejects(domains.add('blog', text, act), { code }, JSON.stringify(text))
  t.equal((await domains.list('blog')).length, 1)
  for (const site of ['nobody', 'constructor']) {
    await t.rejects(domains.add(site, name, act), { code: 'ERR_SITE_UNKNOWN' })
    await t.rejects(domains.list(site), { code: 'ERR_SITE_UNKNOWN' })
  }
  await t.rejects(domains.verify('blog', name, act), { code: 'ERR_NOT_FOUND' })
  await t.rejects(domains.remove('blog', name, act), { code: 'ERR_NOT_FOUND' })
})

t.test('a DNS that does not answer leaves a domain as it is, and says so', async (t) => {
  const { domains, act, state, publish, dns } = await host(t)
  state.fault = Object.assign(new Error('no'), { code: 'ESERVFAIL' })
  const added = await domains.add('blog', name, act)
  t.match(added, { state: 'pending', problem: /ESERVFAIL/ })
  state.fault = undefined
  dns.set(added.record.name, ['v=spf1', 'grove-site=other'])
  t.same((await domains.verify('blog', name, act)).found, ['v=spf1', 'grove-site=other'])
  publish(added)
  await domains.verify('blog', name, act)
  dns.clear()
  t.match(await domains.verify('blog', name, act), { state: 'proven', problem: /record is gone; the domain stays/ })
  state.fault = Object.assign(new Error('no'), { code: 'ETIMEOUT' })
  t.match(await domains.verify('blog', name, act), { state: 'proven', problem: /ETIMEOUT/ })
})

t.test('another site gets it with its own record, and when that is meant', async (t) => {
  const { domains, act, publish, registry, told } = await host(t)
  const first = await domains.add('blog', name, act)
  publish(first)
  await domains.verify('blog', name, act)
  const second = await domains.add('shop', name, act)
  t.match(second, { state: 'pending', isElsewhere: true, found: [first.record.value] })
  await domains.verify('shop', name, { ...act, takeOver: true })
  t.equal(registry.siteAt(name), 'blog', 'meaning it proves nothing')
  publish(second)
  await t.rejects(domains.verify('shop', name, act), { code: 'ERR_CONFLICT', details: { reason: 'taken' } })
  t.equal(registry.siteAt(name), 'blog')
  told.length = 0
  t.match(await domains.verify('shop', name, { ...act, takeOver: true }), { state: 'proven', isElsewhere: false })
  t.equal(registry.siteAt(name), 'shop')
  t.same(told, ['site blog ', `site shop ${name}`, 'refresh', `obtain ${name}`])
  t.match(await domains.list('blog'), [{ state: 'pending', isElsewhere: true }])
})

t.test('taken away, and free when its site ends', async (t) => {
  const { domains, act, publish, registry, told } = await host(t)
  publish(await domains.add('blog', name, act))
  await domains.verify('blog', name, act)
  await domains.add('blog', 'waiting.example', act)
  told.length = 0
  await domains.remove('blog', 'waiting.example', act)
  t.same(told, [], 'nobody knew of it')
  await domains.remove('blog', name, act)
  t.same(told, ['site blog ', 'refresh', `forget ${name}`])
  t.equal(registry.siteAt(name), undefined)
  await domains.add('blog', name, act)
  await registry.delete('blog')
  await registry.create('blog')
  t.same(await domains.list('blog'), [])
  t.equal(registry.siteAt(name), undefined)
})

t.test('a record that was made for a domain before it was added anew proves nothing', async (t) => {
  const { domains, act, publish, registry, state } = await host(t)
  const first = await domains.add('blog', name, act)
  publish(first)
  await domains.verify('blog', name, act)
  await registry.delete('blog')
  await registry.create('blog')
  const second = await domains.add('blog', name, act)
  t.match(second, { state: 'pending', found: [first.record.value] }, 'the site may be another author’s')
  t.equal(registry.siteAt(name), undefined)
  publish(second)
  state.meanwhile = async () => {
    state.meanwhile = async () => {}
    await domains.remove('blog', name, act)
    await domains.add('blog', name, act)
  }
  await t.rejects(
    domains.verify('blog', name, act),
    { code: 'ERR_CONFLICT' },
    'nor when that is while the DNS is asked',
  )
  t.equal(registry.siteAt(name), undefined)
})

t.test('a right that ended while the DNS was asked is no right', async (t) => {
  const { domains, act, publish, registry, state } = await host(t)
  const added = await domains.add('blog', name, act)
  publish(added)
  const check = async () => {
    throw new GroveError('ERR_DENIED', 'it was revoked')
  }
  await t.rejects(domains.verify('blog', name, { ...act, check }), { code: 'ERR_DENIED' })
  await t.rejects(domains.add('blog', 'b.example', { ...act, check }), { code: 'ERR_DENIED' })
  await t.rejects(domains.remove('blog', name, { ...act, check }), { code: 'ERR_DENIED' })
  t.equal(registry.siteAt(name), undefined)
  t.equal((await domains.list('blog')).length, 1)
  state.meanwhile = () => registry.delete('blog')
  await t.rejects(domains.verify('blog', name, act), { code: 'ERR_SITE_UNKNOWN' })
  t.equal(registry.domains.owner(name), undefined)
})

t.test('a domain that was taken away while the DNS was asked stays away', async (t) => {
  const { domains, act, publish, registry, state } = await host(t)
  publish(await domains.add('blog', name, act))
  state.meanwhile = async () => void (await registry.domains.remove('blog', name))
  await t.rejects(domains.verify('blog', name, act), { code: 'ERR_CONFLICT' })
  t.equal(registry.domains.owner(name), undefined)
})

t.test('a config that gives the name away later comes first', async (t) => {
  const { domains, act, publish, registry, state } = await host(t)
  publish(await domains.add('blog', name, act))
  await domains.verify('blog', name, act)
  const config = parseConfig({ sites: { fixed: { authorities: [name] } } }, 'the test')
  registry.prepare(config)
  registry.use(config)
  state.config = config
  t.equal(registry.siteAt(name), 'fixed')
  t.same(registry.info('blog').authorities, ['blog.localhost'])
  t.match(await domains.list('blog'), [{ state: 'overruled' }])
  await t.rejects(domains.verify('blog', name, act), { code: 'ERR_CONFLICT', details: { reason: 'config' } })
  const before = parseConfig({}, 'the test')
  registry.use(before)
  t.equal(registry.siteAt(name), 'blog', 'and is its own again when the config leaves it')
})

t.test('without a public CA the own one is limited to what was proven, as far as it can sign', async (t) => {
  const opened = await host(t, { certs: { acme: false } })
  const { domains, act, publish, registry, state } = opened
  publish(await domains.add('blog', name, act))
  await domains.verify('blog', name, act)
  t.same(opened.constrained, ['localhost', name])
  publish(await domains.add('blog', 'more.example', act))
  state.canConstrain = false
  await t.rejects(domains.verify('blog', 'more.example', act), { code: 'ERR_TOO_MANY' })
  t.equal(registry.siteAt('more.example'), undefined, 'a name that could get no certificate is not taken')
  state.canConstrain = true
  await domains.remove('blog', name, act)
  t.same(opened.constrained, ['localhost'])
})

t.test('of sites that prove domains at once, the own CA signs for all', async (t) => {
  const opened = await host(t, { certs: { acme: false } })
  const { domains, act, publish, registry, state } = opened
  publish(await domains.add('blog', 'a.example', act))
  publish(await domains.add('shop', 'b.example', act))
  state.whileConstrained = () => new Promise((resolve) => setImmediate(resolve))
  await Promise.all([domains.verify('blog', 'a.example', act), domains.verify('shop', 'b.example', act)])
  t.same([...registry.domains.all()].sort(), ['a.example', 'b.example'])
  t.same([...opened.constrained].sort(), ['a.example', 'b.example', 'localhost'])
  await Promise.all([domains.remove('blog', 'a.example', act), domains.remove('shop', 'b.example', act)])
  t.same(opened.constrained, ['localhost'])
})

t.test('the own CA signs for so many bytes of names of one site, which leaves room for others', async (t) => {
  const { domains, act, publish } = await host(t, { certs: { acme: false } })
  const long = (index: number) => `${`${'x'.repeat(60)}.`.repeat(3)}n${index}.example`
  const most = Math.floor(limits.domains.ownBytesOfSite / constraintBytes(long(0)))
  for (let index = 0; index < most; index += 1) {
    publish(await domains.add('blog', long(index), act))
    await domains.verify('blog', long(index), act)
  }
  publish(await domains.add('blog', long(most), act))
  await t.rejects(domains.verify('blog', long(most), act), { code: 'ERR_TOO_MANY', message: /site "blog"/ })
  publish(await domains.add('shop', long(most), act))
  t.match(await domains.verify('shop', long(most), act), { state: 'proven' })
})

t.test('a site whose questions to the DNS are not answered holds up no other', async (t) => {
  const { domains, act, state } = await host(t)
  const gate = Promise.withResolvers<void>()
  for (let index = 0; index <= limits.domains.waitingOfSite; index += 1)
    await domains.add('blog', `n${index}.example`, act)
  await domains.add('shop', name, act)
  state.meanwhile = () => gate.promise
  const waiting = Array.from({ length: limits.domains.waitingOfSite }, (_, index) =>
    domains.verify('blog', `n${index}.example`, act),
  )
  await t.rejects(domains.verify('blog', `n${limits.domains.waitingOfSite}.example`, act), { code: 'ERR_TOO_MANY' })
  const other = domains.verify('shop', name, act)
  gate.resolve()
  t.match(await other, { state: 'pending' })
  await Promise.all(waiting)
  t.match(await domains.verify('blog', 'n0.example', act), { state: 'pending' }, 'and has its turns again')
})

t.test('a site whose content cannot be compiled has the domain all the same', async (t) => {
  const { domains, act, publish, registry, state } = await host(t)
  state.canCompile = false
  publish(await domains.add('blog', name, act))
  t.match(await domains.verify('blog', name, act), { state: 'proven' })
  t.equal(registry.siteAt(name), 'blog')
})

t.test('the DNS is asked for one site so often and no more', async (t) => {
  const { domains, act } = await host(t, {}, 3)
  await domains.add('blog', name, act)
  await domains.verify('blog', name, act)
  await t.rejects(domains.verify('blog', name, act), { code: 'ERR_TOO_MANY' })
  await t.rejects(domains.add('blog', 'b.example', act), { code: 'ERR_TOO_MANY' })
  await domains.add('shop', name, act)
})
