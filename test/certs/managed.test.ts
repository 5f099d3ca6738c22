import t from 'tap'
import { orderKey } from '../../certs/acme/order-note.ts'
import type { Certificate } from '../../certs/certificate.ts'
import { recordKey } from '../../certs/managed-record.ts'
import { limits } from '../../core/limits.ts'
import { createScriptedCa, problem, type SeenOrder } from './fixtures/scripted-ca.ts'
import { boot, createWorld, solverOf } from './fixtures/virtual-machines.ts'

const secondMs = 1_000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const name = 'www.example.com'

interface Kept {
  readonly certificate: { readonly id: string; readonly key: string; readonly notAfterMs: number }
}

t.test('a name that is wanted gets a certificate, and nothing waits for it', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    t.match(host.managed.list(), [{ names: [name], state: 'wanted', tries: 0 }])
    t.strictSame(await host.managed.find(name), [], 'none yet')
    await host.env.sleep(secondMs)
    t.match(host.managed.list(), [{ state: 'ordering' }])
    await host.env.sleep(10 * secondMs)
    const [found] = await host.managed.find(name)
    t.strictSame(found?.names, [name])
    const endMs = found?.notAfterMs ?? 0
    const state = { names: [name], state: 'valid', issuer: ca.directory, tries: 0, notAfterMs: endMs }
    t.match(host.managed.list(), [{ ...state, renewAtMs: endMs - 30 * dayMs }])
    t.equal((await host.managed.find(name))[0], found, 'read once')
    t.strictSame(await host.managed.find('other.example.com'), [])
    t.strictSame(host.told, [`obtained ${name}`])
    t.strictSame(ca.orders[0]?.kinds, ['http-01', 'tls-alpn-01'])
    await host.stop()
  })
})

t.test('names right under a domain with a wildcard share it', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const solvers = () => [solverOf('dns-01')]
    const host = await boot(world, 'one', [ca], { wildcards: () => ['example.com'], solvers })
    host.managed.want(['a.example.com', 'b.example.com', 'example.com', 'x.b.example.com', 'other.org'])
    await host.env.sleep(minuteMs)
    const ordered = ca.orders.map((order) => order.name).sort()
    t.strictSame(ordered, ['*.example.com', 'example.com', 'other.org', 'x.b.example.com'])
    for (const one of ['a.example.com', 'b.example.com', 'made-up.example.com'])
      t.strictSame((await host.managed.find(one))[0]?.names, ['*.example.com'], one)
    t.strictSame(await host.managed.find('c.b.example.com'), [], 'one label only')
    t.strictSame(await host.managed.find('*.example.com').then(([one]) => one?.names), ['*.example.com'])
    await host.stop()
  })
})

t.test('it is renewed with a third of its life left, with a new key', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    // Read from the vault: what is found is in use, and looked at every ten minutes from then on.
    const { certificate: first } = JSON.parse((await host.vault.read(recordKey(name)))?.text ?? '') as Kept
    const dueMs = first.notAfterMs - 30 * dayMs
    await host.env.sleep(dueMs - host.env.now() - minuteMs)
    t.equal(ca.orders.length, 1, 'not a minute early')
    await host.env.sleep(2 * minuteMs)
    t.equal(ca.orders[1]?.replaces, first.id)
    const [second] = (await host.managed.find(name)) as [Certificate]
    t.not(second.id, first.id)
    t.not(second.key, first.key)
    t.strictSame(host.told, [`obtained ${name}`, `renewed ${name}`])
    await host.stop()
  })
})

t.test('what the vault has is used after a restart, and nothing is ordered', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const first = await boot(world, 'one', [ca])
    first.managed.want([name])
    await first.env.sleep(minuteMs)
    const [obtained] = await first.managed.find(name)
    await first.stop()
    const second = await boot(world, 'one', [ca])
    second.managed.want([name])
    t.equal((await second.managed.find(name))[0]?.id, obtained?.id, 'at once, before any look')
    await second.env.sleep(dayMs)
    t.equal(ca.orders.length, 1)
    t.match(second.managed.list(), [{ state: 'valid' }])
    await second.stop()
  })
})

