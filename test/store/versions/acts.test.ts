import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { codeOf } from '../fixtures/drivers.ts'
import { always, contentsOf, logPath, nextAct, onBase, place, send, whole } from './fixtures/place.ts'

t.test('an earlier version can be live again', async (t) => {
  const here = await place(t)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: '1', b: '1' })))
  await site.publish(whole(await send(here.blobs, { a: '2', c: '2' })))
  const change = await site.activate(1, { opId: 'operation-back', atMs: 77 })
  t.match(change, { kind: 'live', version: 1, atMs: 77, added: ['b'], changed: ['a'], removed: ['c'] })
  t.equal(site.live?.version, 1)
  t.equal(site.versions.length, 2)
  const other = await here.open()
  t.equal(other.live?.version, 1)
  await other.activate(2, nextAct())
  t.match(await site.activate(1, nextAct()), { changed: ['a'] }, 'compared with what another one has made live')
  t.match(await site.publish(whole(await send(here.blobs, { a: '3' }))), {
    record: { version: 3, parent: 1, changed: 1, removed: 1 },
  })
  for (const version of [0, 4, -1, 1.5, Number.NaN]) {
    t.equal(await codeOf(site.activate(version, nextAct())), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(Array.fromAsync(site.files(version))), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(Array.fromAsync(site.leaves(version))), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(site.find(version, 'a')), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(site.diff(1, version)), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(site.ensureAll(version)), 'ERR_VERSION_UNKNOWN')
  }
})

t.test('a deleted site has no versions, and its numbers go on', async (t) => {
  const here = await place(t)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: '1', b: '1' })))
  await site.publish(whole(await send(here.blobs, { b: '2' })))
  await site.pin({ name: 'tag:x', version: 1, untilMs: undefined }, nextAct())
  const change = await site.delete({ atMs: 9 })
  t.match(change, { kind: 'delete', version: undefined, added: [], changed: [], removed: ['b'] })
  for (const opening of [site, await here.open()]) {
    t.same([opening.live, opening.versions, opening.pins], [undefined, [], []])
    t.same(opening.objects, { segments: 0, bytes: 0 })
    t.equal(await codeOf(Array.fromAsync(opening.files(1))), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(opening.activate(1, nextAct())), 'ERR_VERSION_UNKNOWN')
  }
  t.match(await site.publish(whole(await send(here.blobs, { b: '2' }))), {
    unchanged: false,
    record: { version: 3, parent: undefined, added: 1 },
  })
  t.same(
    (await site.changes(change.ts)).map(({ version }) => version),
    [3],
  )
  t.match(await site.delete({ atMs: 10 }), { removed: ['b'] })
  t.match(await site.delete({ atMs: 11 }), { removed: [] }, 'a second time')
})

t.test('two versions are compared, and one is looked into', async (t) => {
  const here = await place(t)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: '1', b: '1', 'd/e': '1' })))
  await site.publish(whole(await send(here.blobs, { b: '2', 'd/e': '1', c: '2' })))
  const paths = (files: readonly { path: string }[]) => files.map(({ path }) => path)
  const { added, changed, removed } = await site.diff(1, 2)
  t.same([paths(added), paths(changed), paths(removed)], [['c'], ['b'], ['a']])
  t.same(paths((await site.diff(undefined, 1)).added), ['a', 'b', 'd/e'])
  t.same(await site.diff(2, 2), { added: [], changed: [], removed: [] })
  t.match(await site.find(1, 'd/e'), { path: 'd/e', bytes: 1 })
  t.equal(await site.find(1, 'c'), undefined)
  const leaves = await Array.fromAsync(site.leaves(2))
  t.same(
    leaves.flatMap(({ files }) => paths(files)),
    paths(await Array.fromAsync(site.files(2))),
  )
  const later = await here.open()
  await site.publish(onBase(2, await send(here.blobs, { z: 'z' })))
  t.match(await later.find(3, 'z'), { path: 'z' }, 'one that another opening has made meanwhile')
})

t.test('pins and tags are set, moved, and end', async (t) => {
  let nowMs = 1_000
  const { nodeEnvironment } = await import('../../../store/environment-node.ts')
  const here = await place(t, { env: { ...nodeEnvironment, now: () => nowMs } })
  const site = await here.open()
  for (const content of ['1', '2', '3']) await site.publish(whole(await send(here.blobs, { a: content })))
  await site.pin({ name: 'tag:b', version: 1, untilMs: undefined }, nextAct())
  await site.pin({ name: 'preview:x', version: 2, untilMs: 2_000 }, nextAct())
  await site.pin({ name: 'tag:a', version: 1, untilMs: undefined }, nextAct())
  await site.pin({ name: 'tag:b', version: 3, untilMs: undefined }, nextAct())
  const pins = [
    { name: 'preview:x', version: 2, untilMs: 2_000 },
    { name: 'tag:a', version: 1, untilMs: undefined },
    { name: 'tag:b', version: 3, untilMs: undefined },
  ]
  t.same(site.pins, pins)
  t.same((await here.open()).pins, pins)
  nowMs = 2_000
  t.same(site.pins, pins.slice(1), 'one that has ended is none')
  const taken = nextAct()
  t.equal(await site.unpin('tag:a', taken), true)
  t.equal(await site.unpin('tag:a', taken), true, 'a retry')
  t.equal(await site.unpin('tag:a', nextAct()), false)
  t.equal(await codeOf(site.pin({ name: 'tag:x', version: 4, untilMs: undefined }, nextAct())), 'ERR_VERSION_UNKNOWN')
  t.equal(await codeOf(site.pin({ name: 'tag:x', version: 1, untilMs: Number.NaN }, nextAct())), 'ERR_BAD_REQUEST')
  for (const name of ['', ' a', 'a\n', 'a\0', 'x'.repeat(limits.store.pinNameChars + 1), '\ud800']) {
    t.equal(await codeOf(site.pin({ name, version: 1, untilMs: undefined }, nextAct())), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(site.unpin(name, nextAct())), 'ERR_BAD_REQUEST')
  }
})

