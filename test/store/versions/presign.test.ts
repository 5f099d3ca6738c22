import { rmSync } from 'node:fs'
import t, { type Test } from 'tap'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import { openKeyring } from '../../../store/segments/keyring.ts'
import { presignUpload } from '../../../store/versions/presign.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { contentsOf, fileOf, hashOf, newFolder, onBase, owner, place, whole } from './fixtures/place.ts'
import { type RemoteFolder, remoteFolder } from './fixtures/remote-folder.ts'

const env = nodeEnvironment

/** A bucket to which clients can send; who has a URL puts what he likes. */
async function open(t: Test): Promise<RemoteFolder> {
  const objects = await remoteFolder(env, await newFolder(t))
  objects.presign = async (key) => ({ url: `https://bucket/${key}`, headers: {}, untilMs: 1 })
  return objects
}

t.test('a content that was sent to the bucket is published once it was read and checked', async (t) => {
  const objects = await open(t)
  const here = await place(t, { objects: () => objects })
  const site = await here.open()
  const large = Buffer.alloc(limits.segment.bareBytes + 5, 'large')
  const small = Buffer.alloc(2_000, 'small')
  const files = [fileOf('large', large), fileOf('small', small)]
  for (const { hash, bytes } of files) {
    const { url } = await presignUpload({ objects, keyring: undefined, owner, name: 'blog' }, { hash, bytes })
    t.equal(url, `https://bucket/${objectKeys.large(owner, 'blog', hash)}`)
  }
  t.equal((await site.missing(files)).length, 2)
  for (const content of [large, small])
    await objects.create(objectKeys.large(owner, 'blog', hashOf(content)), { bytes: content })
  t.same(await site.missing(files), [])
  objects.reset()
  await site.publish(whole(files))
  t.same(objects.requests, { LIST: 1, GET: 2, PUT: 1 }, 'each was read once; only the segment is new')
  t.equal((await contentsOf(here, site, 1))['large']?.length, large.length)
  rmSync(here.layout.blobs, { recursive: true })
  const fresh = await place(t, { folder: here.layout.root, store: async () => here.store, objects: () => objects })
  t.same(Object.values(await contentsOf(fresh, await fresh.open(), 1)), [large.toString(), small.toString()])
})

t.test('what was sent is another content, or of another length: it is missing, and goes', async (t) => {
  const objects = await open(t)
  const here = await place(t, { objects: () => objects })
  const site = await here.open()
  const right = Buffer.alloc(limits.segment.bareBytes + 5, 'right')
  const file = fileOf('a', right)
  const key = objectKeys.large(owner, 'blog', file.hash)
  await objects.create(key, { bytes: Buffer.from('short') })
  t.same(await site.missing([file]), [file.hash], 'its length tells')
  await objects.replace(key, Buffer.alloc(right.length, 'wrong'))
  t.same(await site.missing([file]), [])
  await t.rejects(site.publish(whole([file])), { code: 'ERR_BLOB_MISSING', details: { missing: [file.hash] } })
  t.equal(await objects.stat(key), undefined, 'so that it can be sent again')
  t.equal(site.live, undefined)
  await objects.replace(key, right)
  t.match(await site.publish(onBase(0, [file])), { record: { version: 1 } })
  const gone = fileOf('b', Buffer.alloc(right.length, 'gone'))
  await objects.replace(objectKeys.large(owner, 'blog', gone.hash), Buffer.alloc(right.length, 'gone'))
  objects.stream = async function* () {
    await objects.remove([objectKeys.large(owner, 'blog', gone.hash)])
    yield* (await remoteFolder(env, await newFolder(t))).stream('nobody')
  } as never
  t.equal(await codeOf(site.publish(onBase(1, [gone]))), 'ERR_BLOB_MISSING', 'one that went in between')
})

t.test('an object that a version names is not removed because it was read wrongly', async (t) => {
  const objects = await open(t)
  const here = await place(t, { objects: () => objects })
  const site = await here.open()
  const large = Buffer.alloc(limits.segment.bareBytes + 5, 'large')
  const file = fileOf('a', large)
  const key = objectKeys.large(owner, 'blog', file.hash)
  await objects.create(key, { bytes: large })
  await site.publish(whole([file]))
  rmSync(here.layout.blobs, { recursive: true })
  objects.spoil = (_, bytes) => Buffer.alloc(bytes.length, 'wrong')
  t.equal(await codeOf(site.ensure(file.hash)), 'ERR_BLOB_CORRUPT')
  await t.rejects(site.publish(whole([file])), { code: 'ERR_BLOB_MISSING', details: { missing: [file.hash] } })
  t.ok(await objects.stat(key), 'perhaps it was only the way here')
  objects.spoil = undefined
  t.equal((await contentsOf(here, site, 1))['a'], large.toString())
})

t.test('a URL is refused where bytes may not come that way', async (t) => {
  const objects = await open(t)
  const upload = { hash: hashOf('a'), bytes: 1 }
  const parts = { objects, keyring: undefined, owner, name: 'blog' }
  const keyring = openKeyring([Buffer.alloc(32, 1)])
  await t.rejects(presignUpload({ ...parts, keyring }, upload), { code: 'ERR_BAD_REQUEST', message: /encrypted/ })
  const local = await place(t)
  await t.rejects(presignUpload({ ...parts, objects: local.objects }, upload), {
    code: 'ERR_BAD_REQUEST',
    message: /not in a bucket/,
  })
  for (const bytes of [-1, 0.5, Number.NaN, limits.tree.fileBytes + 1])
    t.equal(await codeOf(presignUpload(parts, { ...upload, bytes })), 'ERR_BAD_REQUEST')
  t.equal(await codeOf(presignUpload(parts, { hash: '../x', bytes: 1 })), 'ERR_BAD_REQUEST')
  t.equal(await codeOf(presignUpload({ ...parts, name: '../x' }, upload)), 'ERR_BAD_REQUEST')
})

t.test('with encryption nobody looks at what lies in the bucket plain', async (t) => {
  const objects = await open(t)
  const keyring = openKeyring([Buffer.alloc(32, 1)])
  const here = await place(t, { objects: () => objects, keyring })
  const file = fileOf('a', 'plain')
  await objects.create(objectKeys.large(owner, 'blog', file.hash), { bytes: Buffer.from('plain') })
  t.same(await (await here.open()).missing([file]), [file.hash])
})
