import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { failedStart, folderOf, page, publish, rootTells, startBucket, startMachine } from './bucket.ts'

t.test('a backup with contents is served without the bucket, and not beside one that has gone on', async (t) => {
  const bucket = await startBucket(t)
  const grove = await startMachine(t, bucket)
  const folder = folderOf(grove, 'site', { 'index.html': 'one', 'big.bin': Buffer.alloc(17_000_000, 'big') })
  await publish(grove, folder)
  await grove.json(['grant', 'create', '--site', 'blog', '--label', 'CI'])
  const copy = join(grove.folder, 'copy')
  const without = await grove.json<{ objects: number; inBucket: boolean }>(['backup', join(grove.folder, 'bare')])
  t.match(without, { objects: 0, inBucket: true })
  t.match(await grove.json(['backup', copy, '--with-contents']), { inBucket: false })
  folderOf(grove, 'site', { 'index.html': 'two' })
  await publish(grove, folder)
  await rootTells(grove, bucket, 2)
  await grove.stop()

  const refused = await failedStart(t, { store: bucket.store() }, copy)
  t.equal(refused.exitCode, 1)
  t.match(refused.said, /is a backup .*has gone on/)
  t.match(refused.said, /empty data folder/)

  grove.data = copy
  grove.writeConfig({ fronts: 1 })
  await grove.start()
  t.equal(await page(grove), 'one')
  t.equal((await page(grove, '/big.bin')).length, 17_000_000)
  t.match(await grove.json(['grant', 'list']), { grants: [{ label: 'CI', state: 'alive' }] })
  t.match(await grove.json(['store', 'verify']), { faultCount: 0 })
  await grove.stop()

  const root = readFileSync(grove.rootFile)
  grove.data = join(grove.folder, 'empty')
  mkdirSync(grove.data, { mode: 0o700 })
  for (const name of ['certs', 'keys.json']) cpSync(join(copy, name), join(grove.data, name), { recursive: true })
  grove.writeConfig({ fronts: 1, store: bucket.store() })
  await grove.start()
  t.equal(await page(grove), 'two', 'an empty machine has what came later')
  t.ok(readFileSync(grove.rootFile).equals(root), 'with the certificates that visitors trust')
  t.match(await grove.json(['grant', 'list']), { grants: [] }, 'and without the tokens')
})
