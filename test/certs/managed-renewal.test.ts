import t from 'tap'
import type { Certificate } from '../../certs/certificate.ts'
import { recordKey } from '../../certs/managed-record.ts'
import { createScriptedCa, problem, type ScriptedCa } from './fixtures/scripted-ca.ts'
import { boot, createWorld, type Host } from './fixtures/virtual-machines.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const name = 'www.example.com'

/** Says that a certificate is to be renewed between two days of its life. */
function windowOf(ca: ScriptedCa, firstDay: number, lastDay: number, askAgainMs = 6 * hourMs): void {
  ca.window = ({ notBeforeMs }: Certificate, nowMs) => ({
    startMs: notBeforeMs + firstDay * dayMs,
    endMs: notBeforeMs + lastDay * dayMs,
    askAgainMs: nowMs + askAgainMs,
  })
}

async function chosenOf(host: Host): Promise<number | undefined> {
  const text = (await host.vault.read(recordKey(name)))?.text ?? '{}'
  const record = JSON.parse(text) as { renewal?: { window?: { chosenMs: number } } }
  return record.renewal?.window?.chosenMs
}

t.test('a time within the window of the CA is chosen once, kept over restarts, and kept to', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  windowOf(ca, 20, 40)
  await world.run(async () => {
    const first = await boot(world, 'one', [ca])
    const startMs = first.env.now()
    first.managed.want([name])
    await first.env.sleep(minuteMs)
    const chosenMs = (await chosenOf(first)) ?? 0
    const day = (chosenMs - startMs) / dayMs
    t.ok(day > 19 && day < 41, `day ${day}`)
    t.match(first.managed.list(), [{ renewAtMs: chosenMs }])
    await first.env.sleep(5 * dayMs)
    t.equal(await chosenOf(first), chosenMs)
    t.ok(ca.asked.length >= 19 && ca.asked.length <= 22, `asked ${ca.asked.length} times in 5 days`)
    await first.stop()
    const second = await boot(world, 'one', [ca])
    second.managed.want([name])
    await second.env.sleep(dayMs)
    t.equal(await chosenOf(second), chosenMs)
    await second.env.sleep(chosenMs - second.env.now() - minuteMs)
    t.equal(ca.orders.length, 1)
    await second.env.sleep(3 * minuteMs)
    t.equal(ca.orders.length, 2)
    t.not(await chosenOf(second), chosenMs, 'another one for the next')
    await second.stop()
  })
})

t.test('when the CA changes its mind, another time is chosen', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  windowOf(ca, 50, 60)
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(3 * dayMs)
    t.equal(ca.orders.length, 1)
    windowOf(ca, 1, 2)
    await host.env.sleep(7 * hourMs)
    t.equal(ca.orders.length, 2, 'it wants it back at once')
    await host.stop()
  })
})

t.test('a CA that always wants the next one at once gets two orders a day', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  windowOf(ca, -3, -2)
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(5 * dayMs)
    t.ok(ca.orders.length >= 9 && ca.orders.length <= 11, `${ca.orders.length} orders in 5 days`)
    await host.stop()
  })
})

t.test('a window after the end does not keep it from being renewed', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  windowOf(ca, 200, 300, 5 * dayMs)
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(85 * dayMs)
    t.equal(ca.orders.length, 1, 'it is the CA that knows, until a twentieth is left')
    await host.env.sleep(1 * dayMs)
    t.equal(ca.orders.length, 2)
    await host.stop()
  })
})

t.test('a CA that does not answer, or has nothing to say, is asked rarely, and a third is what counts', async (t) => {
  for (const [answer, most] of [
    [problem('down', { reason: 'network' }), 250],
    [undefined, 10],
  ] as const) {
    const world = createWorld()
    const ca = createScriptedCa()
    ca.window = () => answer
    await world.run(async () => {
      const host = await boot(world, 'one', [ca])
      host.managed.want([name])
      await host.env.sleep(59 * dayMs)
      t.equal(ca.orders.length, 1)
      t.ok(ca.asked.length > 2 && ca.asked.length < most, `asked ${ca.asked.length} times`)
      await host.env.sleep(dayMs)
      t.equal(ca.orders.length, 2)
      await host.stop()
    })
  }
})

t.test('a time that was chosen stays when the CA is down later', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  windowOf(ca, 70, 75)
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(dayMs)
    const chosenMs = await chosenOf(host)
    ca.window = () => problem('down', { reason: 'network' })
    await host.env.sleep(60 * dayMs)
    t.equal(await chosenOf(host), chosenMs)
    t.equal(ca.orders.length, 1)
    await host.stop()
  })
})

t.test('answers that ask to come again at once, or never, are bounded', async (t) => {
  const world = createWorld()
  const ca = createScriptedCa()
  windowOf(ca, 60, 61, 0)
  await world.run(async () => {
    const host = await boot(world, 'one', [ca])
    host.managed.want([name])
    await host.env.sleep(dayMs)
    t.ok(ca.asked.length <= 24 * 6 + 2, `asked ${ca.asked.length} times in a day`)
    windowOf(ca, 60, 61, 1e15)
    await host.env.sleep(hourMs)
    const asked = ca.asked.length
    await host.env.sleep(8 * dayMs)
    t.equal(ca.asked.length, asked + 1)
    await host.stop()
  })
})
