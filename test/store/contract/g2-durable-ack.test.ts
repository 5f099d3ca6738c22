import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import { createLocalStore } from '../../../store/logs/create-store.ts'
import { bytes, codeOf, eachRecords, forever, rootLog, texts } from '../fixtures/drivers.ts'
import { countsOf } from '../fixtures/worked.ts'

// A memory store keeps nothing over its end, so what outlives a process is asked of the file alone. A kill shows that
// nothing is acknowledged before it is handed to the kernel; that the kernel was told to bring it to the disk is read back
// from SQLite at each open (sqlite-open.ts), since a test cannot cut the power. The simulation can.

eachRecords(t, 'what was acknowledged is in the records, and not in the memory of who wrote it', async (t, records) => {
  const shared = { ...records, close() {} }
  const rights = { path: '/a', untilMs: forever, read: true, write: true }
  const writer = createLocalStore(shared)
  const log = await rootLog(writer, '/a')
  const grant = await writer.grant(writer.root, rights)
  const dead = await writer.grant(writer.root, rights)
  const acknowledged = await Promise.all(
    Array.from({ length: 50 }, (_, count) => log.write(bytes(`${count}`), { opId: `operation-${count}` })),
  )
  const { ts: revokedAt } = await writer.revoke(writer.root, dead)
  // Nothing is closed or flushed in between: this is what another process would find after a crash.
  const other = createLocalStore(shared)
  const there = await other.open(grant, '/a')
  t.same(
    (await Array.fromAsync(there.read())).map(({ ts }) => ts),
    acknowledged.toSorted(),
  )
  t.equal(await other.lookup(grant, '/a', 'operation-7'), acknowledged[7])
  t.equal(await codeOf(other.open(dead, '/a')), 'ERR_DENIED revoked')
  t.ok((await there.write(bytes('after'))) > revokedAt)
})

t.test('a store that is opened again has everything, and goes on', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const first = await openSqliteStore(file)
  const grant = await first.grant(first.root, { path: '/a', untilMs: Date.UTC(2100, 0), read: true, write: true })
  const log = await rootLog(first, '/a')
  const before = await log.write(bytes('before'), { opId: 'operation-1' })
  const dead = await first.grant(first.root, { path: '/a', untilMs: Date.UTC(2100, 0), read: true })
  const { ts: revokedAt } = await first.revoke(first.root, dead)
  await first[Symbol.asyncDispose]()

  const second = await openSqliteStore(file)
  t.teardown(() => second[Symbol.asyncDispose]())
  t.equal(second.id, first.id)
  const again = await second.open(grant, '/a')
  t.same(await texts(again), ['before'], 'a handle outlives the process')
  t.equal(await second.lookup(grant, '/a', 'operation-1'), before)
  t.equal(await codeOf(second.open(dead, '/a')), 'ERR_DENIED revoked')
  t.ok((await again.write(bytes('after'))) > revokedAt, 'time goes on where it was')
  t.equal(await codeOf(second.open(first.root, '/a')), 'ERR_DENIED handle', 'the root handle does not outlive it')
})

t.test('every acknowledged write is there after kill -9', { timeout: 60_000 }, async (t) => {
  const file = join(t.testdir(), 'store.db')
  let acknowledged = 0
  for (let round = 0; round < 5; round += 1) {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../fixtures/append-forever.ts'), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const closed = once(child, 'close')
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Math.max(acknowledged, Number(line))
      if (acknowledged >= (round + 1) * 40) child.kill('SIGKILL')
    }
    await closed
    const store = await openSqliteStore(file)
    const numbers = (await texts(await store.open(store.root, '/a'))).map(Number)
    t.ok(numbers.length >= acknowledged, `${numbers.length} entries for ${acknowledged} acknowledgements`)
    t.same(
      numbers,
      numbers.map((_, index) => index + 1),
      'none is missing, none is there twice',
    )
    acknowledged = numbers.length
    await store[Symbol.asyncDispose]()
  }
})

t.test(
  'nothing that many writers, merges and revocations acknowledged is lost by kill -9',
  { timeout: 90_000 },
  async (t) => {
    const file = join(t.testdir(), 'store.db')
    let merges = 0
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [join(import.meta.dirname, '../fixtures/work-forever.ts'), file], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const closed = once(child, 'close')
      const acknowledged = new Map<number, number>()
      const revoked: string[] = []
      let lines = 0
      for await (const line of createInterface({ input: child.stdout })) {
        const [kind, what = ''] = line.split(' ')
        const [writer = 0, count = 0] = what.split('.').map(Number)
        if (kind === 'w') acknowledged.set(writer, count)
        if (kind === 'r' && what.length === 22) revoked.push(what)
        lines += 1
        if (lines === 150 + round * 37) child.kill('SIGKILL')
      }
      await closed
      await using store = await openSqliteStore(file)
      const log = await store.open(store.root, '/a')
      const counts = await countsOf(log)
      for (const [writer, count] of acknowledged)
        t.ok((counts.get(writer) ?? 0) >= count, `writer ${writer} is at ${counts.get(writer)} of ${count}`)
      for (const [writer, count] of acknowledged)
        t.ok(await store.lookup(store.root, '/a', `operation-${writer}.${count}`), 'and its operation is known')
      for (const id of revoked) t.ok((await store.show(store.root, id)).revoked, 'what was revoked is')
      if ((await log.stat()).trimmed) merges += 1
    }
    t.ok(merges > 0)
  },
)
