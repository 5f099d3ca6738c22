import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { uploadFile } from '../../../core/layout.ts'
import { limits } from '../../../core/limits.ts'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import type { Store } from '../../../store/store.ts'
import { codeOf, forever } from '../fixtures/drivers.ts'
import {
  auditPath,
  contentsOf,
  fileOf,
  hashOf,
  logPath,
  nextAct,
  onBase,
  type PlaceOptions,
  place,
  send,
  whole,
} from './fixtures/place.ts'

const drivers: Record<string, NonNullable<PlaceOptions['store']>> = {
  memory: () => openMemoryStore(),
  sqlite: (layout) => openSqliteStore(layout.database),
}
for (const [driver, store] of Object.entries(drivers)) {
  t.test(`${driver}: a publish makes a version and makes it live`, async (t) => {
    const here = await place(t, { store })
    const site = await here.open()
    t.same([site.name, site.owner, site.live, site.versions, site.pins], ['blog', 'ada', undefined, [], []])
    const first = await site.publish(whole(await send(here.blobs, { 'a.html': 'a', 'b.html': 'b' }), 'hello'))
    t.match(first.record, { version: 1, parent: undefined, message: 'hello', files: 2, bytes: 2, added: 2, removed: 0 })
    t.match(first, { unchanged: false, rebased: false })
    const second = await site.publish(whole(await send(here.blobs, { 'c.html': 'c', 'b.html': 'B!' })))
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
    t.same(site.live, second.record)
    t.same(site.versions, [first.record, second.record])
    t.same(await contentsOf(here, site, 1), { 'a.html': 'a', 'b.html': 'b' })
    t.same(await contentsOf(here, site, 2), { 'c.html': 'c', 'b.html': 'B!' })
    t.same(await here.store.list(here.store.root, '/sites'), [auditPath, logPath])
    const again = await here.open()
    t.same([again.live, again.versions], [site.live, site.versions], 'and so it is for whoever opens it next')
    t.same(await again.changes(undefined), [first.change, second.change])
    t.same(await again.changes(first.record.ts), [second.change])
  })

  t.test(`${driver}: publishers of whole sites that race all succeed, in some order`, async (t) => {
    const here = await place(t, { store })
    const trees = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        send(here.blobs, { 'index.html': `by ${index}`, [`${index}.html`]: 'own' }),
      ),
    )
    const openings = await Promise.all(trees.map(() => here.open()))
    const done = await Promise.all(openings.map((site, index) => site.publish(whole(trees[index] ?? []))))
    t.same(
      done.map(({ record }) => record.version).sort((a, b) => a - b),
      Array.from({ length: 8 }, (_, index) => index + 1),
    )
    const fresh = await here.open()
    t.equal(fresh.live?.version, 8)
    for (const [index, { record, change }] of done.entries()) {
      t.same(record, fresh.versions[record.version - 1])
      t.same(await contentsOf(here, fresh, record.version), { 'index.html': `by ${index}`, [`${index}.html`]: 'own' })
      t.ok(change?.added.includes(`${index}.html`))
    }
  })

  t.test(`${driver}: publishers of changes that touch different paths all come through`, async (t) => {
    const here = await place(t, { store })
    const site = await here.open()
    await site.publish(whole(await send(here.blobs, { 'index.html': 'home', old: 'old' })))
    const openings = await Promise.all(Array.from({ length: 8 }, () => here.open()))
    const done = await Promise.all(
      openings.map(async (site, index) => {
        const put = await send(here.blobs, { [`${index}.html`]: `page ${index}` })
        return site.publish(onBase(1, put, index === 0 ? ['old'] : []))
      }),
    )
    t.equal(done.filter(({ rebased }) => rebased).length, 7, 'all but the first were put on top of others')
    const fresh = await here.open()
    t.same(await contentsOf(here, fresh, 9), {
      'index.html': 'home',
      ...Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`${index}.html`, `page ${index}`])),
    })
    for (const { record } of done) t.equal(record.added, 1, 'each version tells of its own change alone')
  })
}

