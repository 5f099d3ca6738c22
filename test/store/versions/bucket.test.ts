import t, { type Test } from 'tap'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import type { Objects } from '../../../store/objects/objects.ts'
import { s3Objects } from '../../../store/objects/s3-objects.ts'
import type { S3Options } from '../../../store/objects/s3-options.ts'
import { claimEpoch } from '../../../store/versions/epoch.ts'
import { presignUpload } from '../../../store/versions/presign.ts'
import { readBucket, restoreSite } from '../../../store/versions/restore.ts'
import { type FaultyProxy, startFaultyProxy } from '../../services/faulty-proxy.ts'
import { startS3 } from '../../services/s3.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { contentsOf, fileOf, hashOf, noise, onBase, owner, type Place, place, send, whole } from './fixtures/place.ts'

const env = nodeEnvironment
t.setTimeout(300_000)
const server = await startS3(t)
const quick = { ...limits.objects, firstRetryMs: 1, longestRetryMs: 4, answerMs: 5_000, idleMs: 1_000 }

interface Bucket {
  readonly options: S3Options
  readonly proxy: FaultyProxy
  open(): Objects
}

async function bucket(t: Test): Promise<Bucket> {
  const proxy = await startFaultyProxy(server.endpoint)
  t.teardown(() => proxy[Symbol.asyncDispose]())
  const options = { ...server, bucket: await server.bucket(), prefix: 'grove' }
  return { options, proxy, open: () => s3Objects({ ...options, endpoint: proxy.url }, env, quick) }
}

async function machine(t: Test, { open }: Bucket): Promise<Place> {
  const objects = open()
  const epoch = await claimEpoch({ objects, env, owner, storeId: 'test' })
  return place(t, { objects: () => objects, epoch })
}

const into = (here: Place) => ({ ...here, handle: here.store.root, keyring: undefined, owner, name: 'blog' })

t.test('a site is published to a bucket, and comes back from it with few requests', async (t) => {
  const far = await bucket(t)
  const here = await machine(t, far)
  const site = await here.open()
  const contents = Object.fromEntries(
    Array.from({ length: 200 }, (_, index) => [`d${index % 9}/${index}.html`, noise(index, 5_000)]),
  )
  await site.publish(whole(await send(here.blobs, { 'index.html': 'home', ...contents })))
  await site.checkpoint()
  far.proxy.forget()
  await site.publish(onBase(1, await send(here.blobs, { 'd1/1.html': 'new', 'd2/2.html': 'new too' })))
  await site.checkpoint()
  t.equal(far.proxy.count('PUT'), 2, 'a segment and a root')
  for (let count = 2; count < 12; count += 1)
    await site.publish(onBase(count, await send(here.blobs, { [`${count}.html`]: noise(count, 1_000) })))
  await site.checkpoint()

  const cold = await machine(t, far)
  far.proxy.forget()
  const { sites } = await readBucket(cold.objects, owner)
  await restoreSite(into(cold), sites.get('blog') ?? '')
  const again = await cold.open()
  const page = await again.find(12, 'index.html')
  await again.ensure(page?.hash ?? '')
  t.equal((await cold.blobs.read(page?.hash ?? '')).toString(), 'home')
  t.equal(far.proxy.count(), 3, 'the first page')
  await again.ensureAll(12)
  t.ok(far.proxy.count() <= 9, `whole after ${far.proxy.count()}`)
  far.proxy.forget()
  t.same(await contentsOf(cold, again, 12), await contentsOf(here, site, 12))
  t.equal(far.proxy.count(), 0)
})

t.test('a cache that is too small refills itself', async (t) => {
  const far = await bucket(t)
  const objects = far.open()
  const here = await place(t, { objects: () => objects, maxBytes: 100_000 })
  const site = await here.open()
  const contents = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`${index}`, noise(index, 60_000)]))
  await site.publish(whole(await send(here.blobs, contents)))
  for (let round = 0; round < 2; round += 1)
    for (const [path, content] of Object.entries(contents)) {
      const hash = hashOf(content)
      await site.ensure(hash)
      t.ok((await here.blobs.read(hash)).equals(content), path)
      await here.blobs.evict()
    }
  t.ok((await here.blobs.evict()).keptBytes <= 100_000)
  t.same(here.failures, [])
})

