import t from 'tap'
import { orderKey } from '../../certs/acme/order-note.ts'
import { recordKey } from '../../certs/managed-record.ts'
import { limits } from '../../core/limits.ts'
import { createScriptedCa, problem } from './fixtures/scripted-ca.ts'
import { boot, createWorld, solverOf } from './fixtures/virtual-machines.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const name = 'shop.example.org'

t.test('a name that is asked for gets a certificate, one order for all who wait', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca], { serves: (one) => one === name })
    const answers = await Promise.all(Array.from({ length: 20 }, () => host.managed.ask(name)))
    t.ok(answers.every(([one]) => one?.id === answers[0]?.[0]?.id))
    t.equal(ca.orders.length, 1)
    t.equal((await host.managed.ask(name))[0]?.id, answers[0]?.[0]?.id, 'found at once')
    await host.stop()
    const later = await boot(world, 'one', [ca], { serves: (one) => one === name })
    await later.env.sleep(61 * dayMs)
    t.equal(ca.orders.length, 2, 'it is renewed as long as it is one of ours')
    await later.stop()
  })
})

t.test('what is asked for and is not one of ours any more is no longer looked after', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    let isOurs = true
    const host = await boot(world, 'one', [ca], { serves: () => isOurs })
    await host.managed.ask(name)
    isOurs = false
    await host.env.sleep(61 * dayMs)
    t.equal(ca.orders.length, 1)
    t.strictSame(host.managed.list(), [])
    t.strictSame(await host.managed.find(name), [])
    await host.stop()
  })
})

t.test('who asks is told why there is none, and who asks again before the next try orders nothing', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.answer = () => problem('the name does not resolve', { reason: 'challenge' })
  await world.run(async () => {
    const host = await boot(world, 'one', [ca], { serves: () => true })
    await t.rejects(host.managed.ask(name), { code: 'ERR_ACME', message: /does not resolve/ })
    await host.env.sleep(10 * minuteMs)
    const tries = ca.orders.length
    for (let count = 0; count < 50; count += 1)
      await t.rejects(host.managed.ask(name), { code: 'ERR_CERT', message: /not yet|yet: .*does not resolve/ })
    t.equal(ca.orders.length, tries)
    await host.stop()
  })
})

t.test('no more than a bounded number wait for one name, and none for ever', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.answer = () => 'hang'
  await world.run(async () => {
    const host = await boot(world, 'one', [ca], { serves: () => true })
    const waiting = Array.from({ length: limits.managed.waiters + 5 }, () =>
      host.managed.ask(name).then(
        () => 'answered',
        (error: { code: string }) => error.code,
      ),
    )
    const codes = await Promise.all(waiting)
    t.equal(codes.filter((code) => code === 'ERR_TOO_MANY').length, 5)
    t.equal(codes.filter((code) => code === 'ERR_TIMEOUT').length, limits.managed.waiters)
    await host.stop()
  })
})

t.test('who waits at the end is told that it is the end', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.answer = () => 'hang'
  await world.run(async () => {
    const host = await boot(world, 'one', [ca], { serves: () => true })
    const asked = t.rejects(host.managed.ask(name), { code: 'ERR_CLOSED' })
    await host.env.sleep(1_000)
    await host.stop()
    await asked
    t.equal(ca.orders.length, 1)
  })
})

t.test('a name under a wildcard is answered by it', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const solvers = () => [solverOf('dns-01')]
    const host = await boot(world, 'one', [ca], { wildcards: () => ['example.org'], solvers, serves: () => true })
    t.strictSame((await host.managed.ask(name))[0]?.names, ['*.example.org'])
    await host.stop()
  })
})

t.test('what the vault holds is recalled, ours or another machine’s, and looked after from then on', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const first = await boot(world, 'one', [ca], { isShared: true, serves: () => true })
    const second = await boot(world, 'two', [ca], { isShared: true, serves: () => true })
    t.strictSame(await second.managed.recall(name), [], 'nobody has one')
    t.strictSame(second.managed.list(), [])
    const [obtained] = await first.managed.ask(name)
    t.equal((await second.managed.recall(name))[0]?.id, obtained?.id)
    t.match(second.managed.list(), [{ names: [name], state: 'valid' }])
    t.equal(ca.orders.length, 1)
    await first.stop()
    await second.stop()
  })
})

t.test('after a restart names of ours are found in the vault and renewed without being asked for', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const first = await boot(world, 'one', [ca], { serves: () => true })
    await Promise.all(['a.org', 'b.org', 'c.org'].map((one) => first.managed.ask(one)))
    await first.stop()
    const second = await boot(world, 'one', [ca], { serves: (one) => one !== 'c.org' })
    await second.env.sleep(61 * dayMs)
    t.strictSame(
      second.managed
        .list()
        .map(({ names: [one] }) => one)
        .sort(),
      ['a.org', 'b.org'],
    )
    t.equal(ca.orders.length, 5)
    await second.stop()
  })
})