t.test('an order that a kill cut off is gone on with', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.orderMs = minuteMs
  await world.run(async () => {
    const first = await boot(world, 'one', [ca])
    first.managed.want([name])
    await first.env.sleep(30 * secondMs)
    first.kill()
    const second = await boot(world, 'one', [ca])
    second.managed.want([name])
    await second.env.sleep(5 * minuteMs)
    t.match(second.managed.list(), [{ state: 'valid' }])
    t.equal(ca.orders.length, 1)
    await second.stop()
  })
})

t.test('retries follow the schedule, and rehearse at the staging endpoint first', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  const staging = createScriptedCa('https://staging.test/dir')
  ca.answer = staging.answer = () => problem('the name does not resolve', { reason: 'challenge' })
  await world.run(async () => {
    const host = await boot(world, 'one', [ca], { staging })
    host.managed.want([name])
    await host.env.sleep(4 * hourMs)
    t.equal(ca.orders.length, 1, 'production sees the first try alone')
    const triesMs = [ca.orders[0] as SeenOrder, ...staging.orders].map(({ atMs }) => atMs)
    const waits = triesMs.slice(1).map((atMs, index) => atMs - (triesMs[index] as number))
    const planned = [5 * secondMs, ...[1, 2, 2, 5, 10, 10, 10, 20, 20, 20, 20, 30, 30].map((count) => count * minuteMs)]
    for (const [index, plannedMs] of planned.slice(0, waits.length).entries()) {
      const waitMs = waits[index] as number
      t.ok(waitMs >= plannedMs * 0.8 && waitMs <= plannedMs * 1.2 + 10 * secondMs, `wait ${index}: ${waitMs} ms`)
    }
    t.ok(waits.length >= 11, `${waits.length} retries`)
    const state = host.managed.list()[0]
    t.match(state, { state: 'failed', tries: staging.orders.length + 1, lastError: { code: 'ERR_ACME' } })
    t.match(state?.lastError?.message, 'the name does not resolve')
    t.ok((state?.nextTryAtMs ?? 0) > host.env.now())
    staging.answer = () => 'certificate'
    await host.env.sleep(hourMs)
    t.ok(ca.orders.length >= 2, 'the rehearsal went well')
    ca.answer = () => 'certificate'
    await host.env.sleep(2 * hourMs)
    t.match(host.managed.list(), [{ state: 'valid', tries: 0, issuer: ca.directory }])
    t.notOk(host.managed.list()[0]?.lastError)
    t.ok(staging.orders.every(({ isStaging }) => isStaging) && ca.orders.every(({ isStaging }) => !isStaging))
    await host.stop()
  })
})

t.test('a second issuer takes over when the first one fails', async (t) => {
  const world = createWorld()
  const [first, second] = [createScriptedCa('https://first.test/dir'), createScriptedCa('https://second.test/dir')]
  first.answer = () => problem('out of order', { reason: 'unavailable' })
  await world.run(async () => {
    const host = await boot(world, 'one', [first, second])
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    t.match(host.managed.list(), [{ state: 'valid', issuer: second.directory, tries: 0 }])
    first.answer = () => 'certificate'
    await host.env.sleep(61 * dayMs)
    t.match(
      host.managed.list(),
      [{ state: 'valid', issuer: first.directory }],
      'the next time the first is asked first',
    )
    t.equal(first.orders.at(-1)?.replaces, undefined, 'it does not know the certificate of the other')
    await host.stop()
  })
})

t.test('a CA that asks to be left alone is, while the other one is asked', async (t) => {
  const world = createWorld()
  const [first, second] = [createScriptedCa('https://first.test/dir'), createScriptedCa('https://second.test/dir')]
  first.answer = () => problem('too many orders', { reason: 'limited', retryAfterMs: 10 * hourMs })
  second.answer = () => problem('no', { reason: 'refused' })
  await world.run(async () => {
    const host = await boot(world, 'one', [first, second])
    host.managed.want([name])
    await host.env.sleep(9.9 * hourMs)
    t.equal(first.orders.length, 1)
    t.ok(second.orders.length > 15, `${second.orders.length} tries at the other`)
    first.answer = () => 'certificate'
    await host.env.sleep(8 * hourMs)
    t.match(host.managed.list(), [{ state: 'valid', issuer: first.directory }])
    await host.stop()
  })
})