t.test('an operation that is long over is not done again', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const publish = whole(await send(here.blobs, { a: '1' }))
  const { record } = await site.publish(publish)
  const second = whole(await send(here.blobs, { a: '2' }))
  await site.publish(second)
  const back = nextAct()
  await site.activate(1, back)
  const pin = nextAct()
  await site.pin({ name: 'tag:x', version: 1, untilMs: undefined }, pin)
  for (let count = 0; count < limits.store.checkpointEntries; count += 1)
    await site.pin({ name: 'tag:y', version: 1, untilMs: undefined }, nextAct())
  await site.prune({ versions: 1, ms: 0 }, nextAct())
  t.equal(await codeOf(site.changes(undefined)), 'ERR_TRIMMED')
  t.equal(await codeOf(site.changes(record.ts)), 'ERR_TRIMMED')
  t.same((await site.publish(publish)).record, { ...record }, 'its version is there, so that is the answer')
  t.equal(await codeOf(site.activate(1, back)), 'ERR_TRIMMED')
  t.equal(await codeOf(site.pin({ name: 'tag:x', version: 1, untilMs: undefined }, pin)), 'ERR_TRIMMED')
  t.match(site.versions, [{ version: 1 }, { version: 2 }])
  await site.unpin('tag:x', nextAct())
  await site.publish(whole(await send(here.blobs, { a: '3' })))
  await site.unpin('tag:y', nextAct())
  t.same((await site.prune({ versions: 1, ms: 0 }, nextAct())).pruned, [1, 2])
  t.equal(await codeOf(site.publish(second)), 'ERR_VERSION_UNKNOWN', 'nothing is left of it')
})

const foreign = [
  { name: 'no JSON', data: 'grove' },
  { name: 'another kind', data: '{"format":2,"kind":"fork","atMs":1}' },
  { name: 'an earlier format', data: '{"format":1,"kind":"delete","atMs":1,"put":[],"del":[]}' },
  { name: 'a later format', data: '{"format":3,"kind":"delete","atMs":1,"put":[],"del":[]}' },
  { name: 'an unknown property', data: '{"format":2,"kind":"delete","atMs":1,"put":[],"del":[],"x":1}' },
  { name: 'a version that was never made', data: '{"format":2,"kind":"live","version":7,"atMs":1,"put":[],"del":[]}' },
  { name: 'a pin of a version that was never made', data: '{"format":2,"kind":"pin","name":"x","version":7,"atMs":1}' },
  {
    name: 'segments in place of others that are not there',
    data: `{"format":2,"kind":"pack","atMs":1,"segments":[],"drop":["${'ab'.repeat(32)}"]}`,
  },
  {
    name: 'a number that was passed over',
    data: `{"format":2,"kind":"publish","version":2,"root":"${'ab'.repeat(32)}","message":"","files":0,"bytes":0,"atMs":1,"put":[],"del":[],"rebased":false,"segments":[],"bare":[]}`,
  },
  {
    name: 'a checkpoint whose live version is not in it',
    data: '{"format":2,"kind":"merge","atMs":1,"lastVersion":1,"live":1,"versions":[],"pins":[],"segments":[],"bare":[]}',
  },
  {
    name: 'a checkpoint with a version above the last',
    data: `{"format":2,"kind":"merge","atMs":1,"lastVersion":1,"versions":[{"version":2,"root":"${'ab'.repeat(32)}","message":"","atMs":1,"writer":"x","files":0,"bytes":0,"added":0,"changed":0,"removed":0}],"pins":[],"segments":[],"bare":[]}`,
  },
  {
    name: 'a segment that cannot be',
    data: `{"format":2,"kind":"pack","atMs":1,"drop":[],"segments":[{"id":"${'ab'.repeat(32)}","bytes":10,"tailOffset":20,"indexOffset":30,"indexHash":"${'ab'.repeat(32)}","lo":1,"hi":1}]}`,
  },
]
for (const { name, data } of foreign) {
  t.test(`a log with ${name} in it is not read on, and other sites do not mind`, async (t) => {
    const here = await place(t)
    await here.store.create(here.store.root, logPath, { serialized: true })
    await (await here.store.open(here.store.root, logPath)).write(Buffer.from(data), { expect: undefined })
    t.equal(await codeOf(here.open()), 'ERR_DATA_FORMAT')
    const other = await here.open({ name: 'shop' })
    await other.publish(whole(await send(here.blobs, { a: 'a' })))
    t.same(await contentsOf(here, other, 1), { a: 'a' })
    t.same(other.prunable(always, 1), [])
  })
}
