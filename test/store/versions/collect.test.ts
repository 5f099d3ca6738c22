import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { layoutOf, tailFile, uploadFile } from '../../../core/layout.ts'
import { limits } from '../../../core/limits.ts'
import { openBlobs } from '../../../store/contents/blobs.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import { collect } from '../../../store/versions/collect.ts'
import { claimEpoch } from '../../../store/versions/epoch.ts'
import { codeOf } from '../fixtures/drivers.ts'
import {
  contentsOf,
  hashOf,
  newFolder,
  nextAct,
  noise,
  onBase,
  owner,
  type Place,
  place,
  send,
  whole,
} from './fixtures/place.ts'
import { remoteFolder } from './fixtures/remote-folder.ts'

const graceMs = limits.store.collectGraceMs
const one = { versions: 1, ms: 0 }

function clock() {
  let aheadMs = 0
  return {
    env: { ...nodeEnvironment, now: () => Date.now() + aheadMs },
    pass: (ms: number) => {
      aheadMs += ms
    },
  }
}

const with_ = (here: Place) => ({ ...here, handle: here.store.root, keyring: undefined, owner })

t.test('what pruned versions leave behind is removed after a day, and nothing else', async (t) => {
  const { env, pass } = clock()
  const here = await place(t, { env })
  const site = await here.open()
  const other = await here.open({ name: 'shop' })
  const large = Buffer.alloc(limits.segment.bareBytes + 1, 'x')
  await site.publish(whole(await send(here.blobs, { a: noise(1, 50_000), large })))
  await site.publish(onBase(1, await send(here.blobs, { b: noise(2, 50_000) })))
  await other.publish(whole(await send(here.blobs, { a: 'shop' })))
  await site.publish(onBase(2, [], ['a', 'large']))
  const objects = async () => (await Array.fromAsync(here.objects.list(`${owner}/`))).length
  t.equal(await objects(), 5)
  t.match(await collect(with_(here)), { objects: 5, waiting: 0, removed: 0 })
  await site.prune(one, nextAct())
  t.match(await collect(with_(here)), { waiting: 2, removed: 0 })
  const publishing = site.publish(onBase(3, await send(here.blobs, { c: 'c' })))
  pass(graceMs)
  t.match(await collect(with_(here)), { removed: 2, waiting: 0 })
  await publishing
  t.equal(await objects(), 4)
  const fresh = await place(t, { env, store: async () => here.store, objects: () => here.objects })
  t.same(Object.keys(await contentsOf(fresh, await fresh.open(), 4)), ['b', 'c'])
  t.same(await contentsOf(fresh, await fresh.open({ name: 'shop' }), 1), { a: 'shop' })
})

t.test('the objects of a deleted site go; those of a site that is not known stay', async (t) => {
  const { env, pass } = clock()
  const here = await place(t, { env })
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'a' })))
  await here.objects.create(objectKeys.segment(owner, 'lost', hashOf('x')), { bytes: Buffer.from('x') })
  await here.open({ name: 'empty' })
  await here.objects.create(objectKeys.segment(owner, 'empty', hashOf('x')), { bytes: Buffer.from('x') })
  await site.delete(nextAct())
  await collect(with_(here))
  pass(graceMs)
  t.match(await collect(with_(here)), { removed: 1, objects: 3 })
  await site.publish(whole(await send(here.blobs, { a: 'a' })))
  t.same(await contentsOf(here, site, 2), { a: 'a' }, 'and the site can be made again')
})

t.test('a publish of what is being removed comes out whole', async (t) => {
  const { env, pass } = clock()
  const here = await place(t, { env })
  const site = await here.open()
  const files = await send(here.blobs, { a: noise(1, 10_000) })
  for (let round = 0; round < 10; round += 1) {
    const { record } = await site.publish(whole(files))
    await site.publish(whole([]))
    await site.prune(one, nextAct())
    await collect(with_(here))
    pass(graceMs)
    await send(here.blobs, { a: noise(1, 10_000) })
    const [again] = await Promise.all([site.publish(whole(files)), collect(with_(here))])
    t.equal(again.record.version, record.version + 2)
    const fresh = await place(t, { env, store: async () => here.store, objects: () => here.objects })
    t.equal(Object.keys(await contentsOf(fresh, await fresh.open(), again.record.version)).length, 1)
    await site.publish(whole([]))
    await site.prune(one, nextAct())
    await site.delete(nextAct())
  }
})

t.test('uploads that nobody has published in a day go', async (t) => {
  const here = await place(t)
  const [file] = await send(here.blobs, { a: 'a' })
  const path = uploadFile(here.layout, file?.hash ?? '')
  t.match(await collect(with_(here)), { uploads: 0 })
  const old = (Date.now() - limits.store.uploadKeptMs - 1_000) / 1_000
  utimesSync(path, old, old)
  t.match(await collect({ ...with_(here), signal: AbortSignal.abort() }), { uploads: 0 })
  t.match(await collect(with_(here)), { uploads: 1 })
  t.equal(existsSync(path), false)
})

