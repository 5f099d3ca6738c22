import { pino } from 'pino'
import t, { type Test } from 'tap'
import { type DataReply, SiteBags } from '../../control/site-bags.ts'
import { limits } from '../../core/limits.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import type { Store } from '../../store/store.ts'

const log = pino({ level: 'silent' })

async function memory(t: Test): Promise<Store> {
  const store = await openMemoryStore()
  t.teardown(() => store[Symbol.asyncDispose]())
  return store
}

const bagsOf = (store: Store, openBytes?: number) =>
  new SiteBags({ store, now: () => 1_000, log, ...(openBytes !== undefined && { openBytes }) })

const textOf = ({ value }: DataReply) => Buffer.from(value ?? []).toString()

t.test('each site has a bag of its own', async (t) => {
  await using bags = bagsOf(await memory(t))
  const put = await bags.answer('blog', { method: 'put', key: 'a', metadata: '1' }, Buffer.from('of blog'))
  t.match(put.answer, { done: true, tag: /./, hasBody: false })
  const got = await bags.answer('blog', { method: 'get', key: 'a' })
  t.match(got.answer, { found: true, metadata: '1', hasBody: true })
  t.equal(textOf(got), 'of blog')
  t.same((await bags.answer('shop', { method: 'get', key: 'a' })).answer, { found: false, hasBody: false })
  const { answer } = await bags.answer('blog', { method: 'list', prefix: '', limit: 10 })
  t.match(answer, { keys: [{ key: 'a', bytes: 7, metadata: '1' }], after: undefined })
  t.match((await bags.answer('blog', { method: 'delete', key: 'a' })).answer, { done: true })
  t.match((await bags.answer('blog', { method: 'get', key: 'a' })).answer, { found: false })
})

t.test('bags that are not used are closed when there is no room, and opened again', async (t) => {
  await using bags = bagsOf(await memory(t), limits.bag.overheadBytes * 2 + 2_000)
  for (const site of ['a', 'b', 'c', 'd']) await bags.answer(site, { method: 'put', key: 'k' }, Buffer.from(site))
  t.equal(bags.size, 2)
  t.equal(textOf(await bags.answer('a', { method: 'get', key: 'k' })), 'a')
})

t.test('a refusal changes nothing and closes nothing', async (t) => {
  await using bags = bagsOf(await memory(t))
  await bags.answer('blog', { method: 'put', key: 'a' }, Buffer.from('1'))
  const large = Buffer.alloc(limits.bag.valueBytes + 1)
  await t.rejects(bags.answer('blog', { method: 'put', key: 'a' }, large), { code: 'ERR_TOO_LARGE' })
  t.equal(bags.size, 1)
  t.equal(textOf(await bags.answer('blog', { method: 'get', key: 'a' })), '1')
})

t.test('what another control has written meanwhile is read before it is built upon', async (t) => {
  const store = await memory(t)
  await using one = bagsOf(store)
  await using other = bagsOf(store)
  const first = await one.answer('blog', { method: 'put', key: 'a' }, Buffer.from('1'))
  t.match((await other.answer('blog', { method: 'get', key: 'a' })).answer, { found: true })
  await one.answer('blog', { method: 'put', key: 'a' }, Buffer.from('2'))
  const ifTag = 'tag' in first.answer ? (first.answer.tag ?? '') : ''
  t.match((await other.answer('blog', { method: 'put', key: 'a', ifTag }, Buffer.from('3'))).answer, { done: false })
  t.equal(textOf(await other.answer('blog', { method: 'get', key: 'a' })), '2')
})

t.test('the bag of a deleted site is empty, and a site without one is left as it is', async (t) => {
  const store = await memory(t)
  await using bags = bagsOf(store)
  await bags.clear('never')
  t.same(await store.list(store.root, '/sites'), [])
  await bags.answer('blog', { method: 'put', key: 'a' }, Buffer.from('1'))
  await bags.clear('blog')
  t.match((await bags.answer('blog', { method: 'get', key: 'a' })).answer, { found: false })
})