t.test('a tree that is live already makes no version', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const files = await send(here.blobs, { a: 'a', b: 'b' })
  const { record } = await site.publish(whole(files))
  const unchanged = { record, unchanged: true, rebased: false, change: undefined }
  t.same(await site.publish(whole(files.toReversed())), unchanged)
  t.same(await site.publish(onBase(1, files, ['nobody'])), unchanged)
  t.equal(site.versions.length, 1)
  await site.publish(whole(await send(here.blobs, { a: 'other' })))
  t.match(await site.publish(whole(files)), { unchanged: false, record: { version: 3 } }, 'one that was live makes one')
  t.match(await site.publish(whole([])), { record: { version: 4, files: 0, removed: 2 } })
  t.match(await site.publish(onBase(4, files)), { record: { version: 5, files: 2, added: 2 } })
})

t.test('a retry answers what the first try did, however late, and however many there are', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const one = whole(await send(here.blobs, { a: '1' }))
  const first = await site.publish(one)
  t.same(await site.publish(one), first, 'at once')
  const second = await site.publish(whole(await send(here.blobs, { a: '2' })))
  t.same(await site.publish(one), first)
  t.same(await (await here.open()).publish(one), first, 'also through another opening')
  const many = whole(await send(here.blobs, { a: '3' }))
  const openings = await Promise.all(Array.from({ length: 10 }, () => here.open()))
  const answers = await Promise.all(openings.map((opening) => opening.publish(many)))
  t.same(new Set(answers.map(({ record }) => record.version)), new Set([3]))
  const back = nextAct()
  const change = await site.activate(second.record.version, back)
  t.same(await site.activate(second.record.version, back), change)
  t.equal(await codeOf(site.publish({ ...one, opId: back.opId })), 'ERR_BAD_REQUEST', 'one id, one operation')
  t.equal(await codeOf(site.activate(1, { ...back, opId: one.opId })), 'ERR_BAD_REQUEST')
  const rebased = onBase(1, await send(here.blobs, { b: 'b' }))
  await site.publish(onBase(2, await send(here.blobs, { c: 'c' })))
  const third = await site.publish(rebased)
  t.equal(third.rebased, true)
  t.same(await site.publish(rebased), third, 'also that it was put on top of another')
  await site.delete(nextAct())
  t.same(await site.publish(one), first, 'though it is deleted')
})

const conflicts = [
  { name: 'the same path, other content', put: { a: 'mine' }, paths: ['a'] },
  { name: 'a path that is gone', put: { gone: 'mine' }, paths: ['gone'] },
  { name: 'a path that came', put: { new: 'mine' }, paths: ['new'] },
  { name: 'deleting what was changed', del: ['a'], paths: ['a'] },
  { name: 'a file where a folder came', put: { folder: 'mine' }, paths: ['folder'] },
  { name: 'a file under one that came', put: { 'new/x': 'mine' }, paths: ['new/x'] },
  { name: 'a path that differs by case', put: { NEW: 'mine' }, paths: ['NEW'] },
  { name: 'two of three', put: { a: 'mine', new: 'mine', free: 'mine' }, paths: ['a', 'new'] },
]
for (const { name, put = {}, del = [], paths } of conflicts) {
  t.test(`what another publish touched meanwhile is a conflict: ${name}`, async (t) => {
    const here = await place(t)
    const site = await here.open()
    await site.publish(whole(await send(here.blobs, { a: 'a', gone: 'gone', same: 'same' })))
    const theirs = await send(here.blobs, { a: 'theirs', new: 'theirs', 'folder/x': 'theirs' })
    await site.publish(onBase(1, theirs, ['gone']))
    await t.rejects(site.publish(onBase(1, await send(here.blobs, put), del)), {
      code: 'ERR_PUBLISH_CONFLICT',
      details: { paths, count: paths.length, live: 2, base: 1 },
      hint: /publish again/,
    })
    t.equal(site.live?.version, 2, 'and nothing was changed')
  })
}

