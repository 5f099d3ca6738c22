import t from 'tap'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import type { Entry, Ts } from '../../../store/store.ts'

async function trimmable() {
  const store = await openMemoryStore()
  await store.create(store.root, '/a', { serialized: false })
  const log = await store.open(store.root, '/a')
  const written: Ts[] = []
  for (const text of ['one', 'two', 'three']) written.push(await log.write(Buffer.from(text)))
  const [first, second, third] = written as [Ts, Ts, Ts]
  async function merge(): Promise<void> {
    const transaction = await store.begin(log)
    transaction.write(log, Buffer.from('one and two'), { covers: { lo: first, hi: second } })
    transaction.trim(log, first, third)
    await transaction.commit()
  }
  return { log, third, merge }
}

async function texts(entries: AsyncIterable<Entry>): Promise<string[]> {
  const found: string[] = []
  for await (const { data } of entries) found.push(Buffer.from(data).toString())
  return found
}

t.test('a read from the beginning that a trim overtakes has the entry that stands for what is gone', async (t) => {
  const { log, merge } = await trimmable()
  const reading = log.read()
  await merge()
  t.same(await texts(reading), ['three', 'one and two'])
})

t.test('a read up to a moment is refused when what stands for a part of it is newer', async (t) => {
  const { log, third, merge } = await trimmable()
  const reading = log.read({ upto: third })
  await merge()
  await t.rejects(texts(reading), { code: 'ERR_TRIMMED' })
})
