import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { backUp } from '../../control/backup.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { createSite, openSiteHost, publishTexts } from './fixtures/site-host.ts'

t.test('an object that is collected while a backup is made leaves nothing in it', async (t) => {
  const folder = t.testdir({ data: {} })
  await using host = await openSiteHost(join(folder, 'data'), { durable: true })
  using site = await createSite(host, 'blog')
  await publishTexts(host, site, { 'index.html': 'home' })
  const objects = await folderObjects(env, host.layout.objects)
  const gone = `operator/seg/blog/${'0'.repeat(64)}`
  await objects.create(gone, { bytes: Buffer.from('without a use') })
  const collected: typeof objects = {
    ...objects,
    stream(key, range) {
      const bytes = objects.stream(key, range)
      return key === gone ? removed(objects.remove([gone]), bytes) : bytes
    },
  }
  async function* removed(removal: Promise<void>, bytes: AsyncIterable<Buffer>) {
    await removal
    yield* bytes
  }
  const target = join(folder, 'backup')
  const { layout, store } = host
  const options = { layout, store, objects: collected, folder: target, withContents: false, now: Date.now }
  t.match(await backUp(options), { objects: 1 })
  t.equal(readdirSync(join(target, 'objects/operator/seg/blog')).length, 1)
})

t.test('what others keep in the same bucket is no part of a backup', async (t) => {
  const folder = t.testdir({ data: {} })
  await using host = await openSiteHost(join(folder, 'data'), { durable: true })
  using site = await createSite(host, 'blog')
  await publishTexts(host, site, { 'index.html': 'home' })
  const objects = await folderObjects(env, host.layout.objects)
  await objects.create(`another/operator/seg/shop/${'0'.repeat(64)}`, { bytes: Buffer.from('of another grove') })
  const target = join(folder, 'backup')
  const { layout, store } = host
  t.match(await backUp({ layout, store, objects, folder: target, withContents: true, now: Date.now }), { objects: 1 })
  t.same(readdirSync(join(target, 'objects')), ['operator'])
})
