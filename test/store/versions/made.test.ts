import t from 'tap'
import { narrow } from '../../../store/grants/handle.ts'
import { openKeyring } from '../../../store/segments/keyring.ts'
import type { Store } from '../../../store/store.ts'
import { codeOf, forever } from '../fixtures/drivers.ts'
import { contentsOf, nextAct, noise, type Place, place, send, whole } from './fixtures/place.ts'

const right = { path: '/sites/ada/blog', untilMs: forever, read: true, write: true }
const large = 16_777_217

async function keysOf({ objects }: Pick<Place, 'objects'>): Promise<string[]> {
  return (await Array.fromAsync(objects.list(''))).map(({ key }) => key).sort()
}

for (const [name, keyring] of Object.entries({ plain: undefined, sealed: openKeyring([Buffer.alloc(32, 7)]) })) {
  t.test(`${name}: a publish that is denied leaves nothing among the objects`, async (t) => {
    const here = await place(t, keyring ? { keyring } : {})
    const { store } = here
    const site = await here.open()
    await site.publish(whole(await send(here.blobs, { a: 'a' })))
    const before = await keysOf(here)
    const token = await store.grant(store.root, right)
    const files = await send(here.blobs, { b: noise(1, 5_000), film: noise(2, large) })
    const denials = {
      quota: await store.grant(store.root, { ...right, maxWrites: 1 }),
      narrowed: narrow(token, { bytes: 1 }),
      revoked: await store.grant(store.root, right),
    }
    await store.revoke(store.root, denials.revoked)
    for (const [reason, handle] of Object.entries(denials)) {
      t.equal(
        await codeOf(site.publish({ ...whole(files), handle })),
        `ERR_DENIED ${reason.replace('narrowed', 'quota')}`,
      )
      t.same(await keysOf(here), before, reason)
    }
    t.match(
      await site.publish({ ...whole(files), handle: token }),
      { record: { version: 2 } },
      'it can be published still',
    )
    t.equal(Object.keys(await contentsOf(here, site, 2)).length, 2)
  })

  t.test(`${name}: a prune that is denied leaves nothing among the objects`, async (t) => {
    const here = await place(t, keyring ? { keyring } : {})
    const { store } = here
    const site = await here.open()
    await site.publish(whole(await send(here.blobs, { a: noise(1, 9_000), b: noise(2, 1_000) })))
    await site.publish(whole(await send(here.blobs, { b: noise(2, 1_000) })))
    const before = await keysOf(here)
    const handle = narrow(await store.grant(store.root, right), { bytes: 1 })
    t.equal(await codeOf(site.prune({ versions: 1, ms: 0 }, { ...nextAct(), handle })), 'ERR_DENIED quota')
    t.same(await keysOf(here), before)
    t.equal(site.versions.length, 2)
    t.match(await site.prune({ versions: 1, ms: 0 }, nextAct()), { pruned: [1] })
    t.ok((await keysOf(here)).length > before.length, 'which would have written something')
    t.equal(Object.keys(await contentsOf(here, site, 2)).length, 1)
  })
}

t.test('what another opening has named meanwhile stays', async (t) => {
  const here = await place(t)
  const winner = await here.open()
  await winner.publish(whole(await send(here.blobs, { a: 'a' })))
  const files = await send(here.blobs, { b: noise(1, 5_000) })
  const slow: Store = {
    ...here.store,
    async begin(...logs) {
      await winner.publish(whole(files))
      return here.store.begin(...logs)
    },
  }
  const loser = await here.open({ store: slow })
  const handle = narrow(await here.store.grant(here.store.root, right), { bytes: 1 })
  t.equal(await codeOf(loser.publish({ ...whole(files), handle })), 'ERR_DENIED quota')
  const fresh = await here.open()
  t.same(Object.keys(await contentsOf(here, fresh, 2)), ['b'])
  t.match(await fresh.publish(whole(files)), { unchanged: true })
})
