import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { blobFile, layoutOf, tailFile, uploadFile } from '../../../core/layout.ts'
import { limits } from '../../../core/limits.ts'
import { type Blobs, openBlobs } from '../../../store/contents/blobs.ts'
import { localItem, nodeItem, type PackItem } from '../../../store/contents/pack.ts'
import { SiteContents } from '../../../store/contents/site-contents.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { folderObjects } from '../../../store/objects/folder-objects.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import type { Objects } from '../../../store/objects/objects.ts'
import { type Keyring, openKeyring } from '../../../store/segments/keyring.ts'
import type { BareRef, SegmentRef } from '../../../store/segments/segment.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { fileOf, hashOf, newFolder, noise } from '../versions/fixtures/place.ts'
import { type RemoteFolder, remoteFolder } from '../versions/fixtures/remote-folder.ts'

const env = nodeEnvironment
const log = '/sites/ada/blog/versions'

interface Machine<O extends Objects> {
  readonly blobs: Blobs
  readonly contents: SiteContents
  readonly objects: O
  readonly layout: ReturnType<typeof layoutOf>
  readonly segments: SegmentRef[]
  readonly bare: BareRef[]
  /** Sends contents, and packs them with some nodes. */
  pack(contents: Record<string, string | Buffer>, nodes?: readonly string[]): Promise<void>
}

async function machine<O extends Objects>(t: Test, objects: O, keyring?: Keyring): Promise<Machine<O>> {
  const layout = layoutOf(await newFolder(t))
  const blobs = await openBlobs(env, layout, { maxBytes: 2 ** 40 })
  t.teardown(() => blobs[Symbol.asyncDispose]())
  const parts = { env, objects, blobs, keyring, owner: 'ada', site: 'blog', context: { owner: 'ada', log } }
  const contents = new SiteContents(parts)
  const segments: SegmentRef[] = []
  const bare: BareRef[] = []
  return {
    blobs,
    contents,
    objects,
    layout,
    segments,
    bare,
    async pack(texts, nodes = []) {
      const items: PackItem[] = []
      for (const [path, text] of Object.entries(texts)) {
        await blobs.putBytes(Buffer.from(text))
        items.push(localItem({ blobs }, fileOf(path, text)))
      }
      for (const node of nodes) items.push(nodeItem(hashOf(node), Buffer.from(node)))
      const packed = await contents.pack({ items, lo: 1, hi: 1 })
      segments.push(...packed.segments)
      bare.push(...packed.bare)
      packed.release()
      contents.use(segments, bare)
    },
  }
}

/** Another machine on the same objects, with nothing on its disk. */
async function cold<O extends Objects>(t: Test, other: Machine<O>, keyring?: Keyring): Promise<Machine<O>> {
  const here = await machine(t, other.objects, keyring)
  here.contents.use(other.segments, other.bare)
  return here
}

const remote = async (t: Test) => remoteFolder(env, await newFolder(t))
const filesOf = async function* (...texts: (string | Buffer)[]) {
  for (const text of texts) yield { hash: hashOf(text), bytes: text.length }
}
const large = Buffer.alloc(limits.segment.bareBytes + 10, 'large content ')
const big = (letter: string) => noise(letter.charCodeAt(0), 1_500_000).toString('base64')

for (const [name, keyring] of [
  ['plain', undefined],
  ['sealed', openKeyring([Buffer.alloc(32, 1)])],
] as const) {
  t.test(`${name}: what was packed is found, and comes to a cold machine`, async (t) => {
    for (const objects of [await remote(t), await folderObjects(env, await newFolder(t))]) {
      const here = await machine(t, objects, keyring)
      await here.pack({ 'a.html': 'a', large, 'b.css': 'b' }, ['node 1', 'node 2'])
      await here.pack({ c: 'c', twice: 'a' }, ['node 3'])
      t.same([here.segments.length, here.bare.length], [2, 1])
      t.same(readdirSync(here.layout.temporary), [])
      const there = await cold(t, here, keyring)
      t.match(await there.contents.find(hashOf('a')), { kind: 'frame', frame: { bytes: 1, kind: 'content' } })
      t.match(await there.contents.find(hashOf(large)), { kind: 'large', ref: { bytes: large.length } })
      t.equal(await there.contents.find(hashOf('nobody')), undefined)
      t.equal(Buffer.from(await there.contents.node(hashOf('node 3'))).toString(), 'node 3')
      t.equal(await codeOf(there.contents.node(hashOf('nobody'))), 'ERR_BLOB_MISSING')
      t.equal(
        await codeOf(there.contents.node(hashOf(large))),
        'ERR_BLOB_MISSING',
        'no content that is so large is a node',
      )
      for (const text of ['a', 'b', 'c', large]) {
        await there.contents.ensure(hashOf(text))
        t.equal(await there.blobs.isCached(hashOf(text)), true)
        t.ok((await there.blobs.read(hashOf(text))).equals(Buffer.from(text)))
      }
      t.equal(await codeOf(there.contents.ensure(hashOf('nobody'))), 'ERR_BLOB_MISSING')
      await there.contents.ensureAll(filesOf('a', 'b', large))
    }
  })
}

