import t from 'tap'
import type { GroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import { justAfter, justBefore } from '../../../store/logs/timestamp.ts'
import type { Log, Store, Ts } from '../../../store/store.ts'
import { bytes, clockOf, codeOf, dump, eachDriver, first, forever, rootLog, text, texts } from '../fixtures/drivers.ts'

/** Writes so many entries `1`, `2` … and answers their timestamps. */
async function fill(log: Log, count: number): Promise<Ts[]> {
  const stamps: Ts[] = []
  for (let index = 1; index <= count; index += 1) stamps.push(await log.write(bytes(String(index))))
  return stamps
}

/** Writes an entry that covers an interval. */
function cover(log: Log, lo: Ts, hi: Ts, name = 'cover'): Promise<Ts> {
  return log.write(bytes(name), { covers: { lo, hi } })
}

eachDriver(t, 'what an entry covers can be forgotten, and it says what it stands for', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const [one, , three, four] = (await fill(log, 4)) as [Ts, Ts, Ts, Ts]
  const by = await cover(log, one, three)
  t.equal((await log.stat()).trimmed, undefined)
  await log.trim(one, justAfter(three), { by })
  t.same(await texts(log), ['4', 'cover'])
  t.match(await log.stat(), { oldest: four, head: by, trimmed: { upto: three, cover: by }, entries: 2, bytes: 6 })
  const [entry] = await Array.fromAsync(log.read({ after: four }))
  t.match(entry, { ts: by, lo: one, hi: three })
})

eachDriver(t, 'nothing is forgotten without an entry that stands for it', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const other = await rootLog(store, '/b')
  const [one, two, three, four] = (await fill(log, 4)) as [Ts, Ts, Ts, Ts]
  const elsewhere = await cover(other, one, four)
  const middle = await cover(log, two, three)
  const early = await cover(log, one, two)
  const future = `${store.id}.${'99'.padStart(20, '0')}` as Ts
  const foreign = `${'0'.repeat(16)}.${'1'.padStart(20, '0')}` as Ts
  const reader = await store.open(await store.grant(store.root, { path: '/a', untilMs: forever, read: true }), '/a')
  const before = await dump(store)
  const refused: readonly { name: string; call: () => Promise<unknown>; code: string }[] = [
    {
      name: 'by an entry that covers itself alone',
      call: () => log.trim(one, two, { by: four }),
      code: 'ERR_BAD_REQUEST',
    },
    { name: 'by itself', call: () => log.trim(one, justAfter(one), { by: one }), code: 'ERR_BAD_REQUEST' },
    { name: 'more than is covered', call: () => log.trim(one, four, { by: early }), code: 'ERR_BAD_REQUEST' },
    { name: 'the cover with it', call: () => log.trim(one, justAfter(early), { by: early }), code: 'ERR_BAD_REQUEST' },
    { name: 'from the middle on', call: () => log.trim(two, four, { by: middle }), code: 'ERR_BAD_REQUEST' },
    { name: 'an older one than is covered', call: () => log.trim(one, four, { by: middle }), code: 'ERR_BAD_REQUEST' },
    { name: 'by another log’s entry', call: () => log.trim(one, four, { by: elsewhere }), code: 'ERR_BAD_REQUEST' },
    { name: 'by what is to come', call: () => log.trim(one, two, { by: future }), code: 'ERR_AFTER_NOT_VISIBLE' },
    {
      name: 'by another store’s entry',
      call: () => log.trim(one, two, { by: foreign }),
      code: 'ERR_AFTER_NOT_VISIBLE',
    },
    {
      name: 'from another store’s moment',
      call: () => log.trim(foreign, two, { by: early }),
      code: 'ERR_AFTER_NOT_VISIBLE',
    },
    { name: 'up to what is to come', call: () => log.trim(one, future, { by: early }), code: 'ERR_AFTER_NOT_VISIBLE' },
    { name: 'a text', call: () => log.trim('x' as Ts, two, { by: early }), code: 'ERR_BAD_REQUEST' },
    { name: 'a number', call: () => log.trim(1 as unknown as Ts, two, { by: early }), code: 'ERR_BAD_REQUEST' },
    { name: 'without the right to write', call: () => reader.trim(one, two, { by: early }), code: 'ERR_DENIED rights' },
  ]
  for (const { name, call, code } of refused) t.equal(await codeOf(call()), code, name)
  t.same(await dump(store), before, 'and nothing changed')
})

eachDriver(t, 'a trim that was done changes nothing when it is done again', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const [one, , three] = (await fill(log, 4)) as [Ts, Ts, Ts, Ts]
  const by = await cover(log, one, three)
  await log.trim(one, justAfter(three), { by })
  const before = await dump(store)
  await log.trim(one, justAfter(three), { by })
  await log.trim(one, three, { by })
  t.same(await dump(store), before)
})

