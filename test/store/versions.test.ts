import { createHash } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { GroveError } from '../../core/errors.ts'
import { blobFile, type Layout, layoutOf } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { type Blobs, openBlobs } from '../../store/blobs.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { openSqliteStore } from '../../store/drivers/sqlite.ts'
import type { Handle, Store } from '../../store/store.ts'
import type { TreeFile } from '../../store/tree.ts'
import { openSiteVersions, type SiteVersions } from '../../store/versions.ts'
import { bytes, codeOf, forever } from './fixtures/drivers.ts'

const site = { owner: 'ada', name: 'blog' }
const logPath = '/sites/ada/blog/versions'

interface Place {
  readonly layout: Layout
  readonly blobs: Blobs
  readonly store: Store
  open(handle?: Handle): Promise<SiteVersions>
}

async function place(t: Test, open: (layout: Layout) => Promise<Store> = () => openMemoryStore()): Promise<Place> {
  const layout = layoutOf(t.testdir())
  const blobs = await openBlobs(layout)
  const store = await open(layout)
  t.teardown(() => store[Symbol.asyncDispose]())
  return { layout, blobs, store, open: (handle = store.root) => openSiteVersions(store, handle, blobs, site) }
}

/** A tree of these contents, whose blobs are there. Keyed by path. */
async function treeOf(blobs: Blobs, contents: Record<string, string>): Promise<TreeFile[]> {
  return Promise.all(
    Object.entries(contents).map(async ([path, content]) => {
      return { path, hash: await blobs.putBytes(bytes(content)), bytes: Buffer.byteLength(content) }
    }),
  )
}

let operations = 0
const input = (files: readonly TreeFile[], message = '') => ({
  files,
  message,
  opId: `operation-${++operations}`,
  atMs: operations,
})

const drivers = {
  memory: () => openMemoryStore(),
  sqlite: (layout: Layout) => openSqliteStore(layout.database),
}
for (const [driver, open] of Object.entries(drivers)) {
  t.test(`${driver}: a publish makes a version and makes it live`, async (t) => {
    const { blobs, open: openSite, store } = await place(t, open)
    const versions = await openSite()
    t.same([versions.name, versions.live, versions.versions, versions.roots()], ['blog', undefined, [], []])
    const first = await versions.publish(input(await treeOf(blobs, { 'a.html': 'a', 'b.html': 'b' }), 'hello'))
    t.match(first.record, { version: 1, parent: undefined, message: 'hello', files: 2, bytes: 2, added: 2, removed: 0 })
    const second = await versions.publish(input(await treeOf(blobs, { 'c.html': 'c', 'b.html': 'B!' })))
    t.match(second.record, { version: 2, parent: 1, files: 2, bytes: 3, added: 1, changed: 1, removed: 1 })
    t.match(second.change, {
      ts: second.record.ts,
      kind: 'publish',
      version: 2,
      added: ['c.html'],
      changed: ['b.html'],
      removed: ['a.html'],
    })
    t.ok(second.record.ts > first.record.ts)
    t.same(versions.live, second.record)
    t.same(versions.versions, [first.record, second.record])
    t.same(
      (await versions.tree(1)).map(({ path, bytes }) => [path, bytes]),
      [
        ['a.html', 1],
        ['b.html', 1],
      ],
    )
    t.same(await store.list(store.root, '/'), [logPath])
    const again = await openSite()
    t.same([again.live, again.versions], [versions.live, versions.versions], 'and so it is for whoever opens it next')
    t.same(await again.changes(undefined), [first.change, second.change])
    t.same(await again.changes(first.record.ts), [second.change])
    t.same(versions.roots(), [first.record.root, second.record.root])
  })

  t.test(`${driver}: publishers that race all succeed, in some order`, { timeout: 60_000 }, async (t) => {
    const { blobs, open: openSite } = await place(t, open)
    const trees = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        treeOf(blobs, { 'index.html': `by ${index}`, [`${index}.html`]: 'own' }),
      ),
    )
    const handles = await Promise.all(trees.map(() => openSite()))
    const done = await Promise.all(handles.map((versions, index) => versions.publish(input(trees[index] ?? []))))
    t.same(
      done.map(({ record }) => record.version).sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, index) => index + 1),
    )
    const fresh = await openSite()
    t.equal(fresh.live?.version, 12)
    for (const [index, { record, change }] of done.entries()) {
      t.same(record, fresh.versions[record.version - 1])
      t.equal(record.parent, record.version === 1 ? undefined : record.version - 1)
      t.same(
        (await fresh.tree(record.version)).map(({ hash }) => hash).sort(),
        (trees[index] ?? []).map(({ hash }) => hash).sort(),
      )
      t.ok(change?.added.includes(`${index}.html`))
    }
  })
}