t.test('a bucket on bad days: correct, or a clear error, never wrong content', async (t) => {
  const far = await bucket(t)
  const here = await machine(t, far)
  const site = await here.open()
  const large = noise(5, limits.segment.bareBytes + 77)
  far.proxy.rule({ kind: 'PUT', times: 3, fault: { do: 'answer', status: 503, code: 'SlowDown' } })
  far.proxy.rule({ kind: 'PUT', nth: 5, fault: { do: 'answer', status: 409, code: 'ConditionalRequestConflict' } })
  far.proxy.rule({ kind: 'PUT', nth: 7, fault: { do: 'cut', when: 'after' } })
  await site.publish(whole(await send(here.blobs, { a: noise(1, 2_000_000), b: 'b', large })))
  await site.checkpoint()
  far.proxy.heal()
  const wanted = await contentsOf(here, site, 1)

  const faults = [
    { do: 'half' },
    { do: 'flip' },
    { do: 'cut', when: 'before' },
    { do: 'answer', status: 503, code: 'SlowDown' },
    { do: 'answer', status: 500 },
  ] as const
  for (const fault of faults) {
    const cold = await machine(t, far)
    const roots = [objectKeys.root(owner, 'blog', 1)]
    far.proxy.rule({ kind: 'GET', key: '/seg/', fault })
    far.proxy.rule({ kind: 'GET', key: '/big/', fault })
    await restoreSite(into(cold), roots[0] ?? '')
    t.same(await contentsOf(cold, await cold.open(), 1), wanted, `one ${JSON.stringify(fault)}`)
    far.proxy.heal()
    const never = await machine(t, far)
    await restoreSite(into(never), roots[0] ?? '')
    far.proxy.rule({ kind: 'GET', times: 1_000, fault })
    const again = await never.open()
    for (const { hash } of await Array.fromAsync(again.files(1))) {
      t.match(await codeOf(again.ensure(hash)), /^ERR_(BLOB_CORRUPT|OBJECTS)/, JSON.stringify(fault))
      t.equal(await never.blobs.isCached(hash), false)
    }
    far.proxy.heal()
    t.same(await contentsOf(never, again, 1), wanted, 'and all is well when the bucket is')
  }
})

t.test('a publish to a bucket that is away changes nothing; tried again, it is one version', async (t) => {
  const far = await bucket(t)
  const here = await machine(t, far)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: '1' })))
  await site.checkpoint()
  far.proxy.rule({ times: 1_000, fault: { do: 'answer', status: 503, code: 'SlowDown' } })
  const second = whole(await send(here.blobs, { a: '2' }))
  t.match(await codeOf(site.publish(second)), /^ERR_OBJECTS/)
  t.equal(site.live?.version, 1)
  t.same(await contentsOf(here, site, 1), { a: '1' }, 'what is live is served from here')
  far.proxy.heal()
  t.match(await site.publish(second), { record: { version: 2 } })
  far.proxy.rule({
    kind: 'PUT',
    key: '/meta/root/',
    times: 1_000,
    fault: { do: 'answer', status: 503, code: 'SlowDown' },
  })
  t.match(await site.publish(whole(await send(here.blobs, { a: '3' }))), { record: { version: 3 } }, 'the log decides')
  t.match(await codeOf(site.checkpoint()), /^ERR_OBJECTS/)
  far.proxy.heal()
  await site.checkpoint()
  const cold = await machine(t, far)
  await restoreSite(into(cold), objectKeys.root(owner, 'blog', 1))
  t.same(await contentsOf(cold, await cold.open(), 3), { a: '3' })
})

t.test('a large content goes straight to the bucket, and wrong bytes do not get in', async (t) => {
  const far = await bucket(t)
  const here = await machine(t, far)
  const site = await here.open()
  const large = noise(1, limits.segment.bareBytes + 10)
  const file = fileOf('large', large)
  const upload = async (body: Buffer) => {
    const { url, headers } = await presignUpload({ ...into(here) }, file)
    return (await fetch(url, { method: 'PUT', headers, body: Uint8Array.from(body) })).status
  }
  t.ok((await upload(Buffer.alloc(large.length, 'x'))) >= 400)
  t.same(await site.missing([file]), [file.hash])
  t.equal(await upload(large), 200)
  t.same(await site.missing([file]), [])
  far.proxy.forget()
  await site.publish(whole([file]))
  t.equal(
    far.proxy.seen.filter(({ kind, key }) => kind === 'PUT' && key.includes('/big/')).length,
    0,
    'it is not sent again',
  )
  t.ok((await here.blobs.read(file.hash)).equals(large))
})
