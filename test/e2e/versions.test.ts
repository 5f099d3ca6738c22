import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startGrove } from './harness.ts'

t.test('tags and pins keep versions that a prune would take; what differs between two can be seen', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  const folder = t.testdir({ 'index.html': 'v1', 'old.html': 'old', 'same.html': 'same' })
  await grove.publish('blog', folder)
  for (let version = 2; version <= 8; version++) {
    writeFileSync(join(folder, 'index.html'), `v${version}`)
    if (version === 3) writeFileSync(join(folder, 'new.html'), 'new')
    await grove.publish('blog', folder, '--message', `the ${version}th`)
  }

  t.match(await grove.command(['site', 'tag', 'blog', 'first', '--to', '1']), {
    exitCode: 0,
    out: 'blog@1 is kept as tag first\n',
  })
  t.match((await grove.command(['site', 'pin', 'blog', 'review', '--to', '4', '--for', '14d'])).out, /until/)
  t.match(await grove.command(['site', 'pin', 'blog', 'never', '--to', '4', '--for', '0s']), {
    exitCode: 1,
    err: /cannot end in the past/,
  })
  t.match(await grove.json(['site', 'tag', 'blog']), { pins: [{ name: 'tag:first', version: 1 }] })
  t.match((await grove.command(['site', 'pin', 'blog'])).out, /review +4 .*\n.*tag:first +1 +-/)
  t.match(await grove.json(['site', 'diff', 'blog', '1', '3']), {
    from: 1,
    to: 3,
    added: ['new.html'],
    changed: ['index.html'],
    removed: [],
  })
  t.match((await grove.command(['site', 'diff', 'blog', '7'])).out, /blog@7 to blog@8: .*1 changed.*\n {2}~ index.html/)

  const keep = ['--keep', '2', '--days', '0']
  t.same(await grove.json(['site', 'prune', 'blog', ...keep, '--dry-run']), { pruned: [2, 3, 5, 6] })
  t.match(await grove.json(['site', 'show', 'blog']), { versions: 8 })
  t.match(await grove.json(['site', 'prune', 'blog', ...keep]), { pruned: [2, 3, 5, 6] })
  const { versions } = await grove.json<{ versions: { version: number; pins: string[] }[] }>([
    'site',
    'versions',
    'blog',
  ])
  t.same(
    versions.map(({ version, pins }) => [version, pins]),
    [
      [8, []],
      [7, []],
      [4, ['review']],
      [1, ['tag:first']],
    ],
  )

  const gone = await grove.command(['site', 'rollback', 'blog', '--to', '3'])
  t.match(gone, { exitCode: 1, err: /has no version 3/ })
  await grove.json(['site', 'rollback', 'blog', '--to', '1'])
  t.equal(String((await grove.visitor.http1(grove.url('blog', '/index.html'))).body), 'v1')
  t.equal((await grove.visitor.http1(grove.url('blog', '/new.html'))).status, 404)

  t.match((await grove.command(['site', 'tag', 'blog', 'first', '--delete'])).out, 'took tag first away')
  t.match(await grove.command(['site', 'tag', 'blog', 'first', '--delete']), { exitCode: 1, err: /has no tag "first"/ })
  // The live one stays whatever is asked for.
  t.match(await grove.json(['site', 'prune', 'blog', '--keep', '1', '--days', '0']), { pruned: [7] })
  t.match(await grove.json(['site', 'show', 'blog']), { live: 1, versions: 3 })
})

t.test('a backup is a data folder that serves the same', async (t) => {
  const grove = await startGrove(t, { config: { fronts: 1 } })
  const folder = t.testdir({ 'index.html': 'kept', 'big.bin': 'x'.repeat(3_000_000) })
  await grove.publish('blog', folder)
  const copy = join(grove.folder, 'copy')
  const { out, exitCode } = await grove.command(['backup', copy])
  t.match([exitCode, out], [0, /backed up to .*copy: 1 object/])
  writeFileSync(join(folder, 'index.html'), 'later')
  await grove.publish('blog', folder)
  t.match(await grove.command(['backup', copy]), { exitCode: 1, err: /is not empty/ })
  t.match(await grove.command(['backup', join(grove.data, 'in')]), { exitCode: 1, err: /lies in the data folder/ })

  await grove.stop()
  grove.data = copy
  grove.writeConfig({ fronts: 1 })
  await grove.start()
  const answer = await grove.visitor.http1(grove.url('blog', '/index.html'))
  t.match([answer.headers['grove-version'], String(answer.body)], ['blog@1', 'kept'])
  t.equal((await grove.visitor.http1(grove.url('blog', '/big.bin'))).body.length, 3_000_000)
  t.match(await grove.json(['store', 'verify']), { faults: [] })
})
