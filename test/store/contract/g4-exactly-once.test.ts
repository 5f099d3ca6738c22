import t from 'tap'
import { bytes, codeOf, eachDriver, rootLog, texts } from '../fixtures/drivers.ts'

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
