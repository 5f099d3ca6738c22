import { join } from 'node:path'
import t from 'tap'
import { UsageLog } from '../../control/usage-log.ts'
import { limits } from '../../core/limits.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { openSqliteStore } from '../../store/drivers/sqlite.ts'
import { usageOf } from './fixtures/usage.ts'

const batches = (log: UsageLog, plugin: string) => Array.fromAsync(log.unconfirmed(plugin))
const sums = async (log: UsageLog, plugin: string) =>
  (await batches(log, plugin)).map(({ usage }) => usage.map(({ requests }) => requests).join())

t.test('a plugin gets what is appended from its beginning on, in order, until it confirms', async (t) => {
  await using store = await openMemoryStore()
  await using log = await UsageLog.open(store)
  await log.append([usageOf('blog', 1)])
  await log.begin('billing')
  await log.begin('other')
  t.same(await sums(log, 'billing'), [], 'what was before is not its own')
  await log.append([usageOf('blog', 2), usageOf('shop', 3)])
  await log.append([usageOf('blog', 4)])
  await log.begin('billing')
  t.same(await sums(log, 'billing'), ['2,3', '4'], 'to begin again is not to forget')
  const [first, second] = await batches(log, 'billing')
  t.ok(first && second && first.id < second.id, 'ids are in the order of time')
  await Promise.all([log.confirm('billing', first?.id as never), log.confirm('other', second?.id as never)])
  t.same([await sums(log, 'billing'), await sums(log, 'other')], [['4'], []], 'one plugin does not move another')
})

t.test('batches and cursors are there after a restart, also a beginning before all', async (t) => {
  const file = join(t.testdir(), 'store.db')
  {
    await using store = await openSqliteStore(file)
    await using log = await UsageLog.open(store)
    await log.begin('slow')
    await log.begin('quick')
    await log.append([usageOf('blog', 1)])
    await log.append([usageOf('blog', 2)])
    for (const { id } of await batches(log, 'quick')) await log.confirm('quick', id)
  }
  await using store = await openSqliteStore(file)
  await using log = await UsageLog.open(store)
  t.same([await sums(log, 'slow'), await sums(log, 'quick')], [['1', '2'], []])
  await log.begin('late')
  t.same(await sums(log, 'late'), [])
})

t.test('cursors of plugins that are long gone do not gather', async (t) => {
  await using store = await openMemoryStore()
  await using log = await UsageLog.open(store)
  for (let index = 0; index < limits.usage.cursors; index += 1) await log.begin(`plugin-${index}`)
  await log.append([usageOf('blog', 1)])
  await log.begin('one-more')
  await log.begin('plugin-1')
  t.same(await sums(log, 'plugin-1'), ['1'])
  await log.begin('plugin-0')
  t.same(await sums(log, 'plugin-0'), [], 'the one that was heard of first has to begin anew')
})

t.test('entries that do not belong there are said, not passed over', async (t) => {
  for (const text of ['{', '[]', '{"a":5}']) {
    await using store = await openMemoryStore()
    await store.create(store.root, '/usage/delivered', { serialized: false })
    await using written = await store.open(store.root, '/usage/delivered')
    await written.write(Buffer.from(text))
    await t.rejects(UsageLog.open(store), { code: 'ERR_DATA_FORMAT', message: /^\/usage\/delivered has/ }, text)
  }
  await using store = await openMemoryStore()
  await using log = await UsageLog.open(store)
  await log.begin('billing')
  await using written = await store.open(store.root, '/usage')
  await written.write(Buffer.from('[{"site":"blog"}]'))
  await t.rejects(batches(log, 'billing'), { code: 'ERR_DATA_FORMAT', message: /^\/usage has/ })
})