eachDriver(t, 'a merge covers and trims in one transaction, or does neither', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a', true)
  let head: Ts | undefined
  const stamps: Ts[] = []
  for (let index = 1; index <= 3; index += 1) {
    head = await log.write(bytes(String(index)), { expect: head })
    stamps.push(head)
  }
  const [lo, hi] = [stamps[0], stamps[2]] as [Ts, Ts]
  const merge = async (expect: Ts | undefined, covers: { lo: Ts; hi: Ts } | undefined, to: Ts) => {
    const tx = await store.begin(log)
    tx.write(log, bytes('merged'), { expect, ...(covers && { covers }) })
    tx.trim(log, lo, to)
    return tx.commit()
  }
  const before = await dump(store)
  t.equal(await codeOf(merge(lo, { lo, hi }, justAfter(hi))), 'ERR_CONFLICT', 'somebody came between')
  t.equal(await codeOf(merge(hi, undefined, justAfter(hi))), 'ERR_BAD_REQUEST', 'an entry that covers nothing')
  t.equal(
    await codeOf(merge(hi, { lo, hi: stamps[1] as Ts }, justAfter(hi))),
    'ERR_BAD_REQUEST',
    'one that covers less',
  )
  t.equal(
    await codeOf(merge(hi, { lo: hi, hi: lo }, justAfter(hi))),
    'ERR_BAD_REQUEST',
    'an interval the wrong way round',
  )
  const tx = await store.begin(log)
  tx.trim(log, lo, hi)
  t.equal(await codeOf(() => tx.trim(log, lo, hi)), 'ERR_BAD_REQUEST', 'twice')
  t.equal(await codeOf(tx.commit()), 'ERR_BAD_REQUEST', 'nothing that stands for it')
  t.same(await dump(store), before)
  const merged = await merge(hi, { lo, hi }, justAfter(hi))
  t.same(await texts(log), ['merged'])
  t.match(await log.stat(), { head: merged, oldest: merged, trimmed: { upto: hi, cover: merged } })
})

eachDriver(t, 'what is forgotten is told to whoever reads on from it, never passed over', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const noise = await rootLog(store, '/noise')
  const [one, two, three, four] = (await fill(log, 4)) as [Ts, Ts, Ts, Ts]
  await noise.write(bytes('x'))
  const by = await cover(log, one, three)
  const reading = log.read()[Symbol.asyncIterator]()
  await log.trim(one, four, { by })
  t.match((await reading.next()).value, { ts: four }, 'who has not begun begins with what is kept')
  for (const after of [justBefore(one), one, two]) {
    const error = await Array.fromAsync(log.read({ after })).then(
      () => undefined,
      (thrown: GroveError) => thrown,
    )
    t.match(error, { code: 'ERR_TRIMMED', details: { oldest: four, cover: by } })
    t.same(await first(log.watch(after, { signal: new AbortController().signal }), 'reset'), {
      kind: 'reset',
      oldest: four,
      cover: by,
    })
  }
  t.equal((await texts(log, { after: three }))[0], '4', 'who has seen the last that is gone lacks nothing')
  const fromStart = log.watch(undefined, { signal: new AbortController().signal })
  t.match(await first(fromStart, 'reset'), { cover: by }, 'a watch from the beginning has to begin with the cover')
})

eachDriver(t, 'a read that is overtaken by a trim between two of its pages says so', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const count = limits.store.pageEntries + 10
  const stamps = await fill(log, count)
  const reading = log.read()[Symbol.asyncIterator]()
  t.equal(text((await reading.next()).value), '1')
  const [lo, hi] = [stamps[0], stamps[count - 2]] as [Ts, Ts]
  await log.trim(lo, justAfter(hi), { by: await cover(log, lo, hi) })
  const seen: string[] = []
  const code = await codeOf(async () => {
    for (let next = await reading.next(); !next.done; next = await reading.next()) seen.push(text(next.value))
  })
  t.equal(code, 'ERR_TRIMMED')
  t.equal(seen.length, limits.store.pageEntries - 1, 'the page that it had is whole')
})

