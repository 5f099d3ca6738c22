import t, { type Test } from 'tap'
import { adoptSites, sitesToAdopt, takeBucket } from '../../control/take-bucket.ts'
import { openMemoryStore } from '../../store/drivers/memory.ts'
import { nodeEnvironment as env } from '../../store/environment-node.ts'
import { folderObjects } from '../../store/objects/folder-objects.ts'
import { objectKeys } from '../../store/objects/keys.ts'
import type { Objects } from '../../store/objects/objects.ts'

const owner = 'operator'

async function newStore(t: Test) {
  const store = await openMemoryStore()
  t.teardown(() => store[Symbol.asyncDispose]())
  return store
}

async function newObjects(t: Test): Promise<Objects> {
  const objects = await folderObjects(env, t.testdir())
  t.teardown(() => objects[Symbol.asyncDispose]())
  return objects
}

t.test('a store that goes on claims one epoch after another', async (t) => {
  const objects = await newObjects(t)
  const store = await newStore(t)
  for (const number of [1, 2, 3]) {
    const { epoch } = await takeBucket({ store, objects, env, owner })
    t.equal(epoch.number, number)
    await epoch.check()
  }
})

t.test('a new and empty store takes over; the one before is told, now and at its next start', async (t) => {
  const objects = await newObjects(t)
  const [first, second] = [await newStore(t), await newStore(t)]
  const before = await takeBucket({ store: first, objects, env, owner })
  await objects.replace(objectKeys.root(owner, 'blog', 1), Buffer.from('{}'))
  const after = await takeBucket({ store: second, objects, env, owner })
  t.equal(after.epoch.number, 2)
  t.same([...after.sites], [['blog', objectKeys.root(owner, 'blog', 1)]])
  await t.rejects(before.epoch.check(), { code: 'ERR_FENCED' })
  await t.rejects(takeBucket({ store: first, objects, env, owner }), {
    code: 'ERR_FENCED',
    details: { own: 1, newest: 2 },
    hint: /empty data folder/,
  })
  await after.epoch.check()
})

t.test('a claim whose answer was lost is known for our own at the next start', async (t) => {
  const objects = await newObjects(t)
  const store = await newStore(t)
  await takeBucket({ store, objects, env, owner })
  const losing: Objects = Object.assign(Object.create(objects) as Objects, {
    async create(...args: Parameters<Objects['create']>) {
      await objects.create(...args)
      throw new Error('the answer was lost')
    },
  })
  await t.rejects(takeBucket({ store, objects: losing, env, owner }), /the answer was lost/)
  t.equal((await takeBucket({ store, objects, env, owner })).epoch.number, 3)
})

t.test('a store that was restored from an old copy does not go on from there', async (t) => {
  const objects = await newObjects(t)
  const store = await newStore(t)
  await takeBucket({ store, objects, env, owner })
  // The bucket has gone on under the same store, of which this is what it was.
  await objects.create(objectKeys.epoch(owner, 2), { bytes: Buffer.from('{}') })
  await t.rejects(takeBucket({ store, objects, env, owner }), { code: 'ERR_FENCED', message: /or this data folder is/ })
})

t.test('a store with sites of its own does not take a bucket that never had them', async (t) => {
  const objects = await newObjects(t)
  const store = await newStore(t)
  await store.create(store.root, '/sites', { serialized: false })
  await store.create(store.root, '/sites/operator/blog/versions', { serialized: true })
  await t.rejects(takeBucket({ store, objects, env, owner }), { code: 'ERR_FENCED', hint: /export/ })
})

t.test('sites of the bucket are taken in once, and those that were deleted here stay away', async (t) => {
  const store = await newStore(t)
  const sites = new Map(['blog', 'shop', 'wiki'].map((name) => [name, objectKeys.root(owner, name, 1)]))
  t.same(await sitesToAdopt(store, sites), ['blog', 'shop', 'wiki'])
  await adoptSites(store, ['blog', 'shop'], 1)
  t.same(await sitesToAdopt(store, sites), ['wiki'])
  const log = await store.open(store.root, '/sites')
  await log.write(Buffer.from(JSON.stringify({ kind: 'deleted', name: 'shop', atMs: 2 })))
  t.same(await sitesToAdopt(store, sites), ['wiki'])
})

t.test('a claim that was never made does not stand for that of another one', async (t) => {
  const objects = await newObjects(t)
  const [first, second] = [await newStore(t), await newStore(t)]
  await takeBucket({ store: first, objects, env, owner })
  const away: Objects = Object.assign(Object.create(objects) as Objects, {
    async create() {
      throw new Error('the bucket is away')
    },
  })
  await t.rejects(takeBucket({ store: first, objects: away, env, owner }), /away/)
  const { epoch } = await takeBucket({ store: second, objects, env, owner })
  t.equal(epoch.number, 2, 'the number that the first one meant to have')
  await t.rejects(takeBucket({ store: first, objects, env, owner }), { code: 'ERR_FENCED' })
  await epoch.check()
})

t.test(
  'a claim that reaches the bucket late, after the next one of the same store was noted, is known for our own',
  async (t) => {
    const objects = await newObjects(t)
    const store = await newStore(t)
    let late: Parameters<Objects['create']> | undefined
    const slow: Objects = Object.assign(Object.create(objects) as Objects, {
      async create(...args: Parameters<Objects['create']>) {
        late ??= args
        throw new Error('no answer yet')
      },
    })
    for (let start = 0; start < 2; start += 1)
      await t.rejects(takeBucket({ store, objects: slow, env, owner }), /no answer yet/)
    if (late) await objects.create(...late)
    t.equal((await takeBucket({ store, objects, env, owner })).epoch.number, 2)
  },
)
