import t from 'tap'
import { openOwnLog } from '../../control/own-log.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'

t.test('a log is made the first time and kept, also when many open it at once', async (t) => {
  await using store = await openMemoryStore()
  const logs = await Promise.all(Array.from({ length: 5 }, () => openOwnLog(store, store.root, '/plugins/a/b')))
  await logs[0]?.write(Buffer.from('text'))
  const log = await openOwnLog(store, store.root, '/plugins/a/b')
  const texts: string[] = []
  for await (const { data } of log.read()) texts.push(Buffer.from(data).toString())
  t.strictSame(texts, ['text'])
  t.strictSame(await store.list(store.root, '/plugins'), ['/plugins/a/b'])
})

t.test('other errors than a missing log are told', async (t) => {
  const store = await openMemoryStore()
  await store[Symbol.asyncDispose]()
  await t.rejects(openOwnLog(store, store.root, '/a'), { code: 'ERR_CLOSED' })
})
