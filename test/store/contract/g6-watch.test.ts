import t from 'tap'
import { limits } from '../../../core/limits.ts'
import type { Environment } from '../../../store/environment.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import type { Ts, WatchEvent } from '../../../store/store.ts'
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

/** An environment whose steady clock and sleeps go on when told to. */
function steadyClock(): { env: Environment; pass(ms: number): void; readonly sleeping: number } {
  let now = 0
  const sleepers: { until: number; resolve: () => void }[] = []
  return {
    env: {
      ...nodeEnvironment,
      monotonic: () => now,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          sleepers.push({ until: now + ms, resolve })
          signal?.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    },
    pass(ms) {
      now += ms
      for (const { until, resolve } of sleepers) if (until <= now) resolve()
    },
    get sleeping() {
      return sleepers.filter(({ until }) => until > now).length
    },
  }
}

/** Takes the next event; with a number of turns of the event loop, says `nothing` when it does not come by then. */
function taker(watch: AsyncIterable<WatchEvent>): (turns?: number) => Promise<WatchEvent | 'nothing'> {
  const iterator = watch[Symbol.asyncIterator]()
  let asked: Promise<WatchEvent> | undefined
  return async (turns) => {
    asked ??= iterator.next().then(({ value }) => value)
    const event = await (turns === undefined ? asked : Promise.race([asked, nothingAfter(turns)]))
    if (event !== 'nothing') asked = undefined
    return event
  }
}

async function nothingAfter(turns: number): Promise<'nothing'> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
  return 'nothing'
}

eachDriver(t, 'a watcher that has seen all is told how far, and again when the store has moved on', async (t, open) => {
  const clock = steadyClock()
  const store = await open({ env: clock.env })
  const log = await rootLog(store, '/a')
  const other = await rootLog(store, '/b')
  const one = await log.write(bytes('1'))
  const next = taker(log.watch(undefined, { signal: new AbortController().signal }))
  t.match(await next(), { kind: 'entry', entry: { ts: one } })
  t.same(await next(), { kind: 'progress', ts: one }, 'at once when nothing is left')
  const two = await log.write(bytes('2'))
  t.match(await next(), { kind: 'entry', entry: { ts: two } })
  t.equal(await next(20), 'nothing', 'not again so soon')
  clock.pass(limits.store.progressMs)
  t.same(await next(), { kind: 'progress', ts: two })
  const elsewhere = await other.write(bytes('x'))
  t.equal(await next(20), 'nothing')
  clock.pass(limits.store.progressMs)
  t.same(await next(), { kind: 'progress', ts: elsewhere }, 'also when it was another log that moved')
  clock.pass(10 * limits.store.progressMs)
  t.equal(await next(20), 'nothing', 'and nothing when nothing moved')
  t.equal(clock.sleeping, 0)
})

eachDriver(t, 'a mark of progress is a cursor: whoever goes on from it misses nothing', async (t, open) => {
  const clock = steadyClock()
  const store = await open({ env: clock.env })
  const log = await rootLog(store, '/a')
  const other = await rootLog(store, '/b')
  const { signal } = new AbortController()
  const written: string[] = []
  const seen: string[] = []
  let cursor: Ts | undefined
  let ended = false
  const write = (async () => {
    for (let index = 0; index < 120; index += 1) {
      await Promise.all([log.write(bytes(String(index))), other.write(bytes('x'))])
      written.push(String(index))
      clock.pass(limits.store.progressMs)
    }
    ended = true
  })()
  // A watcher that goes on from nothing but the marks, and so may see an entry twice; what it sees has no hole.
  while (!ended || seen.at(-1) !== '119') {
    let marks = 0
    for await (const event of log.watch(cursor, { signal })) {
      if (event.kind === 'entry') seen.push(text(event.entry))
      if (event.kind === 'reset') t.fail('nothing was trimmed')
      if (event.kind === 'progress') cursor = event.ts
      if (event.kind === 'progress') marks += 1
      if (marks > 1) break
      if (ended && seen.at(-1) === '119') break
    }
  }
  await write
  t.same([...new Set(seen)], written)
})

eachDriver(t, 'a right that ends while a watcher waits is asked for again at the next delivery', async (t, open) => {
  let nowMs = 1_000
  const store = await open({ env: { ...nodeEnvironment, now: () => nowMs } })
  const log = await rootLog(store, '/a')
  const { signal } = new AbortController()
  const open2 = async (options: object) =>
    store.open(await store.grant(store.root, { path: '/a', read: true, untilMs: forever, ...options }), '/a')
  const short = taker((await open2({ untilMs: 2_000 })).watch(undefined, { signal }))
  const dropped = taker((await open2({})).watch(undefined, { signal }))
  const rest = taker(log.watch(undefined, { signal }))
  for (const next of [short, dropped, rest]) t.match(await next(), { kind: 'progress' })
  await log.write(bytes('1'))
  for (const next of [short, dropped, rest]) t.match(await next(), { kind: 'entry' })
  nowMs = 2_000
  await log.write(bytes('2'))
  t.equal(await codeOf(short()), 'ERR_DENIED expired')
  t.match(await dropped(), { kind: 'entry' })
  await store.rotateKeys(store.root)
  t.equal(await store.dropKeys(store.root), 1)
  t.equal(await codeOf(dropped()), 'ERR_DENIED handle', 'its key is gone')
  await log.write(bytes('3'))
  t.match([await rest(), await rest()], [{ kind: 'entry' }, { kind: 'entry' }], 'the root has a key of its own')
})

eachDriver(t, 'a watcher in the middle of a page gets no more of it once its right is gone', async (t, open) => {
  const store = await open()
  const root = await rootLog(store, '/a')
  for (let index = 0; index < 10; index += 1) await root.write(bytes(String(index)))
  const handle = await store.grant(store.root, { path: '/a', untilMs: forever, read: true })
  const next = taker((await store.open(handle, '/a')).watch(undefined, { signal: new AbortController().signal }))
  t.match(await next(), { kind: 'entry' })
  await store.revoke(store.root, handle)
  t.equal(await codeOf(next()), 'ERR_DENIED revoked')
})

eachDriver(t, 'what a watcher does to its entry changes nobody else’s', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const { signal } = new AbortController()
  const [a, b] = [taker(log.watch(undefined, { signal })), taker(log.watch(undefined, { signal }))]
  for (const next of [a, b]) t.match(await next(), { kind: 'progress' })
  await log.write(bytes('whole'))
  for (const next of [a, b]) {
    const event = await next()
    t.match(event, { kind: 'entry', entry: { data: bytes('whole') } })
    if (event !== 'nothing' && event.kind === 'entry') event.entry.data.fill(0)
  }
})

eachDriver(t, 'the log of grants can be watched like any other', async (t, open) => {
  const store = await open()
  const next = taker(
    (await store.open(store.root, '/grants')).watch(undefined, { signal: new AbortController().signal }),
  )
  t.match(await next(), { kind: 'progress' })
  const handle = await store.grant(store.root, { path: '/a', untilMs: forever, read: true, label: 'ada' })
  const made = await next()
  const told = made !== 'nothing' && made.kind === 'entry' ? JSON.parse(text(made.entry)) : made
  t.match(told, { kind: 'grant', label: 'ada' })
  const { ts } = await store.revoke(store.root, handle)
  t.match(await next(), { kind: 'entry', entry: { ts } })
})
