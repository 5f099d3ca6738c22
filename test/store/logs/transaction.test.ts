import t from 'tap'
import { bytes, codeOf, eachDriver, forever, rootLog, texts } from '../fixtures/drivers.ts'

eachDriver(t, 'a transaction appends to several logs at one timestamp', async (t, open) => {
  const store = await open()
  const a = await rootLog(store, '/a', true)
  const b = await rootLog(store, '/b')
  const tx = await store.begin(a, b)
  const buffer = Buffer.from('1')
  tx.write(a, buffer, { expect: undefined })
  tx.write(b, bytes('2'))
  buffer.fill(0)
  const ts = await tx.commit({ opId: 'operation-1' })
  t.same([await a.head(), await b.head()], [ts, ts])
  t.same([await texts(a), await texts(b)], [['1'], ['2']], 'with the bytes of the time of the call')
  const again = await store.begin(a, b)
  again.write(a, bytes('1'), { expect: undefined })
  again.write(b, bytes('2'))
  t.equal(await again.commit({ opId: 'operation-1' }), ts, 'once')
  t.ok((await b.write(bytes('3'))) > ts)
})

eachDriver(t, 'all or nothing: one log that does not take its part stops all', async (t, open) => {
  const store = await open()
  const a = await rootLog(store, '/a')
  const b = await rootLog(store, '/b')
  const head = await b.write(bytes('first'))
  const reader = await store.grant(store.root, { path: '/b', untilMs: forever, read: true })
  const conflicting = await store.begin(a, b)
  conflicting.write(a, bytes('x'))
  conflicting.write(b, bytes('x'), { expect: undefined })
  t.equal(await codeOf(conflicting.commit()), 'ERR_CONFLICT')
  const readOnly = await store.open(reader, '/b')
  const denied = await store.begin(a, readOnly)
  denied.write(a, bytes('x'))
  denied.write(readOnly, bytes('x'))
  t.equal(await codeOf(denied.commit()), 'ERR_DENIED rights')
  t.same([await texts(a), await texts(b)], [[], ['first']])
  t.equal(await b.head(), head)
})

eachDriver(t, 'a transaction is used once, on its logs, and writes something', async (t, open) => {
  const store = await open()
  const other = await open()
  const a = await rootLog(store, '/a')
  const sameLog = await store.open(store.root, '/a')
  const outside = await rootLog(store, '/b')
  const foreign = await rootLog(other, '/a')
  t.equal(await codeOf(store.begin(foreign)), 'ERR_BAD_REQUEST')
  const tx = await store.begin(a, sameLog)
  t.equal(await codeOf(tx.commit()), 'ERR_BAD_REQUEST', 'nothing to write')
  t.equal(await codeOf(() => tx.write(outside, bytes('x'))), 'ERR_BAD_REQUEST')
  tx.write(a, bytes('1'))
  t.equal(await codeOf(() => tx.write(sameLog, bytes('x'))), 'ERR_BAD_REQUEST', 'two ways to one log are one log')
  await tx.commit()
  t.equal(await codeOf(tx.commit()), 'ERR_CLOSED')
  t.equal(await codeOf(() => tx.write(a, bytes('x'))), 'ERR_CLOSED')
  const aborted = await store.begin(a)
  aborted.write(a, bytes('x'))
  aborted.abort()
  t.equal(await codeOf(aborted.commit()), 'ERR_CLOSED')
  t.same(await texts(a), ['1'])
})

eachDriver(t, 'what is closed takes no more calls', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const open2 = await store.open(store.root, '/a')
  const tx = await store.begin(log)
  tx.write(log, bytes('x'))
  await log.close()
  t.equal(await codeOf(tx.commit()), 'ERR_CLOSED')
  t.equal(await codeOf(log.write(bytes('x'))), 'ERR_CLOSED')
  t.equal(await codeOf(() => log.read()), 'ERR_CLOSED')
  t.equal(await codeOf(store.begin(log)), 'ERR_CLOSED')
  t.equal(await codeOf(open2.write(bytes('1'))), 'none', 'another opening of it is not closed')
  await store[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  for (const call of [
    store.open(store.root, '/a'),
    store.list(store.root, '/'),
    store.create(store.root, '/b', { serialized: false }),
    store.grant(store.root, { path: '/', untilMs: forever }),
    store.revoke(store.root, store.root),
    store.lookup(store.root, '/a', 'operation-1'),
    store.begin(),
    open2.head(),
    open2.write(bytes('x')),
  ])
    t.equal(await codeOf(call), 'ERR_CLOSED')
})
