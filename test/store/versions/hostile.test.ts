import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import type { Frame, SegmentRef } from '../../../store/segments/segment.ts'
import { decodeEntry } from '../../../store/versions/entry.ts'
import {
  contentsOf,
  fileOf,
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

// Roots are tampered with in restore.test.ts, entries in acts.test.ts, tails in ../contents/site-contents.test.ts.

t.setTimeout(180_000)

interface Damaged {
  readonly here: Place
  /** The segment's file, and what it holds. */
  readonly file: string
  readonly ref: SegmentRef
  readonly frames: readonly Frame[]
  /** Opens the site with nothing in memory or cached. */
  fresh(): Promise<Place>
}

const contents = { 'a.html': 'content of a', 'b.html': 'b'.repeat(500), 'c/d.css': 'c' }

async function publishOne(t: Test): Promise<Damaged> {
  const folder = await newFolder(t)
  const here = await place(t, { folder })
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, contents)))
  await (await here.open({ name: 'shop' })).publish(whole(await send(here.blobs, { s: 'shop' })))
  const log = await here.store.open(here.store.root, logPath)
  const [entry] = (await Array.fromAsync(log.read())).map(decodeEntry)
  if (entry?.entry.kind !== 'publish' || !entry.entry.segments[0]) throw new Error('no segment')
  const [ref] = entry.entry.segments
  const index = here.blobs.memory.indexes.get(ref.id)?.index
  return {
    here,
    file: join(here.layout.objects, objectKeys.segment(owner, 'blog', ref.id)),
    ref,
    frames: [...(index?.frames.values() ?? [])],
    async fresh() {
      rmSync(here.layout.blobs, { recursive: true, force: true })
      return place(t, { folder, store: async () => here.store })
    },
  }
}

const flip = (file: string, at: number) => {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ 0x20
  writeFileSync(file, bytes)
}

const damages: { name: string; damage(of: Damaged): void; code: RegExp }[] = [
  {
    name: 'a bit of a content',
    damage: ({ file, frames }) => flip(file, (frames[0]?.offset ?? 0) + 2),
    code: /CORRUPT/,
  },
  { name: 'a bit of a node', damage: ({ file, ref }) => flip(file, ref.tailOffset + 5), code: /CORRUPT/ },
  { name: 'a bit of the index', damage: ({ file, ref }) => flip(file, ref.indexOffset + 5), code: /CORRUPT/ },
  { name: 'a bit of the footer', damage: ({ file, ref }) => flip(file, ref.bytes - 30), code: /CORRUPT/ },
  { name: 'the end', damage: ({ file, ref }) => truncateSync(file, ref.bytes - 1), code: /CORRUPT/ },
  { name: 'all of it', damage: ({ file }) => truncateSync(file, 0), code: /CORRUPT/ },
  { name: 'its file', damage: ({ file }) => rmSync(file), code: /MISSING/ },
  {
    name: 'its bytes, others are in their place',
    damage: ({ file }) => writeFileSync(file, Buffer.alloc(readFileSync(file).length, 'GROVESEG')),
    code: /CORRUPT/,
  },
]
for (const { name, damage, code } of damages) {
  t.test(`a site that has lost ${name} says so, changes nothing, and harms no other`, async (t) => {
    const damaged = await publishOne(t)
    damage(damaged)
    const there = await damaged.fresh()
    const site = await there.open()
    t.equal(site.live?.version, 1, 'what is live is known')
    const error = await contentsOf(there, site, 1).then(
      () => undefined,
      (thrown: GroveError) => thrown,
    )
    t.match(error?.code, code)
    t.match(error?.message, new RegExp(`${damaged.ref.id}|${'[0-9a-f]{64}'}`), 'and which segment or content it is')
    const published = await site.publish(onBase(1, await send(there.blobs, { new: 'new' }))).then(
      ({ record }) => record.version,
      (thrown: GroveError) => thrown.code,
    )
    // A change whose place in the tree can still be read is no worse off than before; any other is refused.
    if (published !== 2) t.match(published, code)
    const again = await (await damaged.fresh()).open()
    t.equal(again.live?.version, published === 2 ? 2 : 1)
    t.same(await contentsOf(there, await there.open({ name: 'shop' }), 1), { s: 'shop' })
  })
}

const repairs: { name: string; damage(of: Damaged): void }[] = [
  { name: 'its only segment', damage: ({ file }) => rmSync(file) },
  { name: 'an index', damage: ({ file, ref }) => flip(file, ref.indexOffset + 5) },
  { name: 'a node', damage: ({ file, ref }) => flip(file, ref.tailOffset + 5) },
  { name: 'a content', damage: ({ file, frames }) => flip(file, (frames[0]?.offset ?? 0) + 2) },
]
for (const { name, damage } of repairs) {
  t.test(`a site that has lost ${name} is whole again when it is published again`, async (t) => {
    const damaged = await publishOne(t)
    damage(damaged)
    const there = await damaged.fresh()
    const site = await there.open()
    const files = Object.entries(contents).map(([path, content]) => fileOf(path, content))
    // Whoever serves the site comes across it.
    await Array.fromAsync(site.files(1)).catch(() => {})
    for (const { hash } of files) await site.ensure(hash).catch(() => {})
    t.ok((await site.missing(files)).length > 0 || name === 'a node', 'what is lost has to be sent')
    await send(there.blobs, contents)
    t.match(await site.publish(whole(files)), { unchanged: true, record: { version: 1 } })
    t.same(await contentsOf(there, site, 1), contents)
    const again = await damaged.fresh()
    const cold = await again.open()
    t.same(await contentsOf(again, cold, 1), contents, 'also for who knows nothing of the damage')
    await cold.publish(onBase(1, await send(again.blobs, { new: 'new' })))
    await cold.prune({ versions: 1, ms: 0 }, { atMs: Date.now() })
    await cold.prune({ versions: 1, ms: 0 }, { atMs: Date.now() })
    const last = await damaged.fresh()
    t.same(await contentsOf(last, await last.open(), 2), { ...contents, new: 'new' }, 'also after a merge')
  })
}

t.test('a site that cannot be read can be deleted, and put back to a version that can', async (t) => {
  const damaged = await publishOne(t)
  const before = await damaged.here.open()
  await before.publish(whole(await send(damaged.here.blobs, { other: 'other' })))
  await before.activate(1, nextAct())
  rmSync(damaged.file)
  const there = await damaged.fresh()
  const site = await there.open()
  await t.rejects(site.publish(onBase(1, await send(there.blobs, { x: 'x' }))), { code: 'ERR_BLOB_MISSING' })
  t.match(await site.prune({ versions: 1, ms: 0 }, nextAct()), { pruned: [] }, 'a merge leaves what it cannot read')
  t.match(await site.activate(2, nextAct()), { changed: ['other'], removed: [] })
  t.same(await contentsOf(there, site, 2), { other: 'other' })
  await t.rejects(site.activate(1, nextAct()), { code: 'ERR_BLOB_MISSING' })
  t.same((await site.prune({ versions: 1, ms: 0 }, nextAct())).pruned, [1])
  await site.publish(whole(await send(there.blobs, contents)))
  rmSync(damaged.file, { force: true })
  await site.delete(nextAct())
  t.match(await site.publish(whole(await send(there.blobs, contents))), { record: { version: 4 } })
})