t.test('what both have done in the same way is no conflict', async (t) => {
  const here = await place(t)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: 'a', gone: 'gone', b: 'b' })))
  const put = await send(here.blobs, { a: 'new', more: 'more' })
  await site.publish(onBase(1, put, ['gone']))
  const { record, rebased } = await site.publish(
    onBase(1, [...put, ...(await send(here.blobs, { b: 'mine' }))], ['gone']),
  )
  t.match(record, { version: 3, parent: 2, added: 0, changed: 1, removed: 0 })
  t.equal(rebased, true)
  t.same(await contentsOf(here, site, 3), { a: 'new', b: 'mine', more: 'more' })
})

t.test('a conflict names a bounded number of paths, and counts them all', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const many = (content: string) => Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`${index}`, content]))
  await site.publish(onBase(0, await send(here.blobs, many('theirs'))))
  const refused = site.publish(onBase(0, await send(here.blobs, many('mine'))))
  const error = await refused.then(undefined, (thrown: GroveError) => thrown)
  t.match(error, { code: 'ERR_PUBLISH_CONFLICT', details: { count: 150, live: 1, base: 0 } })
  t.equal((error as GroveError).details?.['paths']?.['length' as never], limits.store.conflictPathsListed)
})

t.test('a change of a version that is gone is refused, with what to do', async (t) => {
  const here = await place(t)
  const site = await here.open()
  for (const content of ['1', '2', '3']) await site.publish(whole(await send(here.blobs, { a: content })))
  await site.prune({ versions: 1, ms: 0 }, nextAct())
  await t.rejects(site.publish(onBase(1, await send(here.blobs, { b: 'b' }))), {
    code: 'ERR_VERSION_UNKNOWN',
    hint: /live now/,
  })
  await site.delete(nextAct())
  t.equal(await codeOf(site.publish(onBase(3, []))), 'ERR_VERSION_UNKNOWN')
  t.match(await site.publish(onBase(0, await send(here.blobs, { a: 'a' }))), {
    rebased: false,
    record: { version: 4, parent: undefined },
  })
})

t.test('a change on a version that was put back is compared with what is live', async (t) => {
  const here = await place(t)
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: '1', b: '1' })))
  await site.publish(whole(await send(here.blobs, { a: '2', b: '1' })))
  await site.activate(1, nextAct())
  t.equal(await codeOf(site.publish(onBase(2, await send(here.blobs, { a: '3' })))), 'ERR_PUBLISH_CONFLICT')
  const { record } = await site.publish(onBase(2, await send(here.blobs, { b: '3' })))
  t.same(await contentsOf(here, site, record.version), { a: '1', b: '3' })
})

t.test('a publish that cannot be is refused and changes nothing', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const files = await send(here.blobs, { a: 'a' })
  const { record } = await site.publish(whole(files))
  const lost = fileOf('b', 'absent')
  await t.rejects(site.publish(whole([...files, lost, { ...lost, path: 'c' }])), {
    code: 'ERR_BLOB_MISSING',
    details: { missing: [lost.hash] },
  })
  await t.rejects(site.publish(onBase(1, [lost])), { code: 'ERR_BLOB_MISSING' })
  await t.rejects(site.publish(whole([{ ...lost, path: '../b' }])), { code: 'ERR_PUBLISH_REFUSED' })
  await t.rejects(site.publish(onBase(1, [{ ...lost, path: '../b' }])), { code: 'ERR_PUBLISH_REFUSED' })
  await t.rejects(site.publish(onBase(1, [{ ...lost, path: 'a/b' }])), { code: 'ERR_PUBLISH_REFUSED' })
  const wrongLength = files.map((file) => ({ ...file, path: 'z', bytes: 2 }))
  const told = { code: 'ERR_PUBLISH_REFUSED', message: /"z" has 1 bytes, not 2/ }
  await t.rejects(site.publish(whole(wrongLength)), told, 'of a content that is in a segment')
  const sent = await send(here.blobs, { z: 'zz' })
  await t.rejects(site.publish(whole(sent.map((file) => ({ ...file, bytes: 7 })))), {
    message: /"z" has 2 bytes, not 7/,
  })
  await t.rejects(site.missing(wrongLength), told)
  t.equal(await codeOf(site.publish(whole([], 'x'.repeat(1_001)))), 'ERR_PUBLISH_REFUSED')
  t.equal(await codeOf(site.publish({ ...whole([]), opId: 'short' })), 'ERR_BAD_REQUEST')
  t.equal(await codeOf(here.open({ name: 'Blog' })), 'ERR_SITE_NAME')
  t.same((await here.open()).versions, [record])
})

