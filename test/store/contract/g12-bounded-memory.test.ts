import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { createLocalStore } from '../../../store/logs/create-store.ts'
import { bytes, codeOf, eachDriver, eachRecords, rootLog, text } from '../fixtures/drivers.ts'

eachRecords(t, 'a watcher that is behind holds one page, however far it is behind', async (t, records) => {
  let pages = 0
  let largest = 0
  const store = createLocalStore({
    ...records,
    close() {},
    page(...range) {
      const page = records.page(...range)
      pages += 1
      largest = Math.max(largest, page.length)
      return page
    },
  })
  const log = await rootLog(store, '/a')
  const { signal } = new AbortController()
  const watch = log.watch(undefined, { signal })[Symbol.asyncIterator]()
  await log.write(bytes('0'))
  t.match(await watch.next(), { value: { kind: 'entry' } })
  const before = pages
  const many = Array.from({ length: 4_999 }, (_, index) => bytes(String(index + 1)))
  await Promise.all(many.map((data) => log.write(data)))
  t.equal(pages, before, 'nothing is taken from the store while it does not ask')
  for (let index = 1; index < 5_000; index += 1) {
    const { value } = await watch.next()
    if (value?.kind !== 'entry' || text(value.entry) !== String(index)) t.fail(`entry ${index} did not come`)
  }
  t.ok(pages > before)
  t.ok(largest <= limits.store.pageEntries)
  await watch.return?.()
})

eachDriver(t, 'a page ends with the entry that fills it', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  for (let index = 0; index < 4; index += 1) await log.write(new Uint8Array(limits.store.pageBytes - 1))
  t.equal((await Array.fromAsync(log.read())).length, 4)
})

eachDriver(t, 'an entry, the watchers and the logs of a transaction are bounded', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  t.equal(await codeOf(log.write(new Uint8Array(limits.store.entryBytes + 1))), 'ERR_TOO_LARGE')
  const logs = Array.from({ length: limits.store.transactionLogs + 1 }, () => log)
  t.equal(await codeOf(store.begin(...logs)), 'ERR_TOO_MANY')
  const aborting = new AbortController()
  const watches = Array.from({ length: limits.store.watchers }, () => {
    return log.watch(undefined, { signal: aborting.signal })[Symbol.asyncIterator]().next()
  })
  const many = log.watch(undefined, { signal: aborting.signal })[Symbol.asyncIterator]()
  t.equal(await codeOf(many.next()), 'ERR_TOO_MANY')
  aborting.abort()
  await Promise.all(watches)
  const next = log.watch(undefined, { signal: new AbortController().signal })[Symbol.asyncIterator]()
  await log.write(bytes('1'))
  t.match(await next.next(), { done: false }, 'those that ended make room')
})

eachDriver(t, 'a writer that does not wait is told when too much waits for the disk', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const many = await Promise.all(
    Array.from({ length: limits.store.queuedRequests + 100 }, () => codeOf(log.write(bytes('x')))),
  )
  t.same([...new Set(many)].sort(), ['ERR_TOO_MANY', 'none'])
  t.equal((await log.stat()).entries, many.filter((code) => code === 'none').length)
  const large = Math.floor(limits.store.queuedBytes / 8)
  const data = new Uint8Array(large)
  const heavy = await Promise.all(Array.from({ length: 12 }, () => codeOf(log.write(data))))
  t.equal(heavy.filter((code) => code === 'none').length, 8)
  t.equal(heavy.filter((code) => code === 'ERR_TOO_MANY').length, 4)
  t.equal(await codeOf(log.write(bytes('x'))), 'none', 'and those who come later are taken again')
})

eachDriver(t, 'an entry names so many others and no more', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const ts = await log.write(bytes('1'))
  const after = Array.from({ length: limits.store.afterMoments }, () => ts)
  t.equal(await codeOf(log.write(bytes('x'), { after })), 'none')
  t.equal(await codeOf(log.write(bytes('x'), { after: [...after, ts] })), 'ERR_TOO_MANY')
})
