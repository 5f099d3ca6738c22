import { join } from 'node:path'
import t from 'tap'
import { openRevocations } from '../../control/revocations.ts'
import { limits } from '../../core/limits.ts'
import { forEachParallel } from '../../core/parallel.ts'
import type { Revocation } from '../../core/session.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { openSqliteStore } from '../../store/drivers/sqlite.ts'

const session = (id: string, untilMs: number): Revocation => ({ kind: 'session', id, untilMs })
const user = (userId: string, issuedUptoMs: number, untilMs: number): Revocation => ({
  kind: 'user',
  userId,
  issuedUptoMs,
  untilMs,
})

t.test('what was added is there after a restart, until it expires', async (t) => {
  const file = join(t.testdir({}), 'store.db')
  const clock = { nowMs: 1_000 }
  const now = () => clock.nowMs
  {
    await using store = await openSqliteStore(file)
    const revocations = await openRevocations(store, store.root, { now })
    await revocations.add(session('a', 2_000))
    await revocations.add(session('b', 3_000))
    await revocations.add(user('ada', 1_000, 2_500))
  }
  await using store = await openSqliteStore(file)
  const revocations = await openRevocations(store, store.root, { now })
  t.strictSame(revocations.list(), [session('a', 2_000), session('b', 3_000), user('ada', 1_000, 2_500)])
  clock.nowMs = 2_000
  t.strictSame(revocations.list(), [session('b', 3_000), user('ada', 1_000, 2_500)])
  clock.nowMs = 3_000
  t.strictSame((await openRevocations(store, store.root, { now })).list(), [])
})

t.test('two of one user become one that says both; a user and a session of one name are two', async (t) => {
  await using store = await openMemoryStore()
  const revocations = await openRevocations(store, store.root, { now: () => 0 })
  await revocations.add(user('ada', 10, 500))
  await revocations.add(user('ada', 20, 400))
  await revocations.add(user('ada', 5, 300))
  await revocations.add(session('ada', 100))
  await revocations.add(session('ada', 90))
  t.strictSame(revocations.list(), [user('ada', 20, 500), session('ada', 100)])
  t.strictSame((await openRevocations(store, store.root, { now: () => 0 })).list(), revocations.list())
})

t.test('a revocation that is not durable is not in force either, and the caller knows', async (t) => {
  const store = await openMemoryStore()
  const revocations = await openRevocations(store, store.root, { now: () => 0 })
  await store[Symbol.asyncDispose]()
  await t.rejects(revocations.add(session('a', 10)), { code: 'ERR_CLOSED' })
  t.strictSame(revocations.list(), [])
})

t.test('a record that is none stops the start', async (t) => {
  await using store = await openMemoryStore()
  await openRevocations(store, store.root)
  await using log = await store.open(store.root, '/sessions/revoked')
  await log.write(Buffer.from('{"kind":"session"}'))
  await t.rejects(openRevocations(store, store.root), { code: 'ERR_DATA_FORMAT' })
})

t.test('their number is bounded; room comes back when some expire', async (t) => {
  await using store = await openMemoryStore()
  const clock = { nowMs: 0 }
  const revocations = await openRevocations(store, store.root, { now: () => clock.nowMs })
  const ids = Array.from({ length: limits.session.revocations }, (_, index) => `s${index}`)
  await forEachParallel(ids, 1_000, (id) => revocations.add(session(id, 100)))
  await t.rejects(revocations.add(session('one-more', 200)), { code: 'ERR_TOO_MANY' })
  await t.resolves(revocations.add(session('s0', 150)), 'a known one needs no room')
  clock.nowMs = 100
  await revocations.add(session('one-more', 200))
  t.strictSame(revocations.list(), [session('s0', 150), session('one-more', 200)])
})
