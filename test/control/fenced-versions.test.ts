import t from 'tap'
import { fencedVersions } from '../../control/fenced-versions.ts'
import { GroveError } from '../../core/errors.ts'
import { createSite, openSiteHost, publishTexts } from './fixtures/site-host.ts'

t.test('what changes a site asks first who is in charge; what reads it does not', async (t) => {
  await using host = await openSiteHost(t.testdir())
  using site = await createSite(host, 'blog')
  let isInCharge = true
  const versions = fencedVersions(site.versions, {
    number: 1,
    async check() {
      if (!isInCharge) throw new GroveError('ERR_FENCED', 'another one is')
    },
  })
  t.equal(await publishTexts(host, { versions }, { 'a.html': 'one' }), 1)
  t.equal(versions.live?.version, 1)
  isInCharge = false
  const act = { atMs: 1 }
  for (const change of [
    () => publishTexts(host, { versions }, { 'a.html': 'two' }),
    () => versions.activate(1, act),
    () => versions.delete(act),
    () => versions.pin({ name: 'kept', version: 1, untilMs: undefined }, act),
    () => versions.unpin('kept', act),
    () => versions.prune({ versions: 1, ms: 0 }, act),
    () => versions.compact(),
  ])
    await t.rejects(async () => void (await change()), { code: 'ERR_FENCED' })
  t.equal(versions.live?.version, 1)
  t.same(
    (await Array.fromAsync(versions.files(1))).map(({ path }) => path),
    ['a.html'],
  )
})
