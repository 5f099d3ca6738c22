import t from 'tap'
import { folderOf, page, publish, startBucket, startMachine } from './bucket.ts'

t.test('of two processes that publish at once both come through, or the second is told the paths', async (t) => {
  const bucket = await startBucket(t)
  const grove = await startMachine(t, bucket)
  const start = { 'index.html': 'start', 'a.html': 'a', 'b.html': 'b' }
  const ada = folderOf(grove, 'ada', start)
  const bob = folderOf(grove, 'bob', start)
  await publish(grove, ada)
  /** Both have looked at the site before the bucket has the contents of either. */
  const race = async () => {
    bucket.proxy.heal()
    const delayed = bucket.proxy.rule({ kind: 'PUT', key: '/seg/', fault: { do: 'delay', ms: 4_000 } })
    const both = await Promise.all(
      [ada, bob].map((site) => grove.command(['publish', site, '--site', 'blog', '--json'])),
    )
    t.equal(delayed(), 1)
    return both.map(({ exitCode, out }) => ({ exitCode, said: JSON.parse(out) }))
  }

  folderOf(grove, 'ada', { 'a.html': 'by ada' })
  folderOf(grove, 'bob', { 'b.html': 'by bob' })
  const both = await race()
  t.match(both, [{ exitCode: 0 }, { exitCode: 0 }])
  t.strictSame(both.map(({ said }) => said.rebased).sort(), [false, true])
  t.strictSame(both.map(({ said }) => said.version).sort(), [2, 3])
  t.strictSame([await page(grove, '/a.html'), await page(grove, '/b.html')], ['by ada', 'by bob'])

  folderOf(grove, 'ada', { 'index.html': 'by ada', 'b.html': 'by bob' })
  folderOf(grove, 'bob', { 'index.html': 'by bob', 'a.html': 'by ada' })
  const [winner, loser] = (await race()).sort((one, other) => (one.exitCode ?? 0) - (other.exitCode ?? 0))
  t.match(winner, { exitCode: 0, said: { version: 4 } })
  t.match(loser, {
    exitCode: 1,
    said: { error: { code: 'ERR_PUBLISH_CONFLICT', details: { paths: ['index.html'] }, hint: /publish again/ } },
  })
  t.match(await page(grove), /^by (ada|bob)$/)
  t.match(await grove.json(['site', 'show', 'blog']), { live: 4, versions: 4 })
  t.match(await grove.json(['store', 'verify']), { faultCount: 0 })
})