t.test('when all CAs ask to be left alone, nobody is asked, not even after a restart', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.answer = () => problem('too many orders', { reason: 'limited', retryAfterMs: 100 * hourMs })
  await world.run(async () => {
    const first = await boot(world, 'one', [ca])
    first.managed.want([name])
    await first.env.sleep(hourMs)
    await first.stop()
    const second = await boot(world, 'one', [ca])
    second.managed.want([name])
    await second.env.sleep(98 * hourMs)
    t.equal(ca.orders.length, 1)
    ca.answer = () => 'certificate'
    await second.env.sleep(15 * hourMs)
    t.match(second.managed.list(), [{ state: 'valid' }])
    await second.stop()
  })
})

t.test(
  'a CA that is down for 30 days and longer costs few tries, and its return is noticed within a day',
  async (t) => {
    const world = createWorld()
    const ca = createScriptedCa()
    await world.run(async () => {
      const host = await boot(world, 'one', [ca])
      host.managed.want([name])
      await host.env.sleep(50 * dayMs)
      ca.answer = () => problem('connection refused', { reason: 'network' })
      await host.env.sleep(50 * dayMs)
      t.match(host.managed.list(), [{ state: 'expired', lastError: { code: 'ERR_ACME' } }])
      t.equal((await host.managed.find(name)).length, 1, 'the old one is all that there is')
      t.ok(ca.orders.length > 140 && ca.orders.length < 260, `${ca.orders.length} tries in 40 days`)
      t.equal(host.told.filter((event) => event === `expires soon ${name}`).length, 1)
      ca.answer = () => 'certificate'
      await host.env.sleep(1.3 * dayMs)
      t.match(host.managed.list(), [{ state: 'valid', tries: 0 }])
      t.equal(host.told.at(-1), `renewed ${name}`)
      await host.stop()
    })
  },
)

t.test('a CA that does not answer is given up, and other names do not wait for it', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  const names = Array.from({ length: limits.managed.orders - 1 }, (_, index) => `hang-${index}.example.com`)
  ca.answer = (order) => (order.name.startsWith('hang') ? 'hang' : 'certificate')
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([...names, name])
    await host.env.sleep(minuteMs)
    t.equal((await host.managed.find(name)).length, 1)
    await host.env.sleep(limits.managed.orderMs)
    for (const state of host.managed.list().filter(({ names: [one] }) => one !== name))
      t.match(state, { tries: 1, lastError: { code: 'ERR_TIMEOUT' } })
    await host.stop()
  })
})

t.test('a certificate for other names, or one that has ended, is never used', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.answer = () => ({ names: ['evil.example.com'] })
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name, 'evil.example.com'])
    await host.env.sleep(10 * minuteMs)
    t.strictSame(await host.managed.find(name), [])
    t.match(host.managed.list()[0], { state: 'failed', lastError: { code: 'ERR_CERT' } })
    ca.answer = () => 'certificate'
    ca.lifeMs = ca.backdateMs + 30 * secondMs
    await host.env.sleep(2 * hourMs)
    t.strictSame(await host.managed.find(name), [])
    await host.stop()
  })
})

t.test('a CA whose certificates are old when they come does not get one order after the other', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  ca.backdateMs = 80 * dayMs
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(5 * dayMs)
    t.ok(ca.orders.length >= 5 && ca.orders.length <= 11, `${ca.orders.length} orders in 5 days`)
    await host.stop()
  })
})