t.test('a tree that is live already makes no version', async (t) => {
  const { blobs, open } = await place(t)
  const versions = await open()
  const files = await treeOf(blobs, { a: 'a', b: 'b' })
  const { record } = await versions.publish(input(files))
  t.same(await versions.publish(input(files.toReversed())), { record, unchanged: true, change: undefined })
  t.equal(versions.versions.length, 1)
  await versions.publish(input(await treeOf(blobs, { a: 'other' })))
  t.match(
    await versions.publish(input(files)),
    { unchanged: false, record: { version: 3 } },
    'one that was live makes one',
  )
  t.match(await versions.publish(input([])), { record: { version: 4, files: 0, removed: 2 } })
})

t.test('a retry answers what the first try did, however late, and however many there are', async (t) => {
  const { blobs, open } = await place(t)
  const versions = await open()
  const one = input(await treeOf(blobs, { a: '1' }))
  const first = await versions.publish(one)
  t.same(await versions.publish(one), first, 'at once')
  const second = await versions.publish(input(await treeOf(blobs, { a: '2' })))
  t.same(await versions.publish(one), first)
  t.same(await (await open()).publish(one), first, 'also through another opening')
  const many = input(await treeOf(blobs, { a: '3' }))
  const openings = await Promise.all(Array.from({ length: 10 }, () => open()))
  const answers = await Promise.all(openings.map((opening) => opening.publish(many)))
  t.same(new Set(answers.map(({ record }) => record.version)), new Set([3]))
  const back = { opId: 'operation-back', atMs: 5 }
  const change = await versions.activate(second.record.version, back)
  t.same(await versions.activate(second.record.version, back), change)
  t.equal(await codeOf(versions.publish({ ...one, opId: back.opId })), 'ERR_BAD_REQUEST', 'one id, one operation')
  t.equal(await codeOf(versions.activate(1, { ...back, opId: one.opId })), 'ERR_BAD_REQUEST')
  await versions.delete({ atMs: 6 })
  t.same(await versions.publish(one), first, 'though it is deleted')
  t.equal((await versions.changes(undefined)).length, 5)
})

t.test('an earlier version can be live again', async (t) => {
  const { blobs, open } = await place(t)
  const versions = await open()
  await versions.publish(input(await treeOf(blobs, { a: '1', b: '1' })))
  await versions.publish(input(await treeOf(blobs, { a: '2', c: '2' })))
  const change = await versions.activate(1, { opId: 'operation-back', atMs: 77 })
  t.match(change, { kind: 'live', version: 1, atMs: 77, added: ['b'], changed: ['a'], removed: ['c'] })
  t.equal(versions.live?.version, 1)
  t.equal(versions.versions.length, 2)
  t.equal((await open()).live?.version, 1)
  t.match(await versions.publish(input(await treeOf(blobs, { a: '3' }))), {
    record: { version: 3, parent: 1, changed: 1, removed: 1 },
  })
  for (const version of [0, 4, -1, 1.5, Number.NaN]) {
    t.equal(await codeOf(versions.activate(version, { opId: 'operation-none', atMs: 1 })), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(versions.tree(version)), 'ERR_VERSION_UNKNOWN')
  }
})

t.test('a deleted site has no versions, and its numbers go on', async (t) => {
  const { blobs, open } = await place(t)
  const versions = await open()
  await versions.publish(input(await treeOf(blobs, { a: '1', b: '1' })))
  await versions.publish(input(await treeOf(blobs, { b: '2' })))
  const change = await versions.delete({ atMs: 9 })
  t.match(change, { kind: 'delete', version: undefined, added: [], changed: [], removed: ['b'] })
  for (const opening of [versions, await open()]) {
    t.same([opening.live, opening.versions, opening.roots()], [undefined, [], []])
    t.equal(await codeOf(opening.tree(1)), 'ERR_VERSION_UNKNOWN')
    t.equal(await codeOf(opening.activate(1, { opId: 'operation-gone', atMs: 1 })), 'ERR_VERSION_UNKNOWN')
  }
  t.match(await versions.publish(input(await treeOf(blobs, { b: '2' }))), {
    unchanged: false,
    record: { version: 3, parent: undefined, added: 1 },
  })
  t.same(
    (await versions.changes(change.ts)).map(({ version }) => version),
    [3],
  )
  t.match(await versions.delete({ atMs: 10 }), { removed: ['b'] })
  t.match(await versions.delete({ atMs: 11 }), { removed: [] }, 'a second time')
})

