// A new key for the account at the CA, by hand, while it goes on ordering.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { openVault } from '../../certs/open-vault.ts'
import { nodeEnvironment } from '../../store/environment-node.ts'
import { silent } from '../certs/acme/fixture.ts'
import type { Pebble } from '../services/pebble.ts'
import { publishPage, rowOf, served, startCaHost } from './ca-host.ts'
import type { Harness } from './harness.ts'

t.test('the account gets a new key, stays the same account, and goes on ordering', async (t) => {
  const { grove, pebble, root } = await startCaHost(t, { pebble: { badNonces: 10 } })
  await publishPage(grove, 'blog')
  await rowOf(grove, 'blog.grove.test')
  const before = await accountOf(grove, pebble)
  t.strictSame(await grove.json(['cert', 'rollover']), { directories: [pebble.directory] })
  const after = await accountOf(grove, pebble)
  t.equal(after.url, before.url)
  t.not(after.key, before.key)
  await publishPage(grove, 'shop')
  await rowOf(grove, 'shop.grove.test')
  t.ok(await served(grove, 'shop.grove.test', root))
  t.strictSame([...new Set(pebble.said.match(/There are now \d+ accounts/g))], ['There are now 1 accounts'])

  await t.test('while the CA is down the old key stays, and who asked is told', async (t) => {
    await pebble.stop()
    const { exitCode, err } = await grove.command(['cert', 'rollover'])
    t.not(exitCode, 0)
    t.match(err, pebble.directory)
    t.equal((await accountOf(grove, pebble)).key, after.key)
  })
})

async function accountOf(grove: Harness, { directory }: Pebble): Promise<{ key: string; url: string }> {
  const folder = join(grove.data, 'certs/vault')
  await using vault = await openVault({ env: nodeEnvironment, folder, log: silent })
  const record = await vault.read(`accounts/${createHash('sha256').update(directory).digest('hex')}`)
  return JSON.parse(record?.text ?? '{}') as { key: string; url: string }
}
