import t, { type Test } from 'tap'
import { SiteRegistry } from '../../control/site-registry.ts'
import { type ConfigInput, parseConfig } from '../../core/config.ts'
import { layoutOf } from '../../core/layout.ts'
import { openBlobs } from '../../store/blobs.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { newOpId } from './fixtures/contents.ts'

const config = (input: ConfigInput = {}) => parseConfig(input, 'the test')

async function host(t: Test) {
  const store = await openMemoryStore()
  const blobs = await openBlobs(layoutOf(t.testdir()))
  t.teardown(() => store[Symbol.asyncDispose]())
  const open = (input: ConfigInput = {}) => SiteRegistry.open({ store, blobs, config: config(input), now: () => 1_000 })
  return { store, blobs, open }
}

t.test('sites come from the config and from commands, and stay over a restart', async (t) => {
  const { open } = await host(t)
  {
    await using registry = await open({ sites: { shop: { authorities: ['Shop.example'], timeoutMs: 50 } } })
    await registry.create('blog')
    t.same(
      registry.served().map(({ name }) => name),
      ['blog', 'shop'],
    )
    t.same(registry.info('shop'), { name: 'shop', authorities: ['shop.localhost', 'shop.example'] })
    t.match(registry.settings('shop'), { from: 'config', timeoutMs: 50 })
    t.match(registry.settings('blog'), { from: 'command', timeoutMs: 60_000, bodyBytes: 1_048_576, upstreams: [] })
    t.equal(registry.siteAt('shop.example'), 'shop')
    t.equal(registry.siteAt('blog.localhost'), 'blog')
    t.equal(registry.siteAt('other.localhost'), undefined)
  }
  await using registry = await open()
  t.same(
    registry.served().map(({ name }) => name),
    ['blog'],
    'what left the config is not served',
  )
  t.same(
    registry.all().map(({ name }) => name),
    ['blog', 'shop'],
    'its data is kept',
  )
  t.equal(registry.get('shop'), undefined)
  t.throws(() => registry.need('shop'), { code: 'ERR_SITE_UNKNOWN' })
  t.equal(registry.need('blog').name, 'blog')
})

t.test('names that somebody has are refused', async (t) => {
  const { open } = await host(t)
  await using registry = await open({ sites: { shop: { authorities: ['taken.localhost'] } } })
  await registry.create('blog')
  for (const name of ['blog', 'shop', 'taken'])
    await t.rejects(registry.create(name), { code: 'ERR_SITE_EXISTS' }, name)
  for (const name of ['No', 'wpad']) await t.rejects(registry.create(name), { code: 'ERR_SITE_NAME' }, name)
  await t.rejects(registry.prepare(config({ sites: { shop: { authorities: ['blog.localhost'] } } })), {
    code: 'ERR_CONFIG_INVALID',
    message: /"shop" and "blog" both claim the name blog.localhost/,
  })
  t.equal(registry.siteAt('taken.localhost'), 'shop', 'all is as it was')
})

t.test('a config that takes the name of a site does not start', async (t) => {
  const { open } = await host(t)
  {
    await using registry = await open()
    await registry.create('blog')
  }
  await t.rejects(open({ sites: { shop: { authorities: ['blog.localhost'] } } }), { code: 'ERR_CONFIG_INVALID' })
})

t.test('another config is served as soon as it is used', async (t) => {
  const { open } = await host(t)
  await using registry = await open({ sites: { old: {} } })
  await registry.create('blog')
  const next = config({ domain: 'example.org', sites: { fresh: { upstreams: ['http://127.0.0.1:1'] } } })
  await registry.prepare(next)
  t.equal(registry.serves('fresh'), false)
  t.same(
    registry.served(next).map(({ name }) => name),
    ['blog', 'fresh'],
  )
  registry.use(next)
  t.equal(registry.serves('old'), false)
  t.same(registry.info('blog').authorities, ['blog.example.org'])
  t.equal(registry.siteAt('blog.localhost'), undefined)
  t.equal(registry.need('fresh').versions.live, undefined)
  // Made between the check and the use: the config's site keeps the name.
  await registry.create('late')
  registry.use(config({ sites: { fresh: { authorities: ['late.localhost'] } } }))
  t.equal(registry.siteAt('late.localhost'), 'fresh')
})

t.test('a deleted site leaves a tombstone, and its numbers go on', async (t) => {
  const { open, blobs } = await host(t)
  const hash = await blobs.putBytes(Buffer.from('x'))
  const publish = (registry: SiteRegistry) =>
    registry.need('blog').versions.publish({
      files: [{ path: 'a', hash, bytes: 1 }],
      message: '',
      opId: newOpId(),
      atMs: 1,
    })
  {
    await using registry = await open({ sites: { shop: {} } })
    await registry.create('blog')
    await publish(registry)
    await registry.delete('blog')
    t.equal(registry.get('blog'), undefined)
    t.equal(registry.siteAt('blog.localhost'), undefined)
    await t.rejects(registry.delete('blog'), { code: 'ERR_SITE_UNKNOWN' })
    await t.rejects(registry.delete('shop'), { code: 'ERR_CONFLICT', hint: /take it out of the config/ })
    await registry.create('empty')
    await registry.delete('empty')
  }
  await using registry = await open()
  t.same(registry.served(), [])
  t.same(
    registry.all().map(({ name }) => name),
    ['blog', 'empty', 'shop'],
  )
  t.same(
    (await registry.all()[0]?.versions.changes(undefined))?.map(({ kind }) => kind),
    ['publish', 'delete'],
  )
  await registry.create('blog')
  t.equal((await publish(registry)).record.version, 2)
})

t.test('a registry that cannot be read does not open', async (t) => {
  const { open, store } = await host(t)
  {
    await using registry = await open()
    await registry.create('blog')
  }
  const log = await store.open(store.root, '/sites')
  await log.write(Buffer.from('{"kind":"moved"}'))
  await t.rejects(open(), { code: 'ERR_DATA_FORMAT' })
})
