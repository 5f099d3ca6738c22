import t from 'tap'
import { bytes, codeOf, eachDriver, forever, rootLog, texts } from '../fixtures/drivers.ts'

eachDriver(t, 'a repeat answers the first timestamp, whatever it expects by now', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a', true)
  const first = await log.write(bytes('1'), { expect: undefined, opId: 'operation-1' })
  const second = await log.write(bytes('2'), { expect: first, opId: 'operation-2' })
  t.equal(await log.write(bytes('1'), { expect: undefined, opId: 'operation-1' }), first)
  t.equal(await log.write(bytes('2'), { expect: first, opId: 'operation-2' }), second)
  t.same(await texts(log), ['1', '2'])
  t.same(
    (await Array.fromAsync(log.read())).map(({ opId }) => opId),
    ['operation-1', 'operation-2'],
  )
})

eachDriver(t, 'a thousand repeats at once append once', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const stamps = await Promise.all(Array.from({ length: 1_000 }, () => log.write(bytes('1'), { opId: 'operation-1' })))
  t.equal(new Set(stamps).size, 1)
  t.same(await texts(log), ['1'])
})

eachDriver(t, 'a lost answer is settled by looking it up', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const ts = await log.write(bytes('1'), { opId: 'operation-1' })
  t.equal(await store.lookup(store.root, '/a', 'operation-1'), ts)
  t.equal(await store.lookup(store.root, '/a', 'operation-2'), undefined)
  t.equal(await codeOf(store.lookup(store.root, '/b', 'operation-1')), 'ERR_NOT_FOUND')
})

eachDriver(t, 'an operation id belongs to its log', async (t, open) => {
  const store = await open()
  const a = await rootLog(store, '/a')
  const b = await rootLog(store, '/b')
  t.not(await a.write(bytes('1'), { opId: 'operation-1' }), await b.write(bytes('1'), { opId: 'operation-1' }))
  const tx = await store.begin(a, b)
  tx.write(a, bytes('2'))
  tx.write(b, bytes('2'))
  t.equal(await codeOf(tx.commit({ opId: 'operation-1' })), 'ERR_BAD_REQUEST', 'two operations cannot be one')
  t.same([await texts(a), await texts(b)], [['1'], ['1']])
})

eachDriver(t, 'an operation id has 8 to 64 characters', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  for (const opId of ['', 'short', 'x'.repeat(65)]) {
    t.equal(await codeOf(log.write(bytes('1'), { opId })), 'ERR_BAD_REQUEST')
    t.equal(await codeOf(store.lookup(store.root, '/a', opId)), 'ERR_BAD_REQUEST')
  }
  t.same(await texts(log), [])
})

eachDriver(t, 'a repeat is answered though its quota is used up, and not once its right is gone', async (t, open) => {
  const store = await open()
  await rootLog(store, '/a')
  const once = { path: '/a', untilMs: forever, write: true, maxWrites: 1, maxBytes: 1 }
  const handle = await store.grant(store.root, once)
  const log = await store.open(handle, '/a')
  const opId = 'operation-1'
  const ts = await log.write(bytes('1'), { opId })
  t.equal(await codeOf(log.write(bytes('2'))), 'ERR_DENIED quota')
  t.equal(await log.write(bytes('1'), { opId }), ts)
  t.equal(await store.lookup(handle, '/a', opId), ts)
  t.match(await store.whoami(handle), { usedWrites: 1, usedBytes: 1 }, 'and costs nothing')
  await store.revoke(store.root, handle)
  t.equal(await codeOf(log.write(bytes('1'), { opId })), 'ERR_DENIED revoked')
})

eachDriver(t, 'repeats that are in one batch with their first try append once', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a', true)
  const tries = Array.from({ length: 5 }, () => log.write(bytes('1'), { expect: undefined, opId: 'operation-1' }))
  const other = codeOf(log.write(bytes('2'), { expect: undefined, opId: 'operation-2' }))
  t.equal(new Set(await Promise.all(tries)).size, 1)
  t.equal(await other, 'ERR_CONFLICT')
  t.same(await texts(log), ['1'])
  t.equal(await store.lookup(store.root, '/a', 'operation-2'), undefined, 'what was refused never happened')
})
