import t from 'tap'
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
