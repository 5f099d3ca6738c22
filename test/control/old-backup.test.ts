import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { backupFile } from '../../control/backup.ts'
import { forgetBackup, refuseOldBackup } from '../../control/old-backup.ts'
import { layoutOf } from '../../core/layout.ts'
import { openSqliteStore } from '../../store/drivers/sqlite.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { newFolder, owner, place, send, whole } from '../store/versions/fixtures/place.ts'
import { remoteFolder } from '../store/versions/fixtures/remote-folder.ts'

const epoch = { number: 1, check: async () => {} }

t.test('a backup is refused beside a bucket that tells of something later', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const store = ({ database }: { readonly database: string }) => openSqliteStore(database)
  const here = await place(t, { objects: () => objects, epoch, store })
  const site = await here.open()
  const publish = async (content: string, name = site) => {
    await name.publish(whole(await send(here.blobs, { 'index.html': content })))
    await name.checkpoint()
  }
  await publish('one')
  const layout = layoutOf(await newFolder(t))
  await here.store.copyTo(here.store.root, layout.database)
  const copy = await openSqliteStore(layout.database)
  t.teardown(() => copy[Symbol.asyncDispose]())
  const options = { layout, store: copy, objects, owner, keyring: undefined }

  objects.reset()
  await refuseOldBackup(options)
  t.same(objects.asked, [], 'a data folder that is no backup is none of its business')
  const file = join(layout.root, backupFile)
  writeFileSync(file, JSON.stringify({ format: 'grove-backup-1', atMs: Date.now() }))
  await refuseOldBackup(options)
  await publish('two')
  const refused = {
    code: 'ERR_FENCED',
    message: /is a backup of .* site "blog" was changed/,
    hint: /empty data folder/,
  }
  await t.rejects(refuseOldBackup(options), refused)
  writeFileSync(file, JSON.stringify({ format: 'grove-backup-1', atMs: Date.now() + 7_200_000 }))
  await refuseOldBackup(options)
  t.pass('a root from long before is not read')
  writeFileSync(file, '{')
  await t.rejects(refuseOldBackup(options), { code: 'ERR_DATA_FORMAT' })
  await forgetBackup(layout)
  await forgetBackup(layout)
  await refuseOldBackup(options)
})

t.test('so is one of before a site that the bucket has of the same store; another store’s is no concern', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await place(t, { objects: () => objects, epoch })
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { 'index.html': 'new' })))
  await site.checkpoint()
  const layout = layoutOf(await newFolder(t))
  writeFileSync(join(layout.root, backupFile), JSON.stringify({ atMs: Date.now() }))
  const before = await openSqliteStore(layout.database)
  t.teardown(() => before[Symbol.asyncDispose]())
  const options = { layout, objects, owner, keyring: undefined }
  await refuseOldBackup({ ...options, store: before })
  await t.rejects(refuseOldBackup({ ...options, store: Object.assign(Object.create(before), { id: here.store.id }) }), {
    code: 'ERR_FENCED',
  })
})
