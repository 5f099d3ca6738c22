import t from 'tap'
import { createMachine, firstMs } from './machine.ts'
import { createRandom } from './random.ts'
import { createScheduler } from './scheduler.ts'

function newMachine(seed = 1) {
  const random = createRandom(seed)
  const scheduler = createScheduler(random.fork('order'))
  return { scheduler, machine: createMachine(scheduler, random) }
}

t.test('the environment of a process has its own time, randomness and files', async (t) => {
  const { scheduler, machine } = newMachine()
  const { env } = machine.boot()
  async function run() {
    await env.sleep(60_000)
    await env.turn()
    t.ok(env.now() >= firstMs + 60_000 && env.now() < firstMs + 61_000)
    t.ok(env.monotonic() >= 60_000)
    await env.files.makeFolder('/x')
    const writer = await env.files.create('/x/a')
    await writer.write(Buffer.from('first '))
    await writer.write(Buffer.alloc(40_000, 'b'))
    await writer.sync()
    await writer.close()
    await writer.close()
    await t.rejects(writer.write(Buffer.from('late')), { code: 'EBADF' })
    await env.files.syncFolder('/x')
    t.equal((await env.files.readRange('/x/a', 0, 7)).toString(), 'first b')
    t.equal((await env.files.read('/x/a')).length, 40_006)
    let streamed = 0
    for await (const chunk of env.files.stream('/x/a')) streamed += chunk.length
    t.equal(streamed, 40_006)
    await env.files.link('/x/a', '/x/b')
    await env.files.rename('/x/b', '/x/c')
    t.same((await env.files.list('/x')).sort(), ['a', 'c'])
    await env.sleep(1_000)
    await env.files.touch('/x/a')
    t.match(await env.files.stat('/x/a'), { bytes: 40_006, modifiedMs: env.now(), isFolder: false })
    t.match(await env.files.stat('/x'), { isFolder: true })
    t.equal(await env.files.stat('/none'), undefined)
    t.equal(await env.files.remove('/x/c'), true)
    await t.rejects(env.files.read('/x/c'), { code: 'ENOENT' })
    await env.files.removeFolder('/x')
    t.equal(await env.files.stat('/x'), undefined)
  }
  await scheduler.runUntil(run())
})

t.test('random bytes differ between lives and are the same for a seed', async (t) => {
  const bytes = [1, 1, 2].map((seed) => {
    const { machine } = newMachine(seed)
    const first = machine.boot().env.randomBytes(16)
    machine.end()
    machine.recover('kill')
    return [first, machine.boot().env.randomBytes(16)]
  })
  t.same(bytes[0], bytes[1])
  t.notSame(bytes[0], bytes[2])
  t.notSame(bytes[0]?.[0], bytes[0]?.[1])
})

t.test('what a process waits for never comes once it has ended', async (t) => {
  const { scheduler, machine } = newMachine()
  const life = machine.boot()
  life.env.sleep(10).then(
    () => t.fail('slept on'),
    () => t.fail('rejected'),
  )
  life.env.files.makeFolder('/x').then(
    () => t.fail('made'),
    () => t.fail('rejected'),
  )
  t.throws(() => machine.boot(), /is alive/)
  t.throws(() => machine.recover('kill'), /not ended/)
  machine.end()
  machine.end()
  await life.ended
  t.equal(life.alive, false)
  machine.recover('kill')
  const next = machine.boot()
  await scheduler.runUntil(next.env.sleep(20))
  t.equal(machine.disk.has('/x'), undefined)
})

t.test('a process ends in the middle of a call of the disk, and that call has no answer', async (t) => {
  const { scheduler, machine } = newMachine()
  const life = machine.boot()
  machine.disk.faults.stepsToCrash = 0
  life.env.files.makeFolder('/x').then(
    () => t.fail('made'),
    () => t.fail('rejected'),
  )
  await scheduler.runUntil(life.ended)
  t.equal(life.alive, false)
})

t.test('a sleep ends early with the reason of its signal', async (t) => {
  const { scheduler, machine } = newMachine()
  const { env } = machine.boot()
  const reason = new Error('enough')
  await t.rejects(env.sleep(1, AbortSignal.abort(reason)), reason)
  const controller = new AbortController()
  const slept = env.sleep(1_000, controller.signal)
  const ended = t.rejects(slept, reason)
  await scheduler.runUntil(env.sleep(5).then(() => controller.abort(reason)))
  await ended
  await scheduler.runUntil(env.sleep(2, new AbortController().signal))
  t.ok(env.monotonic() < 100)
})

t.test('the wall clock can be set, the other one only goes on', async (t) => {
  const { machine } = newMachine()
  const { env } = machine.boot()
  const steps: number[] = []
  machine.onClockStep = (ms) => steps.push(ms)
  machine.stepClock(-5_000)
  t.equal(env.now(), firstMs - 5_000)
  t.equal(env.monotonic(), 0)
  t.same(steps, [-5_000])
})

t.test('calls are slow as often as was said', async (t) => {
  const { scheduler, machine } = newMachine()
  const { env } = machine.boot()
  await scheduler.runUntil(env.files.makeFolder('/x'))
  await scheduler.runUntil(env.files.list('/'))
  t.ok(env.monotonic() < 1)
  Object.assign(machine.slowness, { probability: 1, mostMs: 1_000 })
  for (let round = 0; round < 20; round += 1) await scheduler.runUntil(env.files.list('/'))
  t.ok(env.monotonic() > 1_000)
})