t.test('in a bucket, roots and tails are tended, under an epoch that is in force', async (t) => {
  const { env, pass } = clock()
  const objects = await remoteFolder(env, await newFolder(t))
  const epochOf = () => claimEpoch({ objects, env, owner, storeId: 'test' })
  const old = await epochOf()
  const here = await place(t, { env, objects: () => objects, epoch: old })
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'a' })))
  await site.checkpoint()
  const epoch = await epochOf()
  t.equal(await codeOf(collect({ ...with_(here), epoch: old })), 'ERR_FENCED')
  t.equal(await codeOf(site.publish(whole(await send(here.blobs, { a: 'b' })))), 'none', 'the log decides')
  t.equal(await codeOf(site.checkpoint()), 'ERR_FENCED')

  const deleted = await here.open({ name: 'gone', epoch })
  await deleted.publish(whole(await send(here.blobs, { a: 'a' })))
  await deleted.delete(nextAct())
  await objects.replace(objectKeys.root(owner, 'gone', 2), Buffer.from('a root that a crash left behind'))
  await objects.replace(objectKeys.root(owner, 'unknown', 1), Buffer.from('of a site that is not taken over yet'))
  await objects.replace('ada/meta/root/x..y/00000001', Buffer.from('no root'))
  const stray = hashOf('stray')
  writeFileSync(tailFile(here.layout, stray), '')
  const late = new Date(Date.now() - 1_000)
  utimesSync(tailFile(here.layout, stray), late, late)
  pass(graceMs)
  await site.publish({ ...whole(await send(here.blobs, { a: 'c' })), atMs: env.now() })
  const done = await collect({ ...with_(here), epoch })
  t.match(done, { roots: 1 })
  const roots = await Array.fromAsync(objects.list(objectKeys.ownerRoots(owner)))
  t.same(
    roots.map(({ key }) => key),
    [
      objectKeys.root(owner, 'blog', 1),
      objectKeys.root(owner, 'blog', 2),
      objectKeys.root(owner, 'unknown', 1),
      'ada/meta/root/x..y/00000001',
    ],
  )
  t.notOk(readdirSync(here.layout.tails).includes(stray))
  t.equal(readdirSync(join(here.layout.tails)).length > 0, true, 'tails in use stay')
  await collect({ ...with_(here), epoch })
  t.equal(await objects.stat(objectKeys.root(owner, 'blog', 1)), undefined, 'a root of an earlier epoch goes')
})

t.test('a root that a crash has left behind its site is written anew before anything is removed', async (t) => {
  const { env, pass } = clock()
  const objects = await remoteFolder(env, await newFolder(t))
  const epoch = await claimEpoch({ objects, env, owner, storeId: 'test' })
  const here = await place(t, { env, objects: () => objects, epoch })
  const site = await here.open()
  const begunMs = env.now()
  await site.publish(whole(await send(here.blobs, { a: noise(1, 50_000) })))
  await site.checkpoint()
  const [root] = await Array.fromAsync(objects.list(objectKeys.roots(owner, 'blog')))
  // As by a process that was killed before its root followed; it had begun before the root above was written.
  const other = await here.open({ epoch: undefined })
  await other.publish({ ...whole(await send(here.blobs, { a: 'other' })), atMs: begunMs })
  await other.prune(one, { ...nextAct(), atMs: begunMs })
  const steps: string[] = []
  const watched = {
    ...objects,
    async replace(key: string, bytes: Uint8Array) {
      steps.push(key.includes('/root/') ? 'root' : key)
      await objects.replace(key, bytes)
    },
    async remove(keys: readonly string[]) {
      steps.push(`remove ${keys.length}`)
      await objects.remove(keys)
    },
  }
  t.match(await collect({ ...with_(here), objects: watched, epoch }), { roots: 1, waiting: 1 })
  pass(graceMs)
  t.match(await collect({ ...with_(here), objects: watched, epoch }), { removed: 1 })
  t.same([steps[0], steps.at(-1)], ['root', 'remove 1'])
  const after = await objects.stat(root?.key ?? '')
  t.not(after?.bytes, root?.bytes, 'the root tells of the other version')
})

t.test('a site at rest is merged into few segments', async (t) => {
  const { env, pass } = clock()
  const here = await place(t, { env })
  const site = await here.open()
  const full = { a: noise(1, 9_000_000), b: noise(2, 9_000_000), c: noise(3, 9_000_000), d: noise(4, 9_000_000) }
  for (const [path, content] of Object.entries(full))
    await site.publish({
      ...onBase(site.live?.version ?? 0, await send(here.blobs, { [path]: content })),
      atMs: env.now(),
    })
  for (let count = 0; count < 3; count += 1)
    await site.publish({
      ...onBase(site.live?.version ?? 0, await send(here.blobs, { [`${count}`]: `${count}` })),
      atMs: env.now(),
    })
  t.equal(site.objects.segments, 7, 'while it is published to, small ones are left')
  t.match(await collect(with_(here)), { compacted: 0 })
  pass(limits.store.restMs + 1)
  t.match(await collect(with_(here)), { compacted: 1 })
  await site.publish({ ...onBase(7, await send(here.blobs, { last: 'last' })), atMs: env.now() })
  t.equal(site.objects.segments, 6)
  t.equal(await site.compact(), true)
  t.equal(site.objects.segments, 5)
  t.equal(await site.compact(), false)
  t.equal(Object.keys(await contentsOf(here, site, 8)).length, 8)
})

t.test('an opening beside which another one has merged reads on when the old segments are gone', async (t) => {
  const { env, pass } = clock()
  const here = await place(t, { env })
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: noise(1, 50_000), b: 'b' })))
  await site.publish(onBase(1, [], ['a']))
  const cold = await openBlobs(env, layoutOf(await newFolder(t)), { maxBytes: 2 ** 40 })
  const behind = await here.open({ blobs: cold })
  t.match(await site.prune(one, nextAct()), { segmentsBefore: 2, segmentsAfter: 2 })
  await collect(with_(here))
  pass(graceMs)
  t.match(await collect(with_(here)), { removed: 1 })
  const found = await behind.find(2, 'b')
  t.equal(found?.hash, hashOf('b'))
  await behind.ensure(hashOf('b'))
  t.equal((await cold.read(hashOf('b'))).toString(), 'b')
})
