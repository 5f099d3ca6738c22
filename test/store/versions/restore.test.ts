import { createHash } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import { type Keyring, openKeyring } from '../../../store/segments/keyring.ts'
import { collect } from '../../../store/versions/collect.ts'
import { claimEpoch } from '../../../store/versions/epoch.ts'
import { readBucket, restoreSite } from '../../../store/versions/restore.ts'
import { codeOf } from '../fixtures/drivers.ts'
import {
  contentsOf,
  logPath,
  newFolder,
  nextAct,
  onBase,
  owner,
  type Place,
  place,
  send,
  whole,
} from './fixtures/place.ts'
import { type RemoteFolder, remoteFolder } from './fixtures/remote-folder.ts'

const env = nodeEnvironment

/** A machine with the bucket `objects`; its store and disk are empty. */
async function machine(t: Test, objects: RemoteFolder, keyring?: Keyring): Promise<Place> {
  const epoch = await claimEpoch({ objects, env, owner, storeId: 'test' })
  return place(t, { objects: () => objects, epoch, ...(keyring && { keyring }) })
}

/** What a site is restored with. */
function into(here: Place, keyring?: Keyring, name = 'blog') {
  return { ...here, handle: here.store.root, keyring, owner, name }
}

const rootKey = objectKeys.root(owner, 'blog', 1)

t.test('an empty machine shows a page after three requests, and is whole after nine', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await machine(t, objects)
  const site = await here.open()
  await site.publish(
    whole(await send(here.blobs, { 'index.html': 'home', 'a/b.css': 'css'.repeat(1_000_000), same: 'x' })),
  )
  for (let count = 1; count <= 20; count += 1)
    await site.publish(onBase(count, await send(here.blobs, { [`${count}.html`]: `page ${count} `.repeat(100_000) })))
  await site.pin({ name: 'tag:x', version: 3, untilMs: undefined }, nextAct())
  await site.checkpoint()
  t.ok(site.objects.segments >= 2)

  const cold = await machine(t, objects)
  objects.reset()
  const { sites } = await readBucket(objects, owner)
  t.same([...sites], [['blog', rootKey]])
  t.equal(await restoreSite(into(cold), sites.get('blog') ?? ''), true)
  const again = await cold.open()
  const file = await again.find(21, 'index.html')
  await again.ensure(file?.hash ?? '')
  t.equal((await cold.blobs.read(file?.hash ?? '')).toString(), 'home')
  t.same(objects.requests, { LIST: 1, GET: 2 })
  await again.ensureAll(21)
  t.ok((objects.requests['GET'] ?? 0) <= 8, `${objects.requests['GET']} reads`)
  objects.reset()
  t.equal(Object.keys(await contentsOf(cold, again, 21)).length, 23)
  t.same(objects.requests, {}, 'it is whole')

  t.equal(await restoreSite(into(cold), rootKey), false, 'where the log says something, the root says nothing')
  const facts = ({ ts: _, ...record }: { ts: unknown }) => record
  t.same(again.versions.map(facts), site.versions.map(facts))
  t.same(facts(again.live ?? { ts: '' }), facts(site.live ?? { ts: '' }))
  t.same(again.pins, site.pins)
  t.same(await contentsOf(cold, again, 3), await contentsOf(here, site, 3), 'old versions come, too')
  const { record } = await again.publish(onBase(21, await send(cold.blobs, { new: 'new' })))
  t.equal(record.version, 22)
  await again.checkpoint()
  t.same(await readBucket(objects, owner), {
    epochs: [1, 2],
    sites: new Map([['blog', objectKeys.root(owner, 'blog', 2)]]),
  })
})

t.test('a root follows every change, one at a time, and goes with the site', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await machine(t, objects)
  const site = await here.open()
  objects.reset()
  for (let count = 0; count < 5; count += 1) await site.publish(whole(await send(here.blobs, { a: `${count}` })))
  await site.checkpoint()
  t.ok(objects.asked.filter((asked) => asked === `PUT ${rootKey}`).length <= 2, 'several changes are one root')
  objects.reset()
  await site.checkpoint()
  t.same(objects.requests, {}, 'one that is there is not written again')
  await site.activate(2, nextAct())
  await site[Symbol.asyncDispose]()
  const cold = await machine(t, objects)
  await restoreSite(into(cold), rootKey)
  const again = await cold.open()
  t.equal(again.live?.version, 2, 'the end waits for what is due')
  await again.delete(nextAct())
  await again.checkpoint()
  t.same([...(await readBucket(objects, owner)).sites], [], 'also that of an earlier epoch')
})

