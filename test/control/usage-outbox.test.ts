import { join } from 'node:path'
import t, { type Test } from 'tap'
import { UsageLog } from '../../control/usage-log.ts'
import { UsageOutbox, type UsageOutboxOptions } from '../../control/usage-outbox.ts'
import { limits } from '../../core/limits.ts'
import type { Plugin } from '../../core/plugin.ts'
import type { Usage } from '../../core/usage.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { openSqliteStore } from '../../store/drivers/sqlite.ts'
import { silentLog } from './fixtures/silent-log.ts'
import { usageOf } from './fixtures/usage.ts'

/** A plugin that keeps what it was told; `act` decides about each call. */
function recorder(name: string, act: (call: number) => unknown = () => undefined) {
  const calls: { id: string; usage: readonly Usage[] }[] = []
  const waiting: (() => void)[] = []
  const plugin: Plugin = {
    name,
    async metered(id, usage) {
      calls.push({ id, usage })
      for (const wake of waiting.splice(0)) wake()
      await act(calls.length)
    },
  }
  const until = async (count: number) => {
    while (calls.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  const told = () => calls.map(({ usage }) => usage[0]?.requests)
  return { plugin, calls, until, told }
}

async function memoryLog(t: Test): Promise<UsageLog> {
  const store = await openMemoryStore()
  t.teardown(() => store[Symbol.asyncDispose]())
  return UsageLog.open(store)
}

const outboxOf = (usageLog: UsageLog, plugins: Plugin[], options: Partial<UsageOutboxOptions> = {}) =>
  new UsageOutbox({ usageLog, plugins, log: silentLog, ...options })

/** Appends a batch as the meter does. */
async function append(log: UsageLog, outbox: UsageOutbox, files: number): Promise<void> {
  await outbox.begin()
  await log.append([usageOf('blog', files, files * 1_000)])
  outbox.poke(files * 1_000)
}

async function idle(outbox: UsageOutbox): Promise<void> {
  while (outbox.pending().length > 0) await new Promise(setImmediate)
}

t.test('each batch is told once and in order, and then nothing is pending', async (t) => {
  const log = await memoryLog(t)
  const { plugin, calls, told } = recorder('billing')
  await using outbox = outboxOf(log, [plugin, { name: 'deaf' }])
  t.ok(outbox.isWanted)
  await append(log, outbox, 1)
  await new Promise(setImmediate)
  t.match(outbox.pending(), [{ plugin: 'billing', fromMs: 1_000, attempts: 0, error: undefined }])
  t.same(calls, [], 'before its start an outbox only notes what happens')
  outbox.start()
  await append(log, outbox, 2)
  await append(log, outbox, 3)
  await idle(outbox)
  t.same(told(), [1, 2, 3])
  t.equal(new Set(calls.map(({ id }) => id)).size, 3)
  t.notOk(outboxOf(log, [{ name: 'deaf' }]).isWanted)
})

t.test('a failure is tried again with the same batch, and what comes after it waits', async (t) => {
  const log = await memoryLog(t)
  const down = recorder('down', (call) => {
    if (call < 3) throw new Error(`cannot reach it ${'x'.repeat(1_000)}`)
  })
  const up = recorder('up')
  await using outbox = outboxOf(log, [down.plugin, up.plugin])
  outbox.start()
  await append(log, outbox, 1)
  await append(log, outbox, 2)
  await down.until(2)
  t.match(outbox.pending(), [{ plugin: 'down', fromMs: 1_000, attempts: 1, error: /^cannot reach it x+$/ }])
  t.equal(outbox.pending()[0]?.error?.length, limits.outbox.errorChars)
  t.same(up.told(), [1, 2], 'one that fails does not hold up another')
  await idle(outbox)
  t.same(down.told(), [1, 1, 1, 2])
  t.equal(new Set(down.calls.map(({ id }) => id)).size, 2)
})

t.test('a throw before any promise is a failure like any other', async (t) => {
  const log = await memoryLog(t)
  let calls = 0
  const plugin: Plugin = {
    name: 'billing',
    metered() {
      calls += 1
      if (calls === 1) throw new Error('at once')
      return Promise.resolve()
    },
  }
  await using outbox = outboxOf(log, [plugin])
  outbox.start()
  await append(log, outbox, 1)
  await idle(outbox)
  t.equal(calls, 2)
})

t.test('a plugin that never answers is not waited for any longer than its time', async (t) => {
  const log = await memoryLog(t)
  const { plugin, until, told } = recorder('billing', (call) => (call === 1 ? new Promise(() => {}) : undefined))
  await using outbox = outboxOf(log, [plugin], { meteredMs: 10 })
  outbox.start()
  await append(log, outbox, 1)
  await until(2)
  await idle(outbox)
  t.same(told(), [1, 1])
})

t.test('a restart in the middle tells again what was not confirmed, under the same id', async (t) => {
  const file = join(t.testdir(), 'store.db')
  const hanging = recorder('billing', (call) => (call === 2 ? new Promise(() => {}) : undefined))
  {
    await using store = await openSqliteStore(file)
    const log = await UsageLog.open(store)
    const outbox = outboxOf(log, [hanging.plugin], { meteredMs: 50 })
    t.teardown(() => outbox[Symbol.asyncDispose]())
    outbox.start()
    await append(log, outbox, 1)
    await append(log, outbox, 2)
    await append(log, outbox, 3)
    await hanging.until(2)
    // The store closes under it, as at a kill.
  }
  await using store = await openSqliteStore(file)
  const log = await UsageLog.open(store)
  const back = recorder('billing')
  const late = recorder('late')
  await using outbox = outboxOf(log, [back.plugin, late.plugin])
  outbox.start()
  await back.until(2)
  await idle(outbox)
  t.same(back.told(), [2, 3])
  t.equal(back.calls[0]?.id, hanging.calls[1]?.id, 'so the plugin can tell')
  t.ok(String(back.calls[1]?.id) > String(back.calls[0]?.id))
  t.same(late.told(), [], 'a plugin that is new begins now')
  await append(log, outbox, 4)
  await idle(outbox)
  t.same([back.told(), late.told()], [[2, 3, 4], [4]])
})

t.test(
  'a delivery that ends while the outbox stops is confirmed, and the next one waits for another outbox',
  async (t) => {
    const log = await memoryLog(t)
    const gate = Promise.withResolvers<void>()
    const { plugin, until, told } = recorder('billing', () => gate.promise)
    const outbox = outboxOf(log, [plugin])
    outbox.start()
    await append(log, outbox, 1)
    await append(log, outbox, 2)
    await until(1)
    const stopped = outbox[Symbol.asyncDispose]()
    gate.resolve()
    await stopped
    t.same(told(), [1])
    outbox.poke(9_000)
    t.same(told(), [1], 'what is stopped tells nothing more')
    await using next = outboxOf(log, [plugin])
    next.start()
    await until(2)
    await idle(next)
    t.same(told(), [1, 2])
  },
)