t.test('a publish that cannot be is refused and changes nothing', async (t) => {
  const { blobs, store, open } = await place(t)
  const versions = await open()
  const files = await treeOf(blobs, { a: 'a' })
  const { record } = await versions.publish(input(files))
  const absent = createHash('sha256').update('absent').digest('hex')
  const lost = { path: 'b', hash: absent, bytes: 6 }
  await t.rejects(versions.publish(input([...files, lost, { ...lost, path: 'c' }])), {
    code: 'ERR_BLOB_MISSING',
    details: { missing: [absent] },
  })
  await t.rejects(versions.publish(input([{ ...lost, path: '../b' }])), { code: 'ERR_PUBLISH_REFUSED' })
  const wrongLength = files.map((file) => ({ ...file, bytes: 2 }))
  await t.rejects(versions.publish(input(wrongLength)), {
    code: 'ERR_PUBLISH_REFUSED',
    message: /"a" has 1 bytes, not 2/,
  })
  t.equal(await codeOf(versions.publish(input([], 'x'.repeat(1_001)))), 'ERR_PUBLISH_REFUSED')
  t.equal(await codeOf(versions.publish({ ...input([]), opId: 'short' })), 'ERR_BAD_REQUEST')
  t.equal(await codeOf(openSiteVersions(store, store.root, blobs, { owner: 'ada', name: 'Blog' })), 'ERR_SITE_NAME')
  t.equal(await codeOf(openSiteVersions(store, store.root, blobs, { owner: '../x', name: 'blog' })), 'ERR_BAD_REQUEST')
  t.same((await open()).versions, [record])
})

t.test('a handle of the site’s log is enough to publish, until it is revoked', async (t) => {
  const { blobs, store, open } = await place(t)
  await (await open()).publish(input(await treeOf(blobs, { a: '1' })))
  const key = await store.grant(store.root, { path: logPath, untilMs: forever, read: true, write: true })
  const versions = await open(key)
  t.match(await versions.publish(input(await treeOf(blobs, { a: '2' }))), { record: { version: 2 } })
  await store.revoke(store.root, key)
  t.equal(await codeOf(versions.publish(input(await treeOf(blobs, { a: '3' })))), 'ERR_DENIED revoked')
  t.equal(await codeOf(versions.delete({ atMs: 1 })), 'ERR_DENIED revoked')
  t.equal((await open()).live?.version, 2)
  const elsewhere = await store.grant(store.root, {
    path: '/sites/bob',
    untilMs: forever,
    read: true,
    write: true,
    grant: true,
  })
  t.equal(await codeOf(open(elsewhere)), 'ERR_DENIED path')
})

t.test('a version outlives the loss of its tree, not of its contents', async (t) => {
  const { layout, blobs, open } = await place(t)
  const versions = await open()
  await versions.publish(input(await treeOf(blobs, { a: '1', b: '1' })))
  const { record } = await versions.publish(input(await treeOf(blobs, { b: '2', c: '2' })))
  await versions.activate(1, { opId: 'operation-back', atMs: 1 })
  const tree = await versions.tree(2)
  rmSync(blobFile(layout, record.root))
  t.same(await versions.tree(2), tree, 'the log has what is needed')
  writeFileSync(blobFile(layout, record.root), 'grove tree 1\n')
  t.same(await versions.tree(2), tree, 'also when the disk has made another one of it')
  await versions.activate(2, { opId: 'operation-forth', atMs: 2 })
  const [b] = tree
  rmSync(blobFile(layout, b?.hash ?? ''))
  const error = await versions.activate(1, { opId: 'operation-again', atMs: 3 }).then(
    () => undefined,
    (thrown: GroveError) => thrown,
  )
  t.equal(error, undefined, 'another version is whole')
  await t.rejects(versions.activate(2, { opId: 'operation-lost', atMs: 4 }), {
    code: 'ERR_BLOB_MISSING',
    details: { missing: [b?.hash] },
  })
  t.equal(versions.live?.version, 1)
})