t.test('a small segment in a bucket is one request for all that is asked for at one time', async (t) => {
  const here = await machine(t, await remote(t))
  await here.pack(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`${index}`, `text ${index}`])), ['node'])
  const there = await cold(t, here)
  here.objects.reset()
  await Promise.all(Array.from({ length: 50 }, (_, index) => there.contents.ensure(hashOf(`text ${index}`))))
  t.same(here.objects.requests, { GET: 2 }, 'the tail, which tells where they are, and the segment')
  await there.contents.node(hashOf('node'))
  t.same(here.objects.requests, { GET: 2 })
  t.equal(await there.blobs.isCached(hashOf('node')), false, 'nodes are not for fronts')
})

t.test('one content of a large segment is one range, also for many who want it', async (t) => {
  const here = await machine(t, await remote(t))
  await here.pack({
    x: big('x'),
    y: big('y'),
    z: big('z'),
  })
  t.ok((here.segments[0]?.bytes ?? 0) > limits.store.wholeFetchBytes)
  const there = await cold(t, here)
  await there.contents.find(hashOf('nobody'))
  here.objects.reset()
  await Promise.all(Array.from({ length: 20 }, () => there.contents.ensure(hashOf(big('x')))))
  t.same(here.objects.requests, { GET: 1 })
  await there.contents.ensureAll(filesOf(big('x'), big('y')))
  t.same(here.objects.requests, { GET: 2 }, 'one that lacks is no reason to fetch all')
  const late = await cold(t, here)
  here.objects.reset()
  await late.contents.fetchUnknown(2 ** 30)
  t.same(here.objects.requests, { GET: 1 })
  t.equal(await late.blobs.isCached(hashOf(big('y'))), true)
  await late.contents.fetchUnknown(2 ** 30)
  t.same(here.objects.requests, { GET: 1 }, 'what is known is not fetched again')
  const thrifty = await cold(t, here)
  await thrifty.contents.fetchUnknown(1_000)
  t.same(here.objects.requests, { GET: 1 }, 'nor is what is too much')
})

t.test('segments are fetched whole by who wants many of their contents', async (t) => {
  const here = await machine(t, await remote(t))
  const texts = Array.from({ length: 40 }, (_, index) => noise(index, 400_000).toString('base64'))
  await here.pack(Object.fromEntries(texts.map((text, index) => [`${index}`, text])))
  const there = await cold(t, here)
  await there.contents.find(hashOf('nobody'))
  here.objects.reset()
  await there.contents.ensureAll(filesOf(...texts))
  t.same(here.objects.requests, { GET: here.segments.length })
  for (const text of texts) t.equal((await there.blobs.read(hashOf(text))).toString(), text)
})

t.test('tails in a bucket are read once, and again when the copy is damaged', async (t) => {
  const here = await machine(t, await remote(t))
  await here.pack({ a: 'a' }, ['node 1', 'node 2'])
  const { id } = here.segments[0] ?? { id: '' }
  const file = tailFile(here.layout, id)
  here.objects.reset()
  here.blobs.memory.indexes.delete(id)
  await here.contents.node(hashOf('node 1'))
  t.same(here.objects.requests, {}, 'who has written it has it')
  const damages: [string, () => void][] = [
    ['gone', () => rmSync(file)],
    ['gone with all others', () => rmSync(here.layout.tails, { recursive: true })],
    ['short', () => truncateSync(file, 10)],
    [
      'other bytes',
      () => writeFileSync(file, Buffer.alloc((here.segments[0]?.bytes ?? 0) - (here.segments[0]?.tailOffset ?? 0))),
    ],
  ]
  for (const [name, damage] of damages) {
    damage()
    for (const hash of ['node 1', 'node 2']) here.blobs.memory.nodes.delete(hashOf(hash))
    here.blobs.memory.indexes.delete(id)
    here.objects.reset()
    t.equal(Buffer.from(await here.contents.node(hashOf('node 2'))).toString(), 'node 2', name)
    t.same(here.objects.requests, { GET: 1 }, name)
    here.blobs.memory.nodes.delete(hashOf('node 2'))
    damage()
    t.equal(Buffer.from(await here.contents.node(hashOf('node 2'))).toString(), 'node 2', 'with its index in memory')
  }
  await here.contents.forget(id)
  t.same(readdirSync(here.layout.tails), [])
})