t.test("the clock's jumps are survived", async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(hourMs)
    world.machine('one').stepClock(70 * dayMs)
    await host.env.sleep(15 * minuteMs)
    t.equal(ca.orders.length, 2, 'renewed at the next look')
    ca.answer = () => problem('down', { reason: 'network' })
    world.machine('one').stepClock(400 * dayMs)
    await host.env.sleep(hourMs)
    t.match(host.managed.list(), [{ state: 'expired' }])
    t.equal((await host.managed.find(name)).length, 1)
    const tries = ca.orders.length
    world.machine('one').stepClock(-400 * dayMs)
    await host.env.sleep(hourMs)
    t.equal(ca.orders.length, tries, 'it is not due any more')
    t.match(host.managed.list(), [{ state: 'valid' }])
    world.machine('one').stepClock(60 * dayMs)
    ca.answer = () => 'certificate'
    await host.env.sleep(hourMs)
    t.match(host.managed.list(), [{ state: 'valid', tries: 0 }], 'a next try in the far future is none')
    await host.stop()
  })
})

t.test('what is damaged in the vault is ordered anew; what a newer grove wrote is left alone', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    const newer = 'newer.example.com'
    for (const [one, text] of [
      [name, '{ "format": "grove-cert-1", "names": 5'],
      ['b.example.com', JSON.stringify({ format: 'grove-cert-1', names: ['c.example.com'], tries: 0 })],
      [newer, JSON.stringify({ format: 'grove-cert-2', anything: true })],
    ] as const) {
      await using lease = await host.vault.lease(recordKey(one))
      await lease?.write(recordKey(one), text)
    }
    host.managed.want([name, 'b.example.com', newer])
    await host.env.sleep(10 * minuteMs)
    t.strictSame(ca.orders.map((order) => order.name).sort(), ['b.example.com', name])
    t.equal((await host.managed.find(name)).length, 1)
    await t.rejects(host.managed.find(newer), { code: 'ERR_DATA_FORMAT' })
    await host.stop()
  })
})

t.test('a certificate that is damaged inside its record is replaced when it is asked for', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const first = await boot(world, 'one', [ca])
    first.managed.want([name])
    await first.env.sleep(minuteMs)
    const key = recordKey(name)
    const text = (await first.vault.read(key))?.text ?? ''
    {
      await using lease = await first.vault.lease(key)
      await lease?.write(key, text.replace(/"chain":"[^"]*"/, '"chain":"nothing"'))
    }
    await first.stop()
    const second = await boot(world, 'one', [ca])
    second.managed.want([name])
    t.strictSame(await second.managed.find(name), [])
    await second.env.sleep(minuteMs)
    t.equal((await second.managed.find(name)).length, 1)
    await second.stop()
  })
})

t.test('a certificate that is damaged again and again is ordered as often as the schedule says', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    const key = recordKey(name)
    let damages = 0
    const damage = async (by: (text: string) => string) => {
      const text = (await host.vault.read(key))?.text ?? ''
      await using lease = await host.vault.lease(key)
      if (!lease || !/"chain":"-----/.test(text)) return
      damages += 1
      await lease.write(key, by(text))
    }
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    for (const [index, by] of [
      (text: string) => text.replace(/"chain":"[^"]*"/, '"chain":"nothing"'),
      (text: string) => text.slice(0, 1_000),
    ].entries()) {
      const before = ca.orders.length
      for (let count = 0; count < 360; count += 1) {
        await damage(by)
        // Damaged before it was ever read, it is not in memory.
        await host.managed.find(name)
        await host.env.sleep(10 * secondMs)
      }
      t.ok(damages > 1, `damaged ${damages} times`)
      t.ok(ca.orders.length - before <= 12, `${ca.orders.length - before} orders in an hour, way ${index}`)
    }
    await host.env.sleep(dayMs)
    await host.managed.find(name)
    await host.env.sleep(minuteMs)
    t.equal((await host.managed.find(name)).length, 1, 'a day later at once again')
    await host.stop()
  })
})

t.test('the note of an order goes when its certificate is stored', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(minuteMs)
    t.ok(await host.vault.read(recordKey(name)))
    t.notOk(await host.vault.read(orderKey(ca.directory, [name])))
    await host.env.sleep(61 * dayMs)
    t.equal(ca.orders.length, 2)
    t.notOk(await host.vault.read(orderKey(ca.directory, [name])))
    await host.stop()
  })
})