eachDriver(t, 'a slow watcher that is overtaken by a trim is reset; a fast one goes on', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const { signal } = new AbortController()
  const slow = log.watch(undefined, { signal })[Symbol.asyncIterator]()
  const fast = log.watch(undefined, { signal })[Symbol.asyncIterator]()
  const next = async (watch: typeof slow) => {
    for (;;) {
      const { value } = await watch.next()
      if (value?.kind !== 'progress') return value
    }
  }
  const one = await log.write(bytes('1'))
  t.match(await next(slow), { kind: 'entry', entry: { ts: one } })
  t.match(await next(fast), { kind: 'entry', entry: { ts: one } })
  const two = await log.write(bytes('2'))
  t.match(await next(fast), { kind: 'entry', entry: { ts: two } })
  const tx = await store.begin(log)
  tx.write(log, bytes('cover'), { covers: { lo: one, hi: two } })
  tx.trim(log, one, justAfter(two))
  const by = await tx.commit()
  t.match(await next(fast), { kind: 'entry', entry: { ts: by, lo: one, hi: two } })
  t.same(await next(slow), { kind: 'reset', oldest: by, cover: by })
  t.ok((await slow.next()).done, 'nothing follows')
  await fast.return?.()
})

eachDriver(t, 'a second merge has to stand for what the first one stood for', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const [one, two, three, four] = (await fill(log, 4)) as [Ts, Ts, Ts, Ts]
  const firstCover = await cover(log, one, two)
  await log.trim(one, three, { by: firstCover })
  const less = await cover(log, three, four)
  t.equal(await codeOf(log.trim(three, justAfter(four), { by: less })), 'ERR_BAD_REQUEST')
  const all = await cover(log, one, less)
  await log.trim(three, justAfter(less), { by: all })
  t.same(await texts(log), ['cover'])
  t.match((await log.stat()).trimmed, { upto: less, cover: all })
})

/** A log of `key=value` entries; a cover holds the whole state as JSON. The state at a moment, from what is kept. */
async function stateAt(log: Log, ts: Ts): Promise<string> {
  const state = new Map<string, string>()
  const { trimmed } = await log.stat()
  const kept = await Array.fromAsync(log.read())
  const covering = kept.find((entry) => entry.ts === trimmed?.cover)
  if (covering) for (const [key, value] of JSON.parse(text(covering))) state.set(key, value)
  for (const entry of kept) {
    if (entry.ts > ts || (covering && entry.ts <= covering.hi) || entry.lo !== entry.ts) continue
    const [key = '', value = ''] = text(entry).split('=')
    state.set(key, value)
  }
  return JSON.stringify([...state].sort())
}

eachDriver(t, 'every moment that is kept says the same before and after merges', async (t, open) => {
  const store = await open()
  const log = await rootLog(store, '/a')
  const stamps: Ts[] = []
  const expected = new Map<Ts, string>()
  for (let round = 0; round < 12; round += 1) {
    for (let index = 0; index < 5; index += 1) {
      const ts = await log.write(bytes(`${(round * 7 + index * 3) % 11}=${round}.${index}`))
      stamps.push(ts)
      expected.set(ts, await stateAt(log, ts))
    }
    // Everything but the last few is merged; these stay readable one by one.
    const hi = stamps.at(-3) as Ts
    const tx = await store.begin(log)
    tx.write(log, bytes(expected.get(hi) ?? ''), { covers: { lo: stamps[0] as Ts, hi } })
    tx.trim(log, justBefore(stamps[0] as Ts), justAfter(hi))
    await tx.commit()
    for (const ts of stamps.slice(-3)) t.equal(await stateAt(log, ts), expected.get(ts))
  }
  t.ok((await log.stat()).entries <= 2 + 12)
})

async function trimAll(store: Store, log: Log, lo: Ts): Promise<void> {
  const head = (await log.head()) as Ts
  const tx = await store.begin(log)
  tx.write(log, bytes('cover'), { covers: { lo, hi: head } })
  tx.trim(log, justBefore(lo), justAfter(head))
  await tx.commit()
}

eachDriver(t, 'an operation is known for a while after its entry is forgotten', async (t, open) => {
  let nowMs = 1_000_000
  const store = await open({ env: clockOf(() => nowMs) })
  const log = await rootLog(store, '/a')
  const ts = await log.write(bytes('1'), { opId: 'operation-1' })
  await trimAll(store, log, ts)
  t.equal(await store.lookup(store.root, '/a', 'operation-1'), ts)
  t.equal(await log.write(bytes('1'), { opId: 'operation-1' }), ts, 'a late repeat appends nothing')
  nowMs += limits.store.opKeptMs
  const second = await log.write(bytes('2'), { opId: 'operation-2' })
  await trimAll(store, log, ts)
  t.equal(await store.lookup(store.root, '/a', 'operation-1'), ts, 'until its time is over')
  nowMs += 1
  await log.write(bytes('3'))
  await trimAll(store, log, ts)
  t.equal(await store.lookup(store.root, '/a', 'operation-1'), undefined, 'and a trim comes after that')
  t.equal(await store.lookup(store.root, '/a', 'operation-2'), second)
})
