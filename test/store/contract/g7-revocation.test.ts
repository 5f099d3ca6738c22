import t from 'tap'
import { narrow } from '../../../store/grants/handle.ts'
import type { Handle, Log, Rights, Store, Ts } from '../../../store/store.ts'
import { bytes, codeOf, eachDriver, forever, rootLog, texts } from '../fixtures/drivers.ts'

const all: Rights = { read: true, write: true, grant: true }

function child(store: Store, parent: Handle, path = '/a', rights = all): Promise<Handle> {
  return store.grant(parent, { path, untilMs: forever, ...rights })
}

eachDriver(t, 'a revoked grant and all under it can do nothing from then on', async (t, open) => {
  const store = await open()
  const root = await rootLog(store, '/a')
  const top = await child(store, store.root)
  const middle = await child(store, top)
  const leaf = await child(store, middle)
  const sibling = await child(store, top)
  const log = await store.open(leaf, '/a')
  const before = await log.write(bytes('before'))
  const { ts: revoked } = await store.revoke(top, middle)
  t.ok(revoked > before)
  for (const handle of [middle, leaf]) {
    t.equal(await codeOf(store.open(handle, '/a')), 'ERR_DENIED revoked')
    t.equal(await codeOf(store.create(handle, '/a/b', { serialized: false })), 'ERR_DENIED revoked')
    t.equal(await codeOf(store.list(handle, '/a')), 'ERR_DENIED revoked')
    t.equal(await codeOf(child(store, handle)), 'ERR_DENIED revoked')
    t.equal(await codeOf(store.revoke(handle, sibling)), 'ERR_DENIED revoked')
    t.equal(await codeOf(store.lookup(handle, '/a', 'operation-1')), 'ERR_DENIED revoked')
  }
  t.equal(await codeOf(log.write(bytes('x'))), 'ERR_DENIED revoked', 'a log that was open before')
  t.equal(await codeOf(log.head()), 'ERR_DENIED revoked')
  t.equal(await codeOf(texts(log)), 'ERR_DENIED revoked')
  const other = await rootLog(store, '/b')
  const tx = await store.begin(other, log)
  tx.write(other, bytes('x'))
  tx.write(log, bytes('x'))
  t.equal(await codeOf(tx.commit()), 'ERR_DENIED revoked', 'nor with others')
  t.same(await texts(other), [], 'who then write nothing either')
  const after = await (await store.open(sibling, '/a')).write(bytes('after'))
  t.ok(after > revoked, 'others go on')
  t.same(await texts(root), ['before', 'after'])
})

eachDriver(t, 'a write that races with a revocation is before it or not at all', async (t, open) => {
  const store = await open()
  const root = await rootLog(store, '/a')
  for (let round = 0; round < 30; round += 1) {
    const handle = await child(store, await child(store, store.root))
    const log = await store.open(handle, '/a')
    const writes: Promise<Ts | undefined>[] = []
    const write = () => writes.push(log.write(bytes(`${round}`)).catch(() => undefined))
    for (let index = 0; index < round % 5; index += 1) write()
    const revoking = store.revoke(store.root, handle)
    for (let index = 0; index < 5; index += 1) write()
    const { ts: revoked } = await revoking
    for (const ts of await Promise.all(writes))
      if (ts !== undefined && ts >= revoked) t.fail('a write after its revocation')
    for await (const entry of root.read({ after: revoked })) t.fail(`${entry.ts} was written after ${revoked}`)
  }
  t.equal((await texts(root)).length, 60, 'and those that came first were taken')
})