t.test('what has to be sent is what is in no segment of the site and not on the disk', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const a = fileOf('a', 'a')
  const b = fileOf('b', 'b')
  t.same(await site.missing([a, b, { ...a, path: 'c' }]), [a.hash, b.hash])
  await send(here.blobs, { a: 'a' })
  t.same(await site.missing([a, b]), [b.hash])
  await site.publish(whole([a]))
  const other = await place(t, { folder: here.layout.root, store: async () => here.store })
  rmSync(here.layout.blobs, { recursive: true })
  t.same(await (await other.open()).missing([a, b]), [b.hash], 'a cache that is gone is no loss')
})

t.test('a content that the disk damaged before its publish can be sent again', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const same = await send(here.blobs, { a: 'content' })
  const file = uploadFile(here.layout, hashOf('content'))
  t.equal(readFileSync(file, 'utf8'), 'content')
  writeFileSync(file, 'changed')
  const lost = { code: 'ERR_BLOB_MISSING', details: { missing: [hashOf('content')] } }
  await t.rejects(site.publish(whole(same)), lost, 'with its length')
  await send(here.blobs, { a: 'content' })
  writeFileSync(file, 'short')
  t.same(await site.missing(same), [hashOf('content')], 'without it')
  await send(here.blobs, { a: 'content' })
  t.match(await site.publish(whole(same)), { record: { version: 1 } })
})

t.test('a list that names one content many times with another length costs one look at it', async (t) => {
  const here = await place(t)
  let looks = 0
  const blobs = new Proxy(here.blobs, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      if (key === 'discardDamaged') looks += 1
      return value.bind(target)
    },
  })
  const site = await here.open({ blobs })
  const [file] = await send(here.blobs, { a: 'content' })
  const files = Array.from({ length: 50 }, (_, index) => ({ ...fileOf(`f${index}`, 'content'), bytes: index + 100 }))
  t.equal(file?.hash, files[0]?.hash)
  await t.rejects(site.missing(files), { code: 'ERR_PUBLISH_REFUSED', message: /"f0" has 7 bytes, not 100/ })
  t.equal(looks, 1)
})

t.test('what others have sent counts as missing where that is wanted', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const sent = new Set<string>()
  const isSent = (hash: string) => sent.has(hash)
  const [own, others] = [await send(here.blobs, { a: 'own' }), await send(here.blobs, { b: 'of others' })]
  await site.publish(whole(own))
  const both = [...own, ...others]
  const missing = others.map(({ hash }) => hash)
  t.same(await site.missing(both, isSent), missing, 'the site has the first by itself')
  t.same(
    await site.missing(
      others.map((file) => ({ ...file, bytes: 1 })),
      isSent,
    ),
    missing,
    'no length is told',
  )
  const lacking = { code: 'ERR_BLOB_MISSING', details: { missing } }
  await t.rejects(site.publish({ ...whole(both), isSent }), lacking)
  await t.rejects(site.publish({ ...onBase(1, others), isSent }), lacking)
  sent.add(missing[0] ?? '')
  t.same(await site.missing(both, isSent), [])
  t.match(await site.publish({ ...onBase(1, others), isSent }), { record: { version: 2, files: 2 } })
  sent.clear()
  t.match(await site.publish({ ...whole(others), isSent }), { record: { version: 3 } }, 'by now the site has it')
})