t.test('a node in memory keeps nothing but itself', async (t) => {
  const here = await machine(t, await remote(t))
  const node = 'node '.repeat(200)
  await here.pack({}, [node])
  here.blobs.memory.nodes.delete(hashOf(node))
  await here.contents.node(hashOf(node))
  t.equal(here.blobs.memory.nodes.get(hashOf(node))?.buffer.byteLength, node.length)
})

t.test('wrong bytes are asked for once more, and never kept', async (t) => {
  const here = await machine(t, await remote(t))
  await here.pack({ a: 'content of a', large, x: big('x'), y: big('y') }, ['node'])
  let bad = 0
  const spoil = (most: number) => {
    bad = 0
    here.objects.spoil = (_, bytes) => {
      bad += 1
      return bad > most || bytes.length === 0
        ? bytes
        : Buffer.from(bytes.map((byte, at) => (at % 500 === 7 ? byte ^ 4 : byte)))
    }
  }
  for (const text of ['content of a', big('x')]) {
    const once = await cold(t, here)
    spoil(1)
    await once.contents.ensure(hashOf(text))
    t.equal((await once.blobs.read(hashOf(text))).toString(), text)
    const never = await cold(t, here)
    spoil(Number.POSITIVE_INFINITY)
    t.match(await codeOf(never.contents.ensure(hashOf(text))), 'ERR_BLOB_CORRUPT')
    t.equal(await codeOf(never.contents.node(hashOf('node'))), 'ERR_BLOB_CORRUPT')
    t.equal(await never.blobs.isCached(hashOf(text)), false)
    here.objects.spoil = undefined
    await never.contents.ensure(hashOf(text))
    t.equal((await never.blobs.read(hashOf(text))).toString(), text, 'and it comes when the bucket is well again')
  }
  const whole = await cold(t, here)
  spoil(1)
  await whole.contents.fetchUnknown(2 ** 30)
  t.equal(await whole.blobs.isCached(hashOf(big('y'))), true)
  const never = await cold(t, here)
  spoil(Number.POSITIVE_INFINITY)
  await t.rejects(never.contents.fetchUnknown(2 ** 30), {
    code: 'ERR_BLOB_CORRUPT',
    message: /^segment \w{64} is damaged: another content than its name says$/,
  })
  t.equal(await codeOf(never.contents.ensure(hashOf(large))), 'ERR_BLOB_CORRUPT')
  spoil(1)
  await never.contents.ensure(hashOf(large))
  t.ok((await never.blobs.read(hashOf(large))).equals(large))
})

t.test('a half body is a damage; an object that is gone is missing', async (t) => {
  const here = await machine(t, await remote(t))
  await here.pack({ a: big('a'), large })
  const there = await cold(t, here)
  here.objects.spoil = (_, bytes) => bytes.subarray(0, bytes.length >> 1)
  t.equal(await codeOf(there.contents.ensure(hashOf(big('a')))), 'ERR_BLOB_CORRUPT')
  t.equal(await codeOf(there.contents.ensure(hashOf(large))), 'ERR_BLOB_CORRUPT')
  here.objects.spoil = undefined
  const keys = [
    objectKeys.segment('ada', 'blog', here.segments[0]?.id ?? ''),
    objectKeys.large('ada', 'blog', here.bare[0]?.id ?? ''),
  ]
  await here.objects.remove(keys)
  t.equal(await codeOf(there.contents.ensure(hashOf(big('a')))), 'ERR_BLOB_MISSING')
  t.equal(await codeOf(there.contents.ensure(hashOf(large))), 'ERR_BLOB_MISSING')
  t.same(readdirSync(there.layout.temporary), [])
})

