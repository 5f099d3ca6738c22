import t from 'tap'
import { readSiteLog } from '../../control/site-log.ts'
import { siteGrantPath } from '../../core/grant-api.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { openOwnLog } from '../../store/logs/own-log.ts'
import type { Handle, Store } from '../../store/store.ts'
import { nextAct, place, send, whole } from '../store/versions/fixtures/place.ts'

const path = siteGrantPath('blog')
const untilMs = Date.UTC(2100, 0)

function grant(store: Store, to: string, label: string): Promise<Handle> {
  return store.grant(store.root, { path: to, untilMs, label, read: true, write: true })
}

async function act(store: Store, handle: Handle, note: unknown): Promise<void> {
  await using _made = await openOwnLog(store, store.root, `${path}/audit`)
  await using log = await store.open(handle, `${path}/audit`)
  await log.write(Buffer.from(typeof note === 'string' ? note : JSON.stringify(note)))
}

t.test('what was done is told with who did it, newest first', async (t) => {
  await using store = await openMemoryStore()
  t.same(await readSiteLog(store, path, 10), { entries: [], more: false }, 'nothing yet')
  const startedAtMs = Date.now()
  const ci = await grant(store, path, 'CI')
  await grant(store, siteGrantPath('shop'), 'of another site')
  await grant(store, `${path}er`, 'of a site whose name only begins alike')
  const { id } = await store.whoami(ci)
  await act(store, ci, { act: 'publish', version: 1, added: 3, changed: 0, removed: 0 })
  await act(store, store.root, { act: 'live', version: 1 })
  await act(store, store.root, 'not JSON')
  await act(store, store.root, { kind: 'of a newer Grove' })
  await store.revoke(store.root, ci)
  const { entries, more } = await readSiteLog(store, path, 10)
  t.equal(more, false)
  const operator = { id: 'root', label: 'operator' }
  t.match(entries, [
    { act: 'revoke', by: operator, details: { id, label: 'CI', path, revoked: 1 } },
    { act: 'live', by: operator, details: { version: 1 } },
    { act: 'publish', by: { id, label: 'CI' }, details: { version: 1, added: 3, changed: 0, removed: 0 } },
    { act: 'grant', by: operator, details: { id, label: 'CI', path, rights: ['read', 'write'], untilMs } },
  ])
  t.equal(entries.length, 4)
  for (const { atMs } of entries) t.ok(atMs >= startedAtMs && atMs <= Date.now())
  await grant(store, '/sites', 'all sites')
  t.match((await readSiteLog(store, path, 1)).entries, [{ details: { label: 'all sites' } }], 'one above is on it too')
})

t.test('the newest are told, and that there are more', async (t) => {
  await using store = await openMemoryStore()
  for (let version = 1; version <= 25; version += 1) await act(store, store.root, { act: 'publish', version })
  for (const limit of [1, 2, 7, 24]) {
    const { entries, more } = await readSiteLog(store, path, limit)
    t.same(
      entries.map(({ details }) => details['version']),
      Array.from({ length: limit }, (_, index) => 25 - index),
    )
    t.equal(more, true)
  }
  for (const limit of [25, 26, 1_000]) {
    const { entries, more } = await readSiteLog(store, path, limit)
    t.equal(entries.length, 25)
    t.equal(more, false)
  }
})

t.test('what a real site tells of its acts is understood', async (t) => {
  const here = await place(t)
  const { store, blobs } = here
  const site = await here.open()
  const token = await grant(store, '/sites/ada/blog', 'CI')
  await site.publish(whole(await send(blobs, { a: '1', b: '1' })))
  await site.publish({ ...whole(await send(blobs, { a: '2', c: '1' })), handle: token })
  await site.pin({ name: 'tag:best', version: 1, untilMs: undefined }, { ...nextAct(), handle: token })
  await site.activate(1, nextAct())
  const { entries } = await readSiteLog(store, '/sites/ada/blog', 4)
  t.match(entries, [
    { act: 'live', by: { label: 'operator' }, details: { version: 1 } },
    { act: 'tag', by: { label: 'CI' }, details: { version: 1, name: 'tag:best' } },
    { act: 'publish', by: { label: 'CI' }, details: { version: 2, added: 1, changed: 1, removed: 1 } },
    { act: 'publish', by: { label: 'operator' }, details: { version: 1, added: 2 } },
  ])
})
