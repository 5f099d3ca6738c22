import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
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

t.test('records of the vault that are replaced while it is copied are in it, and do not end it', async (t) => {
  const folder = t.testdir({ data: {} })
  await using host = await openSiteHost(join(folder, 'data'), { durable: true })
  const { layout, store } = host
  const [records, target] = [join(layout.certs, 'vault/accounts'), join(folder, 'backup')]
  const numbers = Array.from({ length: 20 }, (_, number) => number)
  mkdirSync(records, { recursive: true })
  for (const number of numbers) writeFileSync(join(records, `old-${number}`), Buffer.alloc(1_000_000, number))
  const objects = await folderObjects(env, layout.objects)
  const made = backUp({ layout, store, objects, folder: target, withContents: false, now: Date.now })
  const copies = join(target, 'certs/vault/accounts')
  while (!existsSync(copies) || readdirSync(copies).length === 0) await turn()
  // The first copies are there, so the list of the folder was read: now the others become others.
  const replaced = numbers.filter((number) => !existsSync(join(copies, `old-${number}`)))
  for (const number of replaced) renameSync(join(records, `old-${number}`), join(records, `new-${number}`))
  t.ok(replaced.length > 1)
  await made
  const found = readdirSync(copies).map((name) => name.replace(/^\w+-/, ''))
  t.same(new Set(found), new Set(numbers.map(String)))
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

t.test('a vault that lies elsewhere is named, and left where it is', async (t) => {
  const folder = t.testdir({ data: {}, shared: { 'a.rec': 'secret' } })
  await using host = await openSiteHost(join(folder, 'data'), { durable: true })
  const objects = await folderObjects(env, host.layout.objects)
  const { layout, store } = host
  const options = { layout, store, objects, folder: join(folder, 'backup'), withContents: false, now: Date.now }
  const made = await backUp({ ...options, vaultFolder: join(folder, 'shared') })
  t.equal(made.vaultElsewhere, join(folder, 'shared'))
  const whole = await backUp({ ...options, folder: join(folder, 'other') })
  t.notOk('vaultElsewhere' in whole)
})