t.test('a content that the local disk has damaged is not packed', async (t) => {
  for (const keyring of [undefined, openKeyring([Buffer.alloc(32, 1)])]) {
    const here = await machine(t, await remote(t), keyring)
    for (const text of ['content', large]) {
      const hash = await here.blobs.putBytes(Buffer.from(text))
      const item = localItem(here, fileOf('a', text))
      writeFileSync(uploadFile(here.layout, hash), Buffer.alloc(text.length, 'x'))
      t.equal(await codeOf(here.contents.pack({ items: [item], lo: 1, hi: 1 })), 'ERR_BLOB_MISSING')
      t.equal(await here.blobs.bytesOf(hash), undefined, 'and can be sent again')
      t.equal(
        await codeOf(here.contents.pack({ items: [item], lo: 1, hi: 1 })),
        'ERR_BLOB_MISSING',
        'as one that is gone',
      )
    }
    t.same(readdirSync(here.layout.temporary), [])
  }
})

t.test('other bytes under the name of a new object are replaced', async (t) => {
  const here = await machine(t, await remote(t))
  const key = objectKeys.large('ada', 'blog', hashOf(large))
  await here.objects.create(key, { bytes: Buffer.from('junk that somebody sent') })
  await here.pack({ large })
  t.match(await here.objects.stat(key), { bytes: large.length })
})

t.test('what was packed is reserved until it is let go, also when packing fails in the middle', async (t) => {
  const objects = await remote(t)
  const here = await machine(t, objects)
  await here.blobs.putBytes(Buffer.from('a'))
  const item = localItem(here, fileOf('a', 'a'))
  const { segments, release } = await here.contents.pack({ items: [item], lo: 1, hi: 1 })
  const key = objectKeys.segment('ada', 'blog', segments[0]?.id ?? '')
  t.equal(here.blobs.reservations.isReserved(key), true)
  release()
  t.equal(here.blobs.reservations.isReserved(key), false)
  const failing: RemoteFolder = { ...objects, create: () => Promise.reject(new Error('away')) }
  const there = await machine(t, failing)
  await there.blobs.putBytes(Buffer.from('a'))
  await t.rejects(there.contents.pack({ items: [localItem(there, fileOf('a', 'a'))], lo: 1, hi: 1 }), {
    message: 'away',
  })
  t.equal(there.blobs.reservations.isReserved(key), false)
  t.same(readdirSync(there.layout.temporary), [])
})

t.test('a content that was sent and is published is moved, not fetched', async (t) => {
  const here = await machine(t, await remote(t))
  await here.pack({ a: 'content' })
  here.objects.reset()
  t.equal(await here.blobs.isCached(hashOf('content')), false)
  await here.contents.ensure(hashOf('content'))
  t.same(here.objects.requests, {})
  t.equal(await here.blobs.isCached(hashOf('content')), true)
  rmSync(blobFile(here.layout, hashOf('content')))
  writeFileSync(uploadFile(here.layout, hashOf('content')), 'another')
  await here.contents.ensure(hashOf('content'))
  t.equal((await here.blobs.read(hashOf('content'))).toString(), 'content', 'unless it is damaged')
  t.same(readdirSync(join(here.layout.uploads, hashOf('content').slice(0, 2))), [])
})

t.test('a file whose content equals a node comes, too', async (t) => {
  const here = await machine(t, await remote(t))
  await here.pack({ a: 'a', same: 'node' }, ['node'])
  const there = await cold(t, here)
  await there.contents.ensure(hashOf('node'))
  t.equal((await there.blobs.read(hashOf('node'))).toString(), 'node')
})

t.test(
  'a large content that another site moves into the cache while it is packed is packed all the same',
  async (t) => {
    const objects = await remote(t)
    let move: (() => Promise<void>) | undefined
    const slow: RemoteFolder = {
      ...objects,
      async create(key, source) {
        await move?.()
        move = undefined
        return objects.create(key, source)
      },
    }
    const here = await machine(t, slow)
    move = () => here.blobs.settle([hashOf(large)])
    await here.pack({ large })
    t.equal(await here.blobs.isCached(hashOf(large)), true)
    t.match(await objects.stat(objectKeys.large('ada', 'blog', hashOf(large))), { bytes: large.length })
  },
)
