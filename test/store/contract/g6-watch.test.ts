import t from 'tap'
import type { Ts } from '../../../store/store.ts'
import { bytes, codeOf, eachDriver, forever, rootLog, take, text } from '../fixtures/drivers.ts'

eachDriver(t, 'a watch has old and new entries, in order, each once, and resumes anywhere', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const noise = await rootLog(store, '/b')
  const { signal } = new AbortController()
  const total = 700
  const early = take(log.watch(undefined, { signal }), total)
  const stamps: Ts[] = []
  for (let index = 0; index < total; index += 1) {
    stamps.push(await log.write(bytes(String(index))))
    if (index % 3 === 0) await noise.write(bytes('noise'))
    if (index % 50 === 0) await new Promise(setImmediate)
  }
  const numbers = Array.from({ length: total }, (_, index) => String(index))
  t.same((await early).map(text), numbers, 'one that was there before them')
  for (const at of [0, 255, 256, 698]) {
    const rest = await take(log.watch(stamps[at], { signal }), total - at - 1)
    t.same(rest.map(text), numbers.slice(at + 1), `one that resumes after entry ${at}`)
  }
})

eachDriver(t, 'many watchers and many writers at once: all see the same', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const { signal } = new AbortController()
  const watchers = Array.from({ length: 50 }, () => take(log.watch(undefined, { signal }), 200))
  await Promise.all(
    Array.from({ length: 10 }, async (_, writer) => {
      for (let turn = 0; turn < 20; turn += 1) {
        await log.write(bytes(`${writer}.${turn}`))
        await new Promise(setImmediate)
      }
    }),
  )
  const seen = await Promise.all(watchers)
  const all = await Array.fromAsync(log.read())
  for (const entries of seen)
    if (entries.some(({ ts }, index) => ts !== all[index]?.ts)) t.fail('a watcher saw another order')
  t.equal(all.length, 200)
})

eachDriver(t, 'a watch ends when its signal aborts, waiting or not', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  await log.write(bytes('1'))
  await log.write(bytes('2'))
  const aborting = new AbortController()
  const seen: string[] = []
  for await (const event of log.watch(undefined, { signal: aborting.signal })) {
    if (event.kind === 'entry') seen.push(text(event.entry))
    if (seen.length === 1) aborting.abort()
  }
  t.same(seen, ['1'], 'in the middle of a page')
  const waiting = new AbortController()
  const idle = take(log.watch(await log.head(), { signal: waiting.signal }), 1)
  await new Promise(setImmediate)
  waiting.abort()
  t.same(await idle, [])
  t.same(await take(log.watch(undefined, { signal: AbortSignal.abort() }), 1), [])
})

eachDriver(t, 'a watch that cannot go on says so', async (t, open) => {
  const store = await open()
  const root = await rootLog(store, '/a')
  const reader = await store.grant(store.root, { path: '/a', untilMs: forever, read: true })
  const writer = await store.grant(store.root, { path: '/a', untilMs: forever, write: true })
  const { signal } = new AbortController()
  const watching = async (handle: typeof reader) => {
    const log = await store.open(handle, '/a')
    return { log, ended: codeOf(take(log.watch(undefined, { signal }), 1)) }
  }
  t.equal(await (await watching(writer)).ended, 'ERR_DENIED rights')
  const revoked = await watching(reader)
  await store.revoke(store.root, reader)
  t.equal(await revoked.ended, 'ERR_DENIED revoked', 'though nothing was written')
  const closed = await watching(store.root)
  await closed.log.close()
  t.equal(await closed.ended, 'ERR_CLOSED', 'its log was closed')
  const shut = codeOf(take(root.watch(undefined, { signal }), 1))
  await store[Symbol.asyncDispose]()
  t.equal(await shut, 'ERR_CLOSED', 'the store was closed')
})