t.test('a certificate of nobody is removed two weeks after its end, and not before', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name, 'kept.org'])
    await host.env.sleep(minuteMs)
    host.managed.want(['kept.org'])
    t.strictSame(await host.managed.find(name), [], 'no longer looked after')
    await host.env.sleep(103 * dayMs)
    t.ok(await host.vault.read(recordKey(name)))
    await host.env.sleep(3 * dayMs)
    t.notOk(await host.vault.read(recordKey(name)))
    t.notOk(await host.vault.read(orderKey(ca.directory, [name])), 'nor is its key left in the note of the order')
    t.ok(await host.vault.read(recordKey('kept.org')))
    t.notOk(await host.vault.read(orderKey(ca.directory, ['kept.org'])), 'of no certificate that is stored')
    await host.stop()
  })
})

t.test('a name that is wanted again has what it had', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    host.managed.want([])
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    t.match(host.managed.list(), [{ state: 'valid' }])
    t.equal(ca.orders.length, 1)
    await host.stop()
  })
})

t.test('it is renewed when somebody says so; a failure changes nothing but is told', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    const [first] = await host.managed.find(name)
    const second = await host.managed.renew(name)
    t.not(second.id, first?.id)
    t.equal((await host.managed.find(name))[0]?.id, second.id)
    ca.answer = () => problem('out of order', { reason: 'unavailable' })
    await t.rejects(host.managed.renew(name), { code: 'ERR_ACME', message: /out of order/ })
    t.match(host.managed.list(), [{ state: 'valid', tries: 0 }])
    await t.rejects(host.managed.renew('unknown.org'), { code: 'ERR_CERT_NAME' })
    await host.stop()
  })
})

t.test('a forced renewal does not wait for the next try', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.answer = () => problem('no', { reason: 'refused' })
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(5 * dayMs)
    t.match(host.managed.list(), [{ state: 'failed' }])
    ca.answer = () => 'certificate'
    t.strictSame((await host.managed.renew(name)).names, [name])
    t.match(host.managed.list(), [{ state: 'valid', tries: 0 }])
    await host.stop()
  })
})

t.test('what is revoked is not used any more, and another one comes', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    const [first] = await host.managed.find(name)
    await host.managed.revoke(name, 'keyCompromise')
    t.strictSame(ca.revoked, [first?.id])
    t.strictSame(await host.managed.find(name), [])
    await host.env.sleep(minuteMs)
    const [second] = await host.managed.find(name)
    t.ok(second)
    t.not(second?.id, first?.id)
    t.strictSame(host.told, [`obtained ${name}`, `revoked ${name}`, `obtained ${name}`])
    await t.rejects(host.managed.revoke('unknown.org', 'unspecified'), { code: 'ERR_CERT_NAME' })
    await host.stop()
  })
})

t.test('what cannot be revoked stays in use', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  const other = createScriptedCa('https://other.test/dir')
  await world.run(async () => {
    const first = await boot(world, 'one', [ca])
    first.managed.want([name])
    await t.rejects(first.managed.revoke(name, 'unspecified'), { code: 'ERR_CERT_NAME' })
    await first.env.sleep(minuteMs)
    await first.stop()
    const second = await boot(world, 'one', [other])
    second.managed.want([name])
    await t.rejects(second.managed.revoke(name, 'unspecified'), { code: 'ERR_CERT', message: /not configured/ })
    t.equal((await second.managed.find(name)).length, 1)
    await using _lease = await second.vault.lease(recordKey(name))
    await t.rejects(second.managed.revoke(name, 'unspecified'), { code: 'ERR_CONFLICT' })
    await t.rejects(second.managed.renew(name), { code: 'ERR_CONFLICT' })
    await second.stop()
  })
})

t.test('more names than there may be are refused', async (t) => {
  const world = createWorld()
  await world.run(async () => {
    const host = await boot(world, 'one', [createScriptedCa()])
    const names = function* () {
      for (let count = 0; count <= limits.managed.names; count += 1) yield `${count}.example.com`
    }
    t.throws(() => host.managed.want(names()), { code: 'ERR_TOO_MANY' })
    t.strictSame(host.managed.list(), [])
    await host.stop()
  })
})

t.test('a listener that throws breaks nothing', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const obtained = () => {
      throw new Error('a bad listener')
    }
    const host = await boot(world, 'one', [ca], { events: { obtained } })
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    t.match(host.managed.list(), [{ state: 'valid' }])
    await host.stop()
  })
})