t.test('who only looks writes no root, and of two openings none puts an older state in place of a newer', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await machine(t, objects)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: '1' })))
  await site.checkpoint()
  const behind = await here.open()
  objects.reset()
  await (await here.open())[Symbol.asyncDispose]()
  t.same(objects.requests, {})
  await site.publish(whole(await send(here.blobs, { a: '2' })))
  await site.checkpoint()
  await behind.checkpoint()
  t.match(decoded(await objects.read(rootKey)), { live: 2 })
})

t.test('a root of a large site has no catalog, and one with many versions fewer of them', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await machine(t, objects)
  const site = await here.open()
  const many = Object.fromEntries(
    Array.from({ length: limits.store.rootFiles + 1 }, (_, index) => [`${index}`, 'same']),
  )
  await site.publish(whole(await send(here.blobs, many)))
  for (let count = 1; count <= 3; count += 1)
    await site.publish({
      ...onBase(count, await send(here.blobs, { [`${count}`]: `${count}` })),
      message: 'm'.repeat(900),
    })
  await site.checkpoint()
  const cold = await machine(t, objects)
  await restoreSite(into(cold), rootKey)
  const again = await cold.open()
  t.equal(Object.keys(await contentsOf(cold, again, 4)).length, limits.store.rootFiles + 1)
  const part = (text: string) => createHash('sha512').update(text).digest('base64')
  const messages = Array.from({ length: 300 }, (_, index) =>
    Array.from({ length: 10 }, (_, place) => part(`${index} ${place}`)).join(''),
  )
  for (const [index, message] of messages.entries())
    await again.publish({ ...whole(await send(cold.blobs, { a: `${index % 2}` })), message })
  await again.checkpoint()
  const key = objectKeys.root(owner, 'blog', 2)
  t.ok(((await objects.stat(key))?.bytes ?? 0) <= limits.store.rootBytes)
  const late = await machine(t, objects)
  await restoreSite(into(late), key)
  const short = await late.open()
  t.ok(short.versions.length < again.versions.length && short.versions.length > 10, `${short.versions.length} are left`)
  t.equal(short.live?.version, again.live?.version)
  t.same(await contentsOf(late, short, 304), { a: '1' })
})

t.test('with encryption roots are sealed, for their place alone', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const keyring = openKeyring([Buffer.alloc(32, 7)])
  const here = await machine(t, objects, keyring)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { 'secret-name.html': 'a' })))
  await site.checkpoint()
  const bytes = await objects.read(rootKey)
  t.equal(zstdAfterLine(bytes), undefined)
  const cold = await machine(t, objects, keyring)
  t.equal(await codeOf(restoreSite(into(cold), rootKey)), 'ERR_KEY_MISSING')
  const other = openKeyring([Buffer.alloc(32, 8)])
  t.equal(await codeOf(restoreSite(into(cold, other), rootKey)), 'ERR_KEY_MISSING')
  const moved = objectKeys.root(owner, 'blog', 9)
  await objects.replace(moved, bytes)
  t.equal(await codeOf(restoreSite(into(cold, keyring), moved)), 'ERR_BLOB_CORRUPT')
  await objects.replace(moved, encoded(decoded(await plainRoot(t))))
  t.equal(await codeOf(restoreSite(into(cold, keyring), moved)), 'ERR_DATA_FORMAT', 'plain ones are not taken')
  t.equal(await restoreSite(into(cold, keyring), rootKey), true)
  t.same(await contentsOf(cold, await cold.open({ keyring }), 1), { 'secret-name.html': 'a' })
})