t.test('a write that fails is not tried again, and one whose answer is lost is found by its id', async (t) => {
  const { blobs, store } = await place(t)
  let writes = 0
  const failing = (when: 'before' | 'after'): Store => ({
    ...store,
    async open(handle, path) {
      const log = await store.open(handle, path)
      return {
        ...log,
        async write(...entry) {
          writes += 1
          if (when === 'after') await log.write(...entry)
          throw new GroveError('ERR_DATA_IO', 'the disk is gone')
        },
      }
    },
  })
  const before = await openSiteVersions(failing('before'), store.root, blobs, site)
  const after = await openSiteVersions(failing('after'), store.root, blobs, site)
  t.equal(await codeOf(before.publish(input(await treeOf(blobs, { a: '1' })))), 'ERR_DATA_IO')
  t.same([writes, before.live], [1, undefined])
  const lost = input(await treeOf(blobs, { a: '2' }))
  t.equal(await codeOf(after.publish(lost)), 'ERR_DATA_IO')
  t.match(await after.publish(lost), { unchanged: false, record: { version: 1 } })
  t.equal(writes, 2)
})

t.test('who always comes second gives up at some time', async (t) => {
  const { blobs, store, open } = await place(t)
  const winner = await open()
  const trees = await Promise.all(Array.from({ length: 40 }, (_, index) => treeOf(blobs, { a: String(index) })))
  let writes = 0
  const slow: Store = {
    ...store,
    async open(handle, path) {
      const log = await store.open(handle, path)
      return {
        ...log,
        async write(...entry) {
          await winner.publish(input(trees[writes++] ?? []))
          return log.write(...entry)
        },
      }
    },
  }
  const loser = await openSiteVersions(slow, store.root, blobs, site)
  t.equal(await codeOf(loser.publish(input(await treeOf(blobs, { b: 'b' })))), 'ERR_CONFLICT')
  t.equal(writes, limits.store.conflictRetries + 1)
})

const foreignEntries = [
  { name: 'no JSON', data: 'grove' },
  { name: 'another kind', data: '{"format":1,"kind":"merge"}' },
  { name: 'a later format', data: '{"format":2,"kind":"delete","atMs":1,"put":[],"del":[]}' },
  { name: 'an unknown property', data: '{"format":1,"kind":"delete","atMs":1,"put":[],"del":[],"x":1}' },
  { name: 'a version that was never made', data: '{"format":1,"kind":"live","version":7,"atMs":1,"put":[],"del":[]}' },
  {
    name: 'a number that was passed over',
    data: `{"format":1,"kind":"publish","version":2,"root":"${'ab'.repeat(32)}","message":"","files":0,"bytes":0,"atMs":1,"put":[],"del":[]}`,
  },
]
for (const { name, data } of foreignEntries) {
  t.test(`a log with ${name} in it is not read on`, async (t) => {
    const { store, open } = await place(t)
    await store.create(store.root, logPath, { serialized: true })
    await (await store.open(store.root, logPath)).write(bytes(data), { expect: undefined })
    t.equal(await codeOf(open()), 'ERR_DATA_FORMAT')
  })
}

t.test('a change does not wait in a line without end', async (t) => {
  const { blobs, open } = await place(t)
  const versions = await open()
  const files = await treeOf(blobs, { a: 'a' })
  const answers = await Promise.all(Array.from({ length: 300 }, () => codeOf(versions.publish(input(files)))))
  t.equal(answers.filter((code) => code === 'ERR_TOO_MANY').length, 300 - 256)
  t.equal(await codeOf(versions.publish(input(files))), 'none', 'and the line goes on')
})

t.test('two openings make the log of a new site once', async (t) => {
  const { open, store } = await place(t)
  const both = await Promise.all([open(), open(), open()])
  t.equal(both.length, 3)
  await both[0]?.[Symbol.asyncDispose]()
  t.equal(await codeOf(both[0]?.changes(undefined) ?? Promise.resolve()), 'ERR_CLOSED')
  t.same(await store.list(store.root, '/sites'), [logPath])
})
