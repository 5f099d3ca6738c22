import t from 'tap'
import { createRandom } from './random.ts'
import { createScheduler, Stuck } from './scheduler.ts'

const alive = { alive: true }

t.test('tasks run in the order of virtual time, and no real time passes', async (t) => {
  const scheduler = createScheduler(createRandom(1))
  const seen: string[] = []
  scheduler.after(3_600_000, alive, () => seen.push('an hour'))
  scheduler.after(5, alive, () => seen.push('5 ms'))
  const { promise, resolve } = Promise.withResolvers<void>()
  scheduler.after(86_400_000, alive, resolve)
  await scheduler.runUntil(promise)
  t.same(seen, ['5 ms', 'an hour'])
  t.equal(scheduler.elapsedMs, 86_400_000)
})

t.test('among tasks that are due together the seed decides, the same way each time', async (t) => {
  async function order(seed: number): Promise<string> {
    const scheduler = createScheduler(createRandom(seed))
    const seen: number[] = []
    const tasks = Array.from({ length: 8 }, (_, index) => {
      return new Promise<void>((resolve) => scheduler.after(1, alive, () => resolve(void seen.push(index))))
    })
    await scheduler.runUntil(Promise.all(tasks))
    return seen.join('')
  }
  const orders = await Promise.all([1, 2, 3, 4, 5].map(order))
  t.same(await Promise.all([1, 2, 3, 4, 5].map(order)), orders)
  t.equal(new Set(orders).size, 5)
})

t.test('what follows from a task comes to rest before the next one', async (t) => {
  const scheduler = createScheduler(createRandom(1))
  const seen: string[] = []
  const chain = new Promise<void>((resolve) => scheduler.after(1, alive, resolve)).then(async () => {
    for (let index = 0; index < 100; index += 1) await undefined
    seen.push('first')
  })
  const second = new Promise<void>((resolve) => scheduler.after(1.001, alive, () => resolve(void seen.push('second'))))
  await scheduler.runUntil(Promise.all([chain, second]))
  t.same(seen, ['first', 'second'])
})

t.test('tasks of the dead and cancelled tasks never run', async (t) => {
  const scheduler = createScheduler(createRandom(1))
  const owner = { alive: true }
  scheduler.after(1, owner, () => t.fail('ran for the dead'))
  scheduler.after(1, alive, () => t.fail('ran though cancelled'))()
  owner.alive = false
  await scheduler.runUntil(new Promise<void>((resolve) => scheduler.after(2, alive, resolve)))
  t.equal(scheduler.steps, 1)
})

t.test('a simulation that has nothing left to run, or never ends, is stuck', async (t) => {
  const idle = createScheduler(createRandom(1))
  await t.rejects(idle.runUntil(new Promise(() => {})), Stuck)
  const busy = createScheduler(createRandom(1), { most: 50 })
  const again = () => void busy.after(1, alive, again)
  again()
  await t.rejects(busy.runUntil(new Promise(() => {})), /not finished after 50 steps/)
})

t.test('a failure of the goal is the failure of the run', async (t) => {
  const scheduler = createScheduler(createRandom(1))
  const goal = new Promise((_, reject) => scheduler.after(1, alive, () => reject(new Error('its own'))))
  await t.rejects(scheduler.runUntil(goal), /its own/)
})

t.test('a seed gives the same chance each time, and a fork does not depend on what was taken', async (t) => {
  const one = createRandom(7)
  const other = createRandom(7)
  other.next()
  t.same(one.fork('a').bytes(16), other.fork('a').bytes(16))
  t.notSame(one.fork('a').bytes(16), one.fork('b').bytes(16))
  t.notSame(createRandom(7).bytes(16), createRandom(8).bytes(16))
  const counts = [0, 0, 0, 0]
  for (let round = 0; round < 4_000; round += 1) counts[one.below(4)] = (counts[one.below(4)] ?? 0) + 1
  t.ok(Math.min(...counts) > 800)
  const between = Array.from({ length: 200 }, () => one.between(3, 5))
  t.same([Math.min(...between), Math.max(...between)], [3, 5])
  t.throws(() => one.pick([]), RangeError)
})
