import t from 'tap'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import { openOwnLog } from '../../../store/logs/own-log.ts'

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

t.test('a log that is made serialized takes only writes that say which head they expect', async (t) => {
  await using store = await openMemoryStore()
  const log = await openOwnLog(store, store.root, '/a', { serialized: true })
  await t.rejects(log.write(Buffer.from('x')), { code: 'ERR_BAD_REQUEST' })
  const again = await openOwnLog(store, store.root, '/a')
  await t.rejects(again.write(Buffer.from('x')), { code: 'ERR_BAD_REQUEST' }, 'it stays as it was made')
  await t.resolves(again.write(Buffer.from('x'), { expect: undefined }))
})

t.test('other errors than a missing log are told', async (t) => {
  const store = await openMemoryStore()
  await store[Symbol.asyncDispose]()
  await t.rejects(openOwnLog(store, store.root, '/a'), { code: 'ERR_CLOSED' })
})
