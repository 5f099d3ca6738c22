import { join } from 'node:path'
import t, { type Test } from 'tap'
import { limits } from '../../../core/limits.ts'
import { openBag } from '../../../store/bags/bag.ts'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import { openSqliteStore } from '../../../store/drivers/sqlite.ts'
import type { Store } from '../../../store/store.ts'

const path = '/sites/operator/blog/data'
let nowMs = 1_000_000

const open = (store: Store) => openBag({ store, handle: store.root, path, now: () => nowMs })
const put = (text: string, more: { ifTag?: string | null; expiresAtMs?: number; metadata?: string } = {}) => ({
  value: Buffer.from(text),
  metadata: undefined,
  expiresAtMs: undefined,
  ...more,
})
const text = (value: { readonly value: Uint8Array } | undefined) => value && Buffer.from(value.value).toString()

async function memory(t: Test): Promise<Store> {
  const store = await openMemoryStore()
  t.teardown(() => store[Symbol.asyncDispose]())
  return store
}

t.test('values are there after a restart, with their tags', async (t) => {
  const file = join(t.testdir(), 'store.db')
  let tag: string | undefined
  {
    await using store = await openSqliteStore(file)
    await using bag = await open(store)
    t.equal(bag.get('a'), undefined)
    ;({ tag } = await bag.put('a', put('one', { metadata: '{"n":1}' })))
    await bag.put('b', put('two'))
    await bag.delete('b')
    t.match(bag.get('a'), { tag, metadata: '{"n":1}' })
  }
  await using store = await openSqliteStore(file)
  await using bag = await open(store)
  t.match(bag.get('a'), { tag, metadata: '{"n":1}' })
  t.equal(text(bag.get('a')), 'one')
  t.same([bag.get('b'), bag.size], [undefined, 1])
})

t.test('a change can depend on what is there', async (t) => {
  await using bag = await open(await memory(t))
  const first = await bag.put('n', put('1', { ifTag: null }))
  t.match(first, { done: true, tag: /./ })
  t.same(await bag.put('n', put('2', { ifTag: null })), { done: false, tag: first.tag }, 'only if there is none')
  t.same(await bag.put('n', put('2', { ifTag: 'another' })), { done: false, tag: first.tag })
  const second = await bag.put('n', put('2', { ifTag: first.tag ?? '' }))
  t.ok(second.done && second.tag !== first.tag)
  t.same(await bag.delete('n', { ifTag: first.tag }), { done: false, tag: second.tag })
  t.same(await bag.delete('n', { ifTag: second.tag }), { done: true, tag: undefined })
  t.same(await bag.delete('n', { ifTag: second.tag }), { done: false, tag: undefined })
  t.same(await bag.delete('n'), { done: true, tag: undefined }, 'to take away what is not there is fine')
})

t.test('of many who add one at the same time, each counts once', async (t) => {
  await using bag = await open(await memory(t))
  const add = async (): Promise<void> => {
    const there = bag.get('count')
    const { done } = await bag.put('count', put(String(Number(text(there) ?? 0) + 1), { ifTag: there?.tag ?? null }))
    if (!done) await add()
  }
  await Promise.all(Array.from({ length: 40 }, add))
  t.equal(text(bag.get('count')), '40')
})

t.test('what has expired is gone, and counts as not there', async (t) => {
  await using bag = await open(await memory(t))
  const { tag } = await bag.put('a', put('1', { expiresAtMs: nowMs + 10 }))
  t.equal(text(bag.get('a')), '1')
  nowMs += 10
  t.equal(bag.get('a'), undefined)
  t.match(await bag.put('a', put('2', { ifTag: tag ?? '' })), { done: false, tag: undefined })
  t.match(await bag.put('a', put('2', { ifTag: null })), { done: true })
})

t.test('bounds: keys, values, metadata and the whole', async (t) => {
  const store = await memory(t)
  await using bag = await open(store)
  const { keyBytes, valueBytes, metadataBytes, totalBytes } = limits.bag
  await t.rejects(bag.put('ä'.repeat(keyBytes / 2 + 1), put('')), { code: 'ERR_TOO_LARGE', message: /the key has/ })
  await t.rejects(bag.put('a', put('x'.repeat(valueBytes + 1))), { code: 'ERR_TOO_LARGE', message: /the value has/ })
  await t.rejects(bag.put('a', put('', { metadata: 'x'.repeat(metadataBytes + 1) })), { code: 'ERR_TOO_LARGE' })
  t.equal(bag.size, 0)
  const large = 'x'.repeat(valueBytes)
  const most = Math.floor(totalBytes / (valueBytes + 2))
  for (let index = 0; index < most; index += 1) await bag.put(`${index}`, put(large, { expiresAtMs: nowMs + 10 }))
  await t.rejects(bag.put('more', put(large)), { code: 'ERR_TOO_MANY', message: new RegExp(`${path} is full`) })
  t.match(await bag.put('0', put(large)), { done: true }, 'in place of one there is room')
  nowMs += 10
  t.match(await bag.put('more', put(large)), { done: true }, 'what has expired makes room')
  t.equal(bag.size, 2)
})

t.test('the log is written anew when it has grown far beyond what the bag holds', async (t) => {
  const store = await memory(t)
  {
    await using bag = await open(store)
    await bag.put('kept', put('kept'))
    for (let index = 0; index < limits.bag.spareEntries + 10; index += 1) await bag.put('hot', put(String(index)))
  }
  const { entries } = await store.stat(store.root, path)
  t.ok(entries < 20, `${entries} entries`)
  await using bag = await open(store)
  t.same([text(bag.get('kept')), text(bag.get('hot'))], ['kept', String(limits.bag.spareEntries + 9)])
  t.match(await bag.put('hot', put('on')), { done: true }, 'and goes on')
})

t.test('a bag that is cleared is empty, also when it is opened again', async (t) => {
  const store = await memory(t)
  {
    await using bag = await open(store)
    await bag.clear()
    await bag.put('a', put('1'))
    await bag.clear()
    t.same([bag.size, bag.bytes], [0, 0])
  }
  await using bag = await open(store)
  t.same([bag.size, (await store.stat(store.root, path)).entries], [0, 1])
  t.match(await bag.put('a', put('2', { ifTag: null })), { done: true })
})

t.test('of two that have it open one is refused what it cannot know of', async (t) => {
  const store = await memory(t)
  await using one = await open(store)
  await using other = await open(store)
  await one.put('a', put('1'))
  await t.rejects(other.put('b', put('2')), { code: 'ERR_CONFLICT' })
  t.equal(other.get('b'), undefined)
})