eachDriver(t, 'who may revoke: the grant itself, its ancestors, and who grants on the parent path', async (t, open) => {
  const store = await open()
  const top = await child(store, store.root, '/a')
  const parent = await child(store, top, '/a/b')
  const granter = await child(store, store.root, '/a')
  const narrow = await child(store, store.root, '/a/b/c')
  const reader = await child(store, store.root, '/a', { read: true, write: true })
  const target = () => child(store, parent, '/a/b/c')
  t.equal(await codeOf(store.revoke(reader, await target())), 'ERR_DENIED rights')
  t.equal(await codeOf(store.revoke(narrow, await target())), 'ERR_DENIED path')
  t.equal(await codeOf(store.revoke(await target(), parent)), 'ERR_DENIED path', 'a child not its parent')
  t.equal(await codeOf(store.revoke(store.root, store.root)), 'ERR_DENIED rights', 'nobody the root')
  for (const revoker of [store.root, top, parent, granter])
    t.equal(await codeOf(store.revoke(revoker, await target())), 'none')
  const own = await target()
  const { ts } = await store.revoke(own, own)
  t.same(await store.revoke(own, own), { ts, revoked: 0 }, 'a second time answers the first')
  t.same(await store.revoke(store.root, own), { ts, revoked: 0 })
})

eachDriver(t, 'a revocation ends what was narrowed, what was opened and what was begun', async (t, open) => {
  const store = await open()
  await rootLog(store, '/a')
  const handle = await child(store, store.root)
  const made = await store.create(handle, '/a/b', { serialized: false })
  const handles = [handle, made, narrow(handle, { rights: ['write'] }), narrow(narrow(made, {}), { untilMs: forever })]
  const logs = await Promise.all(handles.map((one) => store.open(one, '/a/b')))
  await Promise.all(logs.map((log) => log.write(bytes('before'))))
  const tx = await store.begin(...logs)
  tx.write(logs[0] as Log, bytes('x'))
  const { id } = await store.whoami(handle)
  const { ts, revoked } = await store.revoke(store.root, id)
  t.equal(revoked, 1)
  for (const [index, one] of handles.entries()) {
    t.equal(await codeOf(logs[index]?.write(bytes('x')) ?? Promise.resolve()), 'ERR_DENIED revoked')
    t.equal(await codeOf(store.check(one, 'write', '/a/b')), 'ERR_DENIED revoked')
    t.equal(await codeOf(store.charge(one, '/a/b', { bytes: 1 })), 'ERR_DENIED revoked')
    t.equal(await codeOf(store.whoami(one)), 'ERR_DENIED revoked')
  }
  t.equal(await codeOf(tx.commit()), 'ERR_DENIED revoked')
  t.match(await store.show(store.root, id), { revoked: ts })
  t.same(await texts(await store.open(store.root, '/a/b')), ['before', 'before', 'before', 'before'])
})

eachDriver(t, 'a revocation is told at its own moment, with how many grants were alive until then', async (t, open) => {
  const store = await open()
  const top = await child(store, store.root)
  const middle = await child(store, top)
  await child(store, middle)
  await store.revoke(store.root, await child(store, middle))
  const { ts, revoked } = await store.revoke(store.root, top)
  t.equal(revoked, 3, 'one was dead before')
  const told = await Array.fromAsync((await store.open(store.root, '/grants')).read())
  t.equal(told.at(-1)?.ts, ts)
  const { id } = await store.show(store.root, top)
  t.match(JSON.parse(Buffer.from(told.at(-1)?.data ?? '').toString()), { kind: 'revoke', id, revoked: 3 })
  t.equal(told.length, 6)
})

eachDriver(t, 'the log of grants is the store’s own: nobody writes to it, trims it or makes it', async (t, open) => {
  const store = await open()
  await child(store, store.root)
  const log = await store.open(store.root, '/grants')
  const [entry] = await Array.fromAsync(log.read())
  const ts = entry?.ts as Ts
  t.equal(await codeOf(log.write(bytes('{}'))), 'ERR_DENIED rights')
  t.equal(await codeOf(log.write(bytes('{}'), { covers: { lo: ts, hi: ts } })), 'ERR_DENIED rights')
  t.equal(await codeOf(log.trim(ts, ts, { by: ts })), 'ERR_DENIED rights')
  t.equal(await codeOf(store.create(store.root, '/grants', { serialized: false })), 'ERR_EXISTS')
  t.equal((await log.stat()).entries, 1)
})
