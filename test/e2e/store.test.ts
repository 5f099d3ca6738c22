import { readFileSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { VerifyResult } from '../../core/store-api.ts'
import { type Harness, startGrove } from './harness.ts'

async function page(grove: Harness, site: string, path = '/index.html'): Promise<string> {
  const { status, body } = await grove.visitor.http1(grove.url(site, path))
  return status === 200 ? String(body) : String(status)
}

t.test('a site is exported, and imported under another name, here and on another host', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  const folder = t.testdir({ 'index.html': 'one', 'big.bin': 'x'.repeat(3_000_000) })
  await grove.publish('blog', folder)
  await grove.json(['site', 'tag', 'blog', 'first'])
  writeFileSync(join(folder, 'index.html'), 'two')
  await grove.publish('blog', folder, '--message', 'the second')

  const file = join(grove.folder, 'blog.tar')
  t.match(await grove.command(['store', 'export', 'blog', 'blog.tar']), {
    exitCode: 0,
    out: new RegExp(`^exported blog to ${file}: 3\\.\\d MB\n$`),
    err: '',
  })
  t.match(await grove.command(['store', 'export', 'blog', 'blog.tar']), {
    exitCode: 1,
    err: /blog\.tar is there already\nhint: /,
  })
  t.match(await grove.command(['store', 'export', 'shop', 'shop.tar']), { exitCode: 1, err: /no site "shop"/ })
  t.same(
    (await readdir(grove.folder)).filter((name) => name.endsWith('.tar')),
    ['blog.tar'],
    'an export that failed leaves no file',
  )

  t.match(await grove.command(['store', 'import', 'blog.tar', '--site', 'copy']), {
    exitCode: 0,
    out: 'imported copy, which was blog: 2 versions, copy@2 is live\n',
  })
  t.equal(await page(grove, 'copy'), 'two')
  t.equal((await page(grove, 'copy', '/big.bin')).length, 3_000_000)
  t.match(await grove.json(['site', 'tag', 'copy']), { pins: [{ name: 'tag:first', version: 1 }] })
  await grove.json(['site', 'rollback', 'copy'])
  t.equal(await page(grove, 'copy'), 'one')
  t.match(await grove.command(['store', 'import', 'blog.tar', '--site', 'blog']), {
    exitCode: 1,
    err: /there is a site "blog" already\nhint: .*--site/,
  })
  t.match(await grove.command(['store', 'import', 'none.tar', '--site', 'none']), {
    exitCode: 1,
    err: /is not there\nhint: /,
  })

  const damaged = readFileSync(file)
  damaged[damaged.indexOf('xxxxxxxx') + 100] = 0x79
  writeFileSync(join(grove.folder, 'damaged.tar'), damaged)
  const refused = await grove.command(['store', 'import', 'damaged.tar', '--site', 'evil', '--json'])
  t.match([refused.exitCode, JSON.parse(refused.out)], [1, { error: { code: 'ERR_BLOB_MISMATCH' } }])
  t.match(await grove.command(['site', 'show', 'evil']), { exitCode: 1, err: /no site "evil"/ }, 'and nothing was made')

  const other = await startGrove(t, { config: { fronts: 1 } })
  t.match(await other.json(['store', 'import', file, '--site', 'blog']), {
    site: 'blog',
    from: 'blog',
    versions: [1, 2],
  })
  t.equal(await page(other, 'blog'), 'two')
  t.match(await other.publish('blog', folder), { version: 2, unchanged: true }, 'the same files are the same version')
  for (const each of [grove, other]) t.match(await each.json(['store', 'verify']), { faults: [] })
})

t.test('the store is verified while Grove runs and while it does not, and says what is wrong', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  await grove.publish('blog', t.testdir({ 'index.html': 'one', a: { 'b.css': 'b' } }))
  const well = { exitCode: 0, out: /^all is well: 1 site, 1 version, 1 segment; .* read\n$/, err: '' }
  t.match(await grove.command(['store', 'verify']), well)
  await grove.stop()
  t.match(await grove.command(['store', 'verify']), well, 'with the file of the store itself')
  t.match(await grove.command(['store', 'verify', '--data', 'none']), {
    exitCode: 1,
    err: /store\.db is not there\nhint: /,
  })

  const objects = join(grove.data, 'objects')
  const segment = (await readdir(objects, { recursive: true })).find((name) => /seg\/blog\/[0-9a-f]{64}$/.test(name))
  const bytes = readFileSync(join(objects, segment ?? ''))
  bytes[20] = (bytes[20] ?? 0) ^ 1
  writeFileSync(join(objects, segment ?? ''), bytes)
  for (const state of ['stopped', 'running']) {
    if (state === 'running') await grove.start()
    const { exitCode, out } = await grove.command(['store', 'verify'])
    t.match([exitCode, out], [1, /^\d faults?: .*\n {2}segment [0-9a-f]{64} of blog: .*\n {4}\w/], state)
    const { exitCode: code, out: json } = await grove.command(['store', 'verify', '--json'])
    const { faults } = JSON.parse(json) as VerifyResult
    t.match([code, faults[0]], [1, { code: 'ERR_BLOB_CORRUPT', hint: /publish/ }])
  }
})
