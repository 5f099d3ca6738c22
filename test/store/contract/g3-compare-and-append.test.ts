import t from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import type { Ts } from '../../../store/store.ts'
import { bytes, codeOf, eachDriver, rootLog, texts } from '../fixtures/drivers.ts'

eachDriver(t, 'of many writers that expect the same head exactly one wins', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a', true)
  let expect: Ts | undefined
  for (let round = 0; round < 20; round += 1) {
    const racers = await Promise.allSettled(
      Array.from({ length: 10 }, (_, racer) => log.write(bytes(`${round}.${racer}`), { expect })),
    )
    const winners = racers.flatMap((racer) => (racer.status === 'fulfilled' ? [racer.value] : []))
    const losers = racers.flatMap((racer) => (racer.status === 'rejected' ? [racer.reason as GroveError] : []))
    t.equal(winners.length, 1)
    expect = winners[0]
    for (const { code, details } of losers)
      t.match({ code, head: details?.['head'] }, { code: 'ERR_CONFLICT', head: expect })
    t.equal(await log.head(), expect)
  }
  t.equal((await texts(log)).length, 20, 'the losers wrote nothing')
})

eachDriver(t, 'an empty log is expected with undefined, and only a given property is compared', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  t.equal(await log.head(), undefined)
  const first = await log.write(bytes('1'), { expect: undefined })
  t.equal(await codeOf(log.write(bytes('x'), { expect: undefined })), 'ERR_CONFLICT')
  await log.write(bytes('2'), {})
  t.equal(await codeOf(log.write(bytes('x'), { expect: first })), 'ERR_CONFLICT')
  t.equal(await codeOf(log.write(bytes('x'), { expect: 'nonsense' as Ts })), 'ERR_CONFLICT')
  t.same(await texts(log), ['1', '2'])
})

eachDriver(t, 'a serialized log takes only writes that say what they expect', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a', true)
  t.equal(await codeOf(log.write(bytes('x'))), 'ERR_BAD_REQUEST')
  const tx = await store.begin(log)
  tx.write(log, bytes('x'))
  t.equal(await codeOf(tx.commit()), 'ERR_BAD_REQUEST')
  t.same(await texts(log), [])
})
