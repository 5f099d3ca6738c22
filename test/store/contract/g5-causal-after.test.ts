import t from 'tap'
import type { Ts } from '../../../store/store.ts'
import { bytes, codeOf, eachDriver, rootLog, texts } from '../fixtures/drivers.ts'

eachDriver(t, 'an entry comes after all that it names', async (t, open) => {
  const store = await open()
  const a = await rootLog(store, '/a')
  const b = await rootLog(store, '/b')
  const causes = [await a.write(bytes('1')), await a.write(bytes('2'))]
  const ts = await b.write(bytes('3'), { after: causes })
  t.ok(causes.every((cause) => cause < ts))
  const [entry] = await Array.fromAsync(b.read())
  t.same(entry?.after, causes, 'and says so')
  const tx = await store.begin(a, b)
  tx.write(a, bytes('4'))
  tx.write(b, bytes('5'))
  const both = await tx.commit({ after: [ts] })
  for (const log of [a, b]) t.match((await Array.fromAsync(log.read())).at(-1), { ts: both, after: [ts] })
})

eachDriver(t, 'what the store has not seen cannot be named, and a cursor into it is no cursor', async (t, open) => {
  const store = await open()
  const other = await open()
  const log = await rootLog(store, '/a')
  const foreign = await (await rootLog(other, '/a')).write(bytes('1'))
  const future = `${store.id}.${'9'.padStart(20, '0')}` as Ts
  for (const ts of [foreign, future]) {
    t.equal(await codeOf(log.write(bytes('x'), { after: [ts] })), 'ERR_AFTER_NOT_VISIBLE')
    t.equal(await codeOf(() => log.read({ after: ts })), 'ERR_AFTER_NOT_VISIBLE')
    t.equal(await codeOf(() => log.watch(ts, { signal: new AbortController().signal })), 'ERR_AFTER_NOT_VISIBLE')
  }
  for (const ts of ['', 'x', `${store.id}.1`, `${store.id}.${'1'.padStart(20, '0')}.`] as Ts[])
    t.equal(await codeOf(log.write(bytes('x'), { after: [ts] })), 'ERR_BAD_REQUEST')
  t.same(await texts(log), [])
})