const tampered: { name: string; change: (root: Json) => unknown; code?: string }[] = [
  { name: 'of another site', change: (root) => ({ ...root, site: 'shop' }) },
  { name: 'of another owner', change: (root) => ({ ...root, owner: 'bob' }) },
  { name: 'with an unknown property', change: (root) => ({ ...root, x: 1 }) },
  { name: 'of a later format', change: (root) => ({ ...root, format: 2 }) },
  { name: 'whose live version is not there', change: (root) => ({ ...root, live: 7 }) },
  { name: 'without versions', change: (root) => ({ ...root, versions: [] }) },
  { name: 'with a pin of nothing', change: (root) => ({ ...root, pins: [{ name: 'x', version: 9 }] }) },
  { name: 'with a segment that cannot be', change: (root) => ({ ...root, segments: [{ id: 'x' }] }) },
  {
    name: 'with a catalog of other files',
    change: (root) => ({ ...root, catalog: { ...root.catalog, files: root.catalog.files.slice(1) } }),
  },
  {
    name: 'with a path that climbs',
    code: 'ERR_PUBLISH_REFUSED',
    change: (root) => ({ ...root, catalog: { ...root.catalog, files: [['../x', ...root.catalog.files[0].slice(1)]] } }),
  },
  { name: 'that is no object', change: () => [] },
]
for (const { name, change, code = 'ERR_DATA_FORMAT' } of tampered) {
  t.test(`a root ${name} is refused, and nothing is written`, async (t) => {
    const objects = await remoteFolder(env, await newFolder(t))
    const cold = await machine(t, objects)
    await objects.replace(rootKey, encoded(change(decoded(await plainRoot(t)))))
    t.equal(await codeOf(restoreSite(into(cold), rootKey)), code)
    t.same(await cold.store.list(cold.store.root, '/sites'), [])
  })
}

t.test('bytes that are no root are refused', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const cold = await machine(t, objects)
  const bytes = await plainRoot(t)
  t.equal(await codeOf(restoreSite(into(cold), rootKey)), 'ERR_NOT_FOUND')
  const hostile = [
    ['nothing', Buffer.alloc(0), 'ERR_DATA_FORMAT'],
    ['a line', Buffer.from('grove root 1 '), 'ERR_DATA_FORMAT'],
    ['a long line', Buffer.alloc(300_000, 'grove root 1 '), 'ERR_DATA_FORMAT'],
    ['cut off', bytes.subarray(0, bytes.length - 1), 'ERR_BLOB_CORRUPT'],
    ['a bit', Buffer.from(bytes.map((byte, index) => (index === 200 ? byte ^ 1 : byte))), 'ERR_BLOB_CORRUPT'],
    ['not zstd', signed(Buffer.from('{}')), 'ERR_DATA_FORMAT'],
    ['too long', signed(zstdCompressSync(Buffer.alloc(limits.store.rootTextBytes + 1, ' '))), 'ERR_DATA_FORMAT'],
    ['sealed', Buffer.concat([Buffer.from('GROVESLD'), Buffer.alloc(200)]), 'ERR_KEY_MISSING'],
  ] as const
  for (const [name, value, code] of hostile) {
    await objects.replace(rootKey, value)
    t.equal(await codeOf(restoreSite(into(cold), rootKey)), code, name)
  }
})

t.test('a catalog that tells wrong places costs requests, and gives no wrong content', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await machine(t, objects)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'content of a', b: 'content of b', c: 'c'.repeat(2_000_000) })))
  await site.checkpoint()
  const root = decoded(await objects.read(rootKey))
  const [a, b, c] = root.catalog.files as unknown[][]
  const swapped = [
    [...(a ?? []).slice(0, 3), ...(b ?? []).slice(3)],
    [...(b ?? []).slice(0, 3), ...(a ?? []).slice(3)],
    [...(c ?? []).slice(0, 7), 2 ** 40],
  ]
  await objects.replace(rootKey, encoded({ ...root, catalog: { ...root.catalog, files: swapped } }))
  const cold = await machine(t, objects)
  await restoreSite(into(cold), rootKey)
  const again = await cold.open()
  t.same(await contentsOf(cold, again, 1), { a: 'content of a', b: 'content of b', c: 'c'.repeat(2_000_000) })
})

