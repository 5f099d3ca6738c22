import t from 'tap'
import { GroveError } from '../../../core/errors.ts'
import { limits } from '../../../core/limits.ts'
import { nodeEnvironment } from '../../../store/environment-node.ts'
import { folderObjects } from '../../../store/objects/folder-objects.ts'
import { objectKeys } from '../../../store/objects/keys.ts'
import { claimEpoch } from '../../../store/versions/epoch.ts'
import { codeOf } from '../fixtures/drivers.ts'

const env = nodeEnvironment

t.test('the newest store is in charge; older ones find out, for good', async (t) => {
  const objects = await folderObjects(env, t.testdir())
  const claim = (storeId: string) => claimEpoch({ objects, env, owner: 'ada', storeId })
  const first = await claim('first')
  await first.check()
  const other = await claimEpoch({ objects, env, owner: 'bob', storeId: 'other' })
  t.equal(other.number, 1, 'each owner has epochs of its own')
  await first.check()
  const second = await claim('second')
  t.same([first.number, second.number], [1, 2])
  await second.check()
  await t.rejects(first.check(), {
    code: 'ERR_FENCED',
    message: /taken over by store second at .*: epoch 2 is newer than ours, 1/,
    details: { epoch: 2, own: 1 },
  })
  await objects.remove([objectKeys.epoch('ada', 2)])
  await t.rejects(first.check(), { code: 'ERR_FENCED' }, 'whatever happens to the bucket')
})

t.test('also a store that was passed over by many finds out', async (t) => {
  let nowMs = 0
  const objects = await folderObjects(env, t.testdir())
  const claim = () => claimEpoch({ objects, env: { ...env, monotonic: () => nowMs }, owner: 'ada', storeId: 'a' })
  const first = await claim()
  for (let count = 0; count < limits.store.epochsKept + 3; count += 1) await claim()
  t.equal(await objects.stat(objectKeys.epoch('ada', 2)), undefined)
  nowMs = limits.store.epochsEveryMs
  await t.rejects(first.check(), { code: 'ERR_FENCED', details: { epoch: limits.store.epochsKept + 4 } })
})

t.test('of many who claim at one time each gets another number', async (t) => {
  const objects = await folderObjects(env, t.testdir())
  const claims = await Promise.all(
    Array.from({ length: 8 }, () => claimEpoch({ objects, env, owner: 'ada', storeId: 'same' })),
  )
  t.same(claims.map(({ number }) => number).sort(), [1, 2, 3, 4, 5, 6, 7, 8])
})

t.test('a claim is told before it is made, and looks up what is there when it has to', async (t) => {
  const objects = await folderObjects(env, t.testdir())
  await claimEpoch({ objects, env, owner: 'ada', storeId: 'a' })
  const intended: number[] = []
  const epoch = await claimEpoch({
    objects,
    env,
    owner: 'ada',
    storeId: 'b',
    known: [],
    intend: async (number) => void intended.push(number),
  })
  t.same([intended, epoch.number], [[1, 2], 2])
})

t.test('old epochs go, and a bucket that never lets one claim is told', async (t) => {
  const objects = await folderObjects(env, t.testdir())
  for (let count = 0; count < limits.store.epochsKept + 5; count += 1)
    await claimEpoch({ objects, env, owner: 'ada', storeId: 'a' })
  t.equal((await Array.fromAsync(objects.list('ada/meta/epoch/'))).length, limits.store.epochsKept + 1)
  const taken: typeof objects = {
    ...objects,
    create: async () => {
      throw new GroveError('ERR_OBJECTS', 'taken', { details: { reason: 'taken' } })
    },
  }
  t.equal(await codeOf(claimEpoch({ objects: taken, env, owner: 'ada', storeId: 'a' })), 'ERR_FENCED')
  const away: typeof objects = {
    ...objects,
    create: async () => {
      throw new GroveError('ERR_OBJECTS', 'busy', { details: { reason: 'busy' } })
    },
  }
  await t.rejects(claimEpoch({ objects: away, env, owner: 'ada', storeId: 'a' }), { code: 'ERR_OBJECTS' })
  const odd = await folderObjects(env, t.testdir({ ada: { meta: { epoch: { '00000003': 'no JSON', x: '' } } } }))
  const mine = await claimEpoch({ objects: odd, env, owner: 'ada', storeId: 'a' })
  t.equal(mine.number, 4)
  await odd.create(objectKeys.epoch('ada', 5), { bytes: Buffer.from('no JSON') })
  await t.rejects(mine.check(), { code: 'ERR_FENCED', message: /was taken over: epoch 5/ })
})
