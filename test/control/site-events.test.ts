import t from 'tap'
import { SiteEvents } from '../../control/site-events.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { openOwnLog } from '../../store/logs/own-log.ts'
import type { Ts } from '../../store/store.ts'

t.test('what happened to versions is there again after reopening', async (t) => {
  await using store = await openMemoryStore()
  const check = (events: SiteEvents) => {
    t.equal(events.lastLive, 1)
    t.equal(events.liveAtMs(1), 30, 'the last time counts')
    t.equal(events.liveAtMs(2), 20)
    t.equal(events.liveAtMs(3), undefined)
    t.ok(events.isEncoded(2))
    t.notOk(events.isEncoded(1))
    t.match(events.receipts(1), [
      { plugin: 'cdn', action: 'purged again', atMs: 50 },
      { plugin: 'mail', action: 'sent' },
    ])
    t.match(events.receipts(2), [{ plugin: 'cdn', action: 'purged', details: { urls: 3 } }])
    t.same(events.receipts(3), [])
    t.equal(events.cursor('cdn'), 's.3')
    t.equal(events.cursor('mail'), 's.1')
    t.equal(events.cursor('other'), undefined)
  }
  {
    await using events = await SiteEvents.open(store, 'operator', 'blog')
    await events.markLive(1, 10)
    await events.markLive(2, 20)
    await events.markLive(1, 30)
    await events.markEncoded(2, 21)
    await events.markEncoded(2, 22)
    const purged = { plugin: 'cdn', upto: 's.2' as Ts, versions: [1, 2], action: 'purged', atMs: 40 }
    await events.addReceipt({ ...purged, details: { urls: 3 } })
    await events.addReceipt({ plugin: 'mail', upto: 's.1' as Ts, versions: [1], action: 'sent', atMs: 45 })
    await events.addReceipt({ ...purged, upto: 's.3' as Ts, versions: [1], action: 'purged again', atMs: 50 })
    check(events)
  }
  await using again = await SiteEvents.open(store, 'operator', 'blog')
  check(again)
})

t.test('a log that holds something else is told', async (t) => {
  await using store = await openMemoryStore()
  for (const [site, data] of [
    ['a', '{'],
    ['b', '{"kind":"other"}'],
    ['c', '{"kind":"live","version":"1","atMs":1}'],
  ] as const) {
    const log = await openOwnLog(store, store.root, `/sites/operator/${site}/events`)
    await log.write(Buffer.from(data))
    await log.close()
    await t.rejects(SiteEvents.open(store, 'operator', site), { code: 'ERR_DATA_FORMAT' })
  }
})