interface Json {
  readonly catalog: { readonly files: unknown[][] & { 0: unknown[] } }
  readonly [key: string]: unknown
}

async function plainRoot(t: Test): Promise<Buffer> {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await machine(t, objects)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'a', b: 'b' })))
  await site.checkpoint()
  return objects.read(rootKey)
}

function zstdAfterLine(bytes: Buffer): Buffer | undefined {
  return bytes.toString('latin1', 0, 10) === 'grove root' ? bytes.subarray(bytes.indexOf('\n') + 1) : undefined
}

function decoded(bytes: Buffer): Json {
  return JSON.parse(zstdDecompressSync(zstdAfterLine(bytes) ?? Buffer.alloc(0)).toString())
}

function encoded(root: unknown): Buffer {
  return signed(zstdCompressSync(Buffer.from(JSON.stringify(root))))
}

function signed(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`grove root 1 ${createHash('sha256').update(body).digest('hex')}\n`), body])
}

t.test('who is taken over in the moment between look and write takes away nothing of the newer store', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  // As if both looks had come before the newer store was there.
  const late = { number: 1, check: async () => {} }
  const here = await place(t, { objects: () => objects, epoch: late })
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'a' })))
  await site.checkpoint()
  const newer = objectKeys.root(owner, 'blog', 2)
  await objects.replace(newer, Buffer.from('of a newer store'))
  await site.delete(nextAct())
  await site.checkpoint()
  t.equal(await objects.stat(rootKey), undefined)
  t.ok(await objects.stat(newer))
  await collect({ ...into(here), epoch: late })
  t.ok(await objects.stat(newer))
})

t.test('a root that cannot be written is tried again, until it is or the site is closed', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const retried = Promise.withResolvers<void>()
  const patient: Environment = {
    ...env,
    async sleep(ms, signal) {
      if (ms === 60_000) await retried.promise
      else await env.sleep(ms, signal)
    },
  }
  const away = { isAway: true }
  const sometimes: typeof objects = Object.assign(Object.create(objects), {
    async replace(key: string, bytes: Uint8Array) {
      if (away.isAway) throw new GroveError('ERR_OBJECTS', 'the bucket is away')
      await objects.replace(key, bytes)
      written.resolve()
    },
  })
  const written = Promise.withResolvers<void>()
  const epoch = await claimEpoch({ objects, env, owner, storeId: 'test' })
  const here = await place(t, { env: patient, objects: () => sometimes, epoch })
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'a' })))
  while (here.failures.length === 0) await env.turn()
  t.match(here.failures, [{ code: 'ERR_OBJECTS' }])
  away.isAway = false
  retried.resolve()
  await written.promise
  t.ok(await objects.stat(rootKey))
})

t.test('a root whose text nobody would read tells of fewer versions', async (t) => {
  const objects = await remoteFolder(env, await newFolder(t))
  const here = await machine(t, objects)
  const site = await here.open()
  const { record } = await site.publish(whole(await send(here.blobs, { a: 'a' })))
  const [segment] = await Array.fromAsync(objects.list(objectKeys.segments(owner, 'blog')))
  t.ok(segment)
  await using log = await here.store.open(here.store.root, logPath)
  const [entry] = await Array.fromAsync(log.read())
  const { segments, bare } = JSON.parse(Buffer.from(entry?.data ?? '').toString())
  const { ts, ...about } = record
  const versions = Array.from({ length: 2_800 }, (_, index) => ({
    ...about,
    version: index + 1,
    message: '\u0001'.repeat(limits.tree.messageChars),
  }))
  const merge = {
    format: 2,
    kind: 'merge',
    atMs: 1,
    lastVersion: 2_800,
    live: 2_800,
    versions,
    pins: [],
    segments,
    bare,
  }
  await log.write(Buffer.from(JSON.stringify(merge)), { expect: ts })
  await site.pin({ name: 'tag:x', version: 2_800, untilMs: undefined }, nextAct())
  await site.checkpoint()
  const cold = await machine(t, objects)
  t.equal(await restoreSite(into(cold), rootKey), true)
  const again = await cold.open()
  t.equal(again.live?.version, 2_800)
  t.ok(again.versions.length >= 1_000)
})
