import t from 'tap'
import { bytes, eachDriver, rootLog, texts } from '../fixtures/drivers.ts'

eachDriver(t, 'timestamps of a store only grow, over all its logs', async (t, open) => {
  const store = await open()
  const logs = [await rootLog(store, '/a'), await rootLog(store, '/b'), await rootLog(store, '/c')]
  const stamps: string[] = []
  for (let turn = 0; turn < 50; turn += 1) for (const log of logs) stamps.push(await log.write(bytes(`${turn}`)))
  t.same(stamps, [...new Set(stamps)].sort(), 'unique and in the order of the writes')
  t.match(stamps[0], new RegExp(`^${store.id}\\.\\d{20}$`))
})

eachDriver(t, 'who was shown an entry is shown everything before it, at every later read', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  let acknowledged = 0
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let turn = 0; turn < 20; turn += 1) {
      await log.write(bytes(`${writer}.${turn}`))
      acknowledged += 1
    }
  })
  const seen: string[][] = []
  while (acknowledged < 160) {
    const before = acknowledged
    const read = await texts(log)
    t.ok(read.length >= before, 'a read holds every write that was acknowledged before it')
    seen.push(read)
    await new Promise(setImmediate)
  }
  await Promise.all(writers)
  const all = await texts(log)
  t.equal(all.length, 160)
  for (const read of seen) if (read.some((entry, index) => entry !== all[index])) t.fail('a read is not a prefix')
})

eachDriver(t, 'a read is as of its call, and by range and limit', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const one = await log.write(bytes('1'))
  const two = await log.write(bytes('2'))
  const read = log.read()
  await log.write(bytes('3'))
  t.equal((await Array.fromAsync(read)).length, 2, 'what came after the call is not in it')
  t.same(await texts(log, { after: one }), ['2', '3'])
  t.same(await texts(log, { upto: two }), ['1', '2'])
  t.same(await texts(log, { after: one, upto: two }), ['2'])
  t.same(await texts(log, { limit: 1 }), ['1'])
  t.same(await texts(log, { limit: 0 }), [])
})

eachDriver(t, 'a read goes on over as many pages as there are', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const other = await rootLog(store, '/b')
  for (let index = 0; index < 600; index += 1) {
    await log.write(bytes(String(index)))
    if (index % 7 === 0) await other.write(bytes('x'))
  }
  t.same(
    await texts(log),
    Array.from({ length: 600 }, (_, index) => String(index)),
  )
  t.same(await texts(log, { limit: 300 }), (await texts(log)).slice(0, 300))
  const large = new Uint8Array(700_000).fill(7)
  for (let index = 0; index < 5; index += 1) await other.write(large)
  t.equal((await Array.fromAsync(other.read())).length, 86 + 5, 'pages that are full by their bytes')
})

eachDriver(t, 'what a writer does to its buffer later, and a reader to its own, changes nothing', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const buffer = Buffer.from('whole')
  await log.write(buffer)
  buffer.fill(0)
  for await (const entry of log.read()) entry.data.fill(0)
  t.same(await texts(log), ['whole'])
})
