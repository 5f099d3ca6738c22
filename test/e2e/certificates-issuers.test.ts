// Two CAs: the second is there for the days on which the first is not.

import t from 'tap'
import { issued, publishPage, rowOf, served, startCaHost } from './ca-host.ts'

t.test('a second CA takes over while the first is down, and the first is asked first again', async (t) => {
  const { grove, pebble, second } = await startCaHost(t, { pebble: { badNonces: 10 }, second: { badNonces: 10 } })
  if (!second) throw new Error('there is no second CA')
  await pebble.stop()
  await publishPage(grove, 'blog')
  const row = await rowOf(grove, 'blog.grove.test')
  t.match(row, { from: 'acme', issuer: second.directory, tries: 0 })
  t.ok(await served(grove, 'blog.grove.test', await second.manage('/roots/0')))
  t.equal(issued(pebble), 0)

  await pebble.start()
  // It has a new root and knows nobody: a renewal makes the account anew.
  await grove.json(['cert', 'renew', 'blog.grove.test'])
  t.match(await rowOf(grove, 'blog.grove.test'), { issuer: pebble.directory, tries: 0 })
  t.ok(await served(grove, 'blog.grove.test', await pebble.manage('/roots/0')))
  t.equal(issued(second), 1)

  await t.test('what the second has issued is revoked there, and the first gives the next', async (t) => {
    await pebble.stop()
    await grove.json(['cert', 'renew', 'blog.grove.test'])
    t.match(await rowOf(grove, 'blog.grove.test'), { issuer: second.directory })
    const old = await served(grove, 'blog.grove.test', await second.manage('/roots/0'))
    await pebble.start()
    await grove.json(['cert', 'revoke', 'blog.grove.test', '--reason', 'superseded'])
    t.match(await rowOf(grove, 'blog.grove.test'), { issuer: pebble.directory })
    const status = await second.manage(`/cert-status-by-serial/${old.serialNumber.toLowerCase()}`)
    t.match(JSON.parse(status), { Status: 'Revoked' })
  })
})