t.test('a publish is written under the right of who asked for it, and told in the audit log', async (t) => {
  const here = await place(t)
  const { store } = here
  const site = await here.open()
  await site.publish(whole(await send(here.blobs, { a: '1' })))
  const right = { untilMs: forever, read: true, write: true }
  const key = await store.grant(store.root, { path: '/sites/ada/blog', ...right, maxBytes: 10_000, maxWrites: 2 })
  const { id } = await store.whoami(key)
  const second = await site.publish({ ...whole(await send(here.blobs, { a: '2' })), handle: key })
  t.equal(second.record.writer, id)
  const info = await store.whoami(key)
  t.equal(info.usedWrites, 2, 'an entry of the versions and one of the audit log')
  t.ok(info.usedBytes > 100)
  const third = { ...whole(await send(here.blobs, { a: '3' })), handle: key }
  t.equal(await codeOf(site.publish(third)), 'ERR_DENIED quota')
  t.match(await site.publish({ ...whole([]), opId: second.record.ts.slice(-20) }), { record: { version: 3 } })
  const elsewhere = await store.grant(store.root, { path: '/sites/ada/shop', ...right })
  t.equal(await codeOf(site.publish({ ...third, handle: elsewhere })), 'ERR_DENIED path')
  const reader = await store.grant(store.root, { path: '/sites/ada', untilMs: forever, read: true })
  t.equal(await codeOf(site.activate(1, { ...nextAct(), handle: reader })), 'ERR_DENIED rights')
  const dead = await store.grant(store.root, { path: '/sites/ada/blog', ...right })
  await site.pin({ name: 'tag:first', version: 1, untilMs: undefined }, { ...nextAct(), handle: dead })
  await store.revoke(store.root, dead)
  t.equal(await codeOf(site.unpin('tag:first', { ...nextAct(), handle: dead })), 'ERR_DENIED revoked')
  t.equal(await codeOf(site.delete({ ...nextAct(), handle: dead })), 'ERR_DENIED revoked')
  const log = await store.open(store.root, auditPath)
  const notes = await Array.fromAsync(log.read(), ({ data, writer }) => [
    JSON.parse(Buffer.from(data).toString()),
    writer === id,
  ])
  t.same(notes, [
    [{ act: 'publish', version: 1, added: 1, changed: 0, removed: 0 }, false],
    [{ act: 'publish', version: 2, added: 0, changed: 1, removed: 0 }, true],
    [{ act: 'publish', version: 3, added: 0, changed: 0, removed: 1 }, false],
    [{ act: 'tag', version: 1, name: 'tag:first' }, false],
  ])
})

t.test('who always comes second gives up at some time, and what it has written serves it on the way', async (t) => {
  const here = await place(t)
  const winner = await here.open()
  const puts = await Promise.all(Array.from({ length: 40 }, (_, index) => send(here.blobs, { a: String(index) })))
  let commits = 0
  let most = Number.POSITIVE_INFINITY
  const slow: Store = {
    ...here.store,
    async begin(...logs) {
      const transaction = await here.store.begin(...logs)
      return {
        ...transaction,
        async commit(options) {
          commits += 1
          if (commits <= most) await winner.publish(whole(puts[commits] ?? []))
          return transaction.commit(options)
        },
      }
    },
  }
  const loser = await here.open({ store: slow })
  t.equal(await codeOf(loser.publish(whole(await send(here.blobs, { b: 'b' })))), 'ERR_CONFLICT')
  t.equal(commits, limits.store.conflictRetries + 1)
  commits = 0
  most = 3
  const { record } = await loser.publish(
    onBase(winner.live?.version ?? 0, await send(here.blobs, { c: 'c'.repeat(99) })),
  )
  t.match(record, { added: 1, changed: 0, removed: 0 })
  t.equal((await contentsOf(here, loser, record.version))['c'], 'c'.repeat(99))
})

t.test('a change does not wait in a line without end', async (t) => {
  const here = await place(t)
  const site = await here.open()
  const files = await send(here.blobs, { a: 'a' })
  const answers = await Promise.all(Array.from({ length: 300 }, () => codeOf(site.publish(whole(files)))))
  t.equal(answers.filter((code) => code === 'ERR_TOO_MANY').length, 300 - 256)
  t.equal(await codeOf(site.publish(whole(files))), 'none', 'and the line goes on')
})

t.test('two openings make the logs of a new site once', async (t) => {
  const here = await place(t)
  const both = await Promise.all([here.open(), here.open(), here.open()])
  await both[0]?.[Symbol.asyncDispose]()
  t.equal(await codeOf(both[0]?.changes(undefined) ?? Promise.resolve()), 'ERR_CLOSED')
  t.same(await here.store.list(here.store.root, '/sites'), [logPath])
})
