import t from 'tap'
import { narrow } from '../../../store/grants/handle.ts'
import { bytes, clockOf, codeOf, eachDriver, rootLog, texts } from '../fixtures/drivers.ts'

eachDriver(t, 'nothing is admitted from the end of a grant on', async (t, open) => {
  let nowMs = 1_000
  const store = await open({ env: clockOf(() => nowMs) })
  const root = await rootLog(store, '/a')
  const rights = { path: '/a', read: true, write: true, grant: true }
  const parent = await store.grant(store.root, { ...rights, untilMs: 5_000 })
  const child = await store.grant(parent, { ...rights, untilMs: 3_000 })
  const log = await store.open(child, '/a')
  nowMs = 2_999
  await log.write(bytes('in time'))
  nowMs = 3_000
  t.equal(await codeOf(log.write(bytes('late'))), 'ERR_DENIED expired')
  t.equal(await codeOf(texts(log)), 'ERR_DENIED expired')
  t.equal(await codeOf(store.open(child, '/a')), 'ERR_DENIED expired')
  t.equal(await codeOf(store.grant(child, { ...rights, untilMs: 3_000 })), 'ERR_DENIED expired')
  t.equal(await codeOf(store.open(parent, '/a')), 'none', 'its parent lasts longer')
  nowMs = 5_000
  t.equal(await codeOf(store.open(parent, '/a')), 'ERR_DENIED expired')
  t.equal(await codeOf(store.open(store.root, '/a')), 'none', 'the root has no end')
  t.same(await texts(root), ['in time'])
})

eachDriver(t, 'a handle ends at the earliest of all ends that it has', async (t, open) => {
  let nowMs = 1_000
  const store = await open({ env: clockOf(() => nowMs) })
  await rootLog(store, '/a')
  const grant = await store.grant(store.root, { path: '/a', read: true, write: true, untilMs: 5_000 })
  const ends = [
    { handle: narrow(grant, { untilMs: 3_000 }), end: 3_000 },
    { handle: narrow(narrow(grant, { untilMs: 4_000 }), { untilMs: 4_500 }), end: 4_000 },
    { handle: narrow(grant, { untilMs: 9_000 }), end: 5_000 },
    { handle: narrow(store.root, { untilMs: 2_000 }), end: 2_000 },
  ]
  for (const { handle, end } of ends) {
    nowMs = 1_000
    const log = await store.open(handle, '/a')
    t.equal((await store.whoami(handle)).untilMs, end)
    nowMs = end - 1
    t.equal(await codeOf(log.write(bytes('in time'))), 'none')
    nowMs = end
    t.equal(await codeOf(log.write(bytes('late'))), 'ERR_DENIED expired')
    const tx = await store.begin(log)
    tx.write(log, bytes('late'))
    t.equal(await codeOf(tx.commit()), 'ERR_DENIED expired')
    t.equal(await codeOf(store.charge(handle, '/a', {})), 'ERR_DENIED expired')
    t.equal(await codeOf(store.whoami(handle)), 'ERR_DENIED expired')
  }
})

eachDriver(t, 'a clock that is set back gives back what had ended, and no moment goes back', async (t, open) => {
  let nowMs = 5_000
  const store = await open({ env: clockOf(() => nowMs) })
  const root = await rootLog(store, '/a')
  const log = await store.open(await store.grant(store.root, { path: '/a', write: true, untilMs: 6_000 }), '/a')
  const before = await root.write(bytes('1'))
  nowMs = 6_000
  t.equal(await codeOf(log.write(bytes('x'))), 'ERR_DENIED expired')
  nowMs = 1_000
  t.ok((await log.write(bytes('2'))) > before)
  const entries = await Array.fromAsync(root.read())
  t.same(
    entries.map(({ atMs }) => atMs),
    [5_000, 1_000],
    'what the clock said is kept and orders nothing',
  )
})
