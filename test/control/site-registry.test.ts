import t, { type Test } from 'tap'
import { Outstanding } from '../../control/outstanding.ts'
import { SiteRegistry } from '../../control/site-registry.ts'
import { type ConfigInput, parseConfig } from '../../core/config.ts'
import { layoutOf } from '../../core/layout.ts'
import { openBlobs } from '../../store/contents/blobs.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { openSiteVersions } from '../../store/versions/open-versions.ts'
import { newOpId } from './fixtures/contents.ts'

const config = (input: ConfigInput = {}) => parseConfig(input, 'the test')

async function host(t: Test) {
  const layout = layoutOf(t.testdir())
  const store = await openMemoryStore()
  const blobs = await openBlobs(env, layout, { maxBytes: 1_000_000 })
  const objects = await folderObjects(env, layout.objects)
  const outstanding = await Outstanding.open(store)
  t.teardown(async () => {
    await blobs[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  const opened: string[] = []
  const open = (input: ConfigInput = {}, mostOpen?: number) =>
    SiteRegistry.open({
      store,
      openVersions: (owner, name) => {
        opened.push(name)
        return openSiteVersions({ store, handle: store.root, env, blobs, objects, keyring: undefined, owner, name })
      },
      outstanding,
      config: config(input),
      now: () => 1_000,
      failed: (name) => t.fail(`${name} cannot be closed`),
      ...(mostOpen !== undefined && { mostOpen }),
    })
  return { store, blobs, outstanding, opened, open }
}

t.test('sites come from the config and from commands, and stay over a restart', async (t) => {
  const { open } = await host(t)
  {
    await using registry = await open({ sites: { shop: { authorities: ['Shop.example'], timeoutMs: 50 } } })
    await registry.create('blog')
    t.same(registry.names, ['blog', 'shop'])
    t.same(registry.info('shop'), { name: 'shop', authorities: ['shop.localhost', 'shop.example'] })
    t.match(registry.settings('shop'), { from: 'config', timeoutMs: 50 })
    t.match(registry.settings('blog'), { from: 'command', timeoutMs: 60_000, bodyBytes: 1_048_576, upstreams: [] })
    t.equal(registry.siteAt('shop.example'), 'shop')
    t.equal(registry.siteAt('blog.localhost'), 'blog')
    t.equal(registry.siteAt('other.localhost'), undefined)
  }
  await using registry = await open()
  t.same(registry.names, ['blog'], 'what left the config is not served')
  t.equal(await registry.get('shop'), undefined)
  await t.rejects(registry.need('shop'), { code: 'ERR_SITE_UNKNOWN' })
  using shop = await registry.hold('shop')
  t.equal(shop.name, 'shop', 'its data is kept')
  using blog = await registry.need('blog')
  t.equal(blog.name, 'blog')
})

t.test('a site is opened when somebody wants it, and closed for another one', async (t) => {
  const { open, opened } = await host(t)
  {
    await using registry = await open()
    for (const name of ['a', 'b', 'c']) await registry.create(name)
  }
  opened.length = 0
  await using registry = await open({}, 2)
  t.same(registry.names, ['a', 'b', 'c'])
  t.same(opened, [])
  using held = await registry.need('a')
  for (const name of ['b', 'c', 'b', 'a']) {
    using _ = await registry.need(name)
  }
  t.same(opened, ['a', 'b', 'c', 'b'])
  t.equal(registry.openCount, 2)
  t.equal(held.versions.live, undefined)
})

t.test('what changes a site is outstanding from before it', async (t) => {
  const { open, blobs, outstanding } = await host(t)
  await using registry = await open()
  await registry.create('blog')
  using site = await registry.need('blog')
  t.notOk(outstanding.sites.has('blog'))
  const hash = await blobs.putBytes(Buffer.from('x'))
  const files = [{ path: 'a', hash, bytes: 1 }]
  await site.versions.publish({ files, message: '', opId: newOpId(), atMs: 1 })
  t.ok(outstanding.sites.has('blog'))
  t.equal(site.versions.live?.version, 1)
  outstanding.end('blog', outstanding.begun('blog'))
  await site.versions.pin({ name: 'tag:x', version: 1, untilMs: undefined }, { atMs: 1 })
  t.notOk(outstanding.sites.has('blog'), 'a pin changes nothing that is served')
  await site.versions.activate(1, { atMs: 1 })
  t.ok(outstanding.sites.has('blog'))
  outstanding.end('blog', outstanding.begun('blog'))
  await registry.delete('blog')
  t.ok(outstanding.sites.has('blog'))
})

t.test('names that somebody has are refused', async (t) => {
  const { open } = await host(t)
  await using registry = await open({ sites: { shop: { authorities: ['taken.localhost'] } } })
  await registry.create('blog')
  for (const name of ['blog', 'shop', 'taken'])
    await t.rejects(registry.create(name), { code: 'ERR_SITE_EXISTS' }, name)
  for (const name of ['No', 'wpad']) await t.rejects(registry.create(name), { code: 'ERR_SITE_NAME' }, name)
  t.throws(() => registry.prepare(config({ sites: { shop: { authorities: ['blog.localhost'] } } })), {
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
  registry.prepare(next)
  t.equal(registry.serves('fresh'), false)
  registry.use(next)
  t.same(registry.names, ['blog', 'fresh'])
  t.equal(registry.serves('old'), false)
  t.same(registry.info('blog').authorities, ['blog.example.org'])
  t.equal(registry.siteAt('blog.localhost'), undefined)
  using fresh = await registry.need('fresh')
  t.equal(fresh.versions.live, undefined)
  // Made between the check and the use: the config's site keeps the name.
  await registry.create('late')
  registry.use(config({ sites: { fresh: { authorities: ['late.localhost'] } } }))
  t.equal(registry.siteAt('late.localhost'), 'fresh')
})

t.test('a deleted site leaves a tombstone, and its numbers go on', async (t) => {
  const { open, blobs } = await host(t)
  const hash = await blobs.putBytes(Buffer.from('x'))
  const publish = async (registry: SiteRegistry) => {
    using site = await registry.need('blog')
    const files = [{ path: 'a', hash, bytes: 1 }]
    return site.versions.publish({ files, message: '', opId: newOpId(), atMs: 1 })
  }
  {
    await using registry = await open({ sites: { shop: {} } })
    await registry.create('blog')
    await publish(registry)
    await registry.delete('blog')
    t.equal(await registry.get('blog'), undefined)
    t.equal(registry.siteAt('blog.localhost'), undefined)
    await t.rejects(registry.delete('blog'), { code: 'ERR_SITE_UNKNOWN' })
    await t.rejects(registry.delete('shop'), { code: 'ERR_CONFLICT', hint: /take it out of the config/ })
    await registry.create('empty')
    await registry.delete('empty')
  }
  await using registry = await open()
  t.same(registry.names, [])
  using gone = await registry.hold('blog')
  t.same(
    (await gone.versions.changes(undefined)).map(({ kind }) => kind),
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
