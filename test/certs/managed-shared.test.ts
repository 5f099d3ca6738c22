import t from 'tap'
import { recordKey } from '../../certs/managed-record.ts'
import { createScriptedCa, problem } from './fixtures/scripted-ca.ts'
import { boot, createWorld } from './fixtures/virtual-machines.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
const fifty = Array.from({ length: 50 }, (_, index) => `site-${index}.example.com`)
const shared = { isShared: true }

t.test('of two machines one orders each of 50 names, and both have all of them', async (t) => {
  const world = createWorld(7)
  const ca = createScriptedCa()
  await world.run(async () => {
    const one = await boot(world, 'one', [ca], shared)
    const two = await boot(world, 'two', [ca], shared)
    one.managed.want(fifty)
    two.managed.want(fifty)
    await one.env.sleep(5 * minuteMs)
    t.equal(ca.orders.length, 50)
    t.equal(new Set(ca.orders.map(({ name }) => name)).size, 50)
    t.equal(ca.accounts.size, 1)
    for (const name of fifty) {
      const [[own], [other]] = [await one.managed.find(name), await two.managed.find(name)]
      t.ok(own && own.id === other?.id, name)
    }
    t.ok(one.managed.list().every(({ state }) => state === 'valid'))
    t.ok(two.managed.list().every(({ state }) => state === 'valid'))
    for (const { told } of [one, two])
      t.ok(
        told.some((event) => event.startsWith('obtained')),
        'both share the work',
      )
    await one.stop()
    await two.stop()
  })
})

t.test('of two machines one renews; the other takes it from the vault', async (t) => {
  const world = createWorld(8)
  const ca = createScriptedCa()
  const [name] = fifty as [string]
  await world.run(async () => {
    const one = await boot(world, 'one', [ca], shared)
    const two = await boot(world, 'two', [ca], shared)
    one.managed.want([name])
    two.managed.want([name])
    await one.env.sleep(60 * dayMs + 5 * minuteMs)
    t.equal(ca.orders.length, 2)
    t.equal((await one.managed.find(name))[0]?.id, (await two.managed.find(name))[0]?.id)
    const told = [...one.told, ...two.told]
    t.equal(told.filter((event) => event === `renewed ${name}`).length, 1)
    t.equal(told.filter((event) => event === `taken ${name}`).length >= 1, true)
    await one.stop()
    await two.stop()
  })
})

t.test('when the one that orders dies, the other goes on with its order', async (t) => {
  const world = createWorld(9)
  const ca = createScriptedCa()
  ca.orderMs = 30_000
  const [name] = fifty as [string]
  await world.run(async () => {
    const one = await boot(world, 'one', [ca], shared)
    one.managed.want([name])
    await one.env.sleep(15_000)
    const two = await boot(world, 'two', [ca], shared)
    two.managed.want([name])
    await two.env.sleep(5_000)
    one.kill()
    await two.env.sleep(2 * minuteMs)
    t.equal((await two.managed.find(name)).length, 1)
    t.equal(ca.orders.length, 1)
    t.equal(ca.accounts.size, 1)
    await two.stop()
  })
})

t.test('what one machine renews or revokes by hand is used by the other within ten minutes', async (t) => {
  const world = createWorld(10)
  const ca = createScriptedCa()
  const [name] = fifty as [string]
  await world.run(async () => {
    const one = await boot(world, 'one', [ca], shared)
    const two = await boot(world, 'two', [ca], shared)
    one.managed.want([name])
    two.managed.want([name])
    await one.env.sleep(minuteMs)
    await two.managed.find(name)
    const renewed = await one.managed.renew(name)
    await one.env.sleep(11 * minuteMs)
    t.equal((await two.managed.find(name))[0]?.id, renewed.id)
    ca.answer = () => problem('no more', { reason: 'refused' })
    await one.managed.revoke(name, 'keyCompromise')
    await one.env.sleep(11 * minuteMs)
    t.strictSame(await two.managed.find(name), [])
    await one.stop()
    await two.stop()
  })
})

t.test('what one machine revokes no machine uses a minute later, in use or not', async (t) => {
  const world = createWorld(12)
  const ca = createScriptedCa()
  const [name, other] = fifty as [string, string]
  await world.run(async () => {
    const one = await boot(world, 'one', [ca], shared)
    const two = await boot(world, 'two', [ca], shared)
    for (const { managed } of [one, two]) managed.want([name, other])
    await one.env.sleep(2 * minuteMs)
    t.equal((await two.managed.find(name)).length, 1, 'in use there')
    two.told.length = 0
    ca.answer = () => problem('no more', { reason: 'refused' })
    await one.managed.revoke(name, 'keyCompromise')
    await one.managed.revoke(other, 'superseded')
    await one.env.sleep(1.2 * minuteMs)
    for (const revoked of [name, other]) {
      t.strictSame(await two.managed.find(revoked), [])
      t.equal(two.told.filter((event) => event === `taken ${revoked}`).length, 1, 'fronts hear of it once')
    }
    await one.env.sleep(11 * minuteMs)
    t.strictSame(await two.managed.find(name), [])
    t.equal(two.told.filter((event) => event.startsWith('taken')).length, 2)
    await one.env.sleep(4 * dayMs)
    const notes: string[] = []
    for await (const key of one.vault.list('revoked/')) notes.push(key)
    t.strictSame(notes, [], 'notes go')
    await one.stop()
    await two.stop()
  })
})

t.test('a bucket that fails now and then costs time, and no order', async (t) => {
  const world = createWorld(11)
  const ca = createScriptedCa()
  Object.assign(world.bucket.faults, { before: 0.1, after: 0.1 })
  const names = fifty.slice(0, 10)
  await world.run(async () => {
    const one = await boot(world, 'one', [ca], shared)
    one.managed.want(names)
    await one.env.sleep(60 * minuteMs)
    Object.assign(world.bucket.faults, { before: 0, after: 0 })
    await one.env.sleep(60 * minuteMs)
    for (const name of names) t.equal((await one.managed.find(name)).length, 1, name)
    t.ok(ca.orders.length <= 2 * names.length, `${ca.orders.length} orders`)
    await one.stop()
  })
})

t.test('no order is spent while the vault cannot keep what would come of it', async (t) => {
  const world = createWorld(12)
  const ca = createScriptedCa()
  const [name] = fifty as [string]
  await world.run(async () => {
    const one = await boot(world, 'one', [ca])
    world.machine('one').disk.faults.write = 1
    one.managed.want([name])
    await one.env.sleep(60 * minuteMs)
    t.equal(ca.orders.length, 0)
    t.match(one.managed.list(), [{ state: 'wanted' }])
    world.machine('one').disk.faults.write = 0
    await one.env.sleep(5 * minuteMs)
    t.equal(ca.orders.length, 1)
    t.match(one.managed.list(), [{ state: 'valid' }])
    await one.stop()
  })
})

t.test('a disk that is full for a moment does not lose a certificate that was just obtained', async (t) => {
  const world = createWorld(13)
  const ca = createScriptedCa()
  const [name] = fifty as [string]
  await world.run(async () => {
    const one = await boot(world, 'one', [ca])
    one.managed.want([name])
    await one.env.sleep(2_900)
    world.machine('one').disk.faults.name = 1
    await one.env.sleep(8_000)
    world.machine('one').disk.faults.name = 0
    await one.env.sleep(3 * minuteMs)
    t.match(one.managed.list(), [{ state: 'valid' }])
    t.equal(ca.orders.length, 1)
    t.ok(await one.vault.read(recordKey(name)))
    await one.stop()
  })
})
