/**
 * Two machines on one vault, killed again and again between any two of their writes: whatever the seed, no account is
 * lost, nobody orders what another one is ordering, and in the end every name has its certificate.
 */

import t, { type Test } from 'tap'
import type { Issuer } from '../../certs/acme/issuer.ts'
import type { Objects } from '../../store/objects/objects.ts'
import type { Life } from '../store/simulation/machine.ts'
import type { Random } from '../store/simulation/random.ts'
import { createScriptedCa } from './fixtures/scripted-ca.ts'
import { type BootOptions, boot, createWorld, type Host, type World } from './fixtures/virtual-machines.ts'

const names = ['a.example.com', 'b.example.com', 'c.example.com', 'd.example.org', 'e.example.org', 'f.example.org']
const machines = ['one', 'two'] as const
const rounds = 12
const dayMs = 86_400_000

/** Ends the machine before or after one of its next writes. */
function deadly(world: World, name: string, random: Random, died: () => void) {
  let left = random.between(1, 60)
  return (objects: Objects, life: Life): Objects => {
    const isBefore = random.chance(0.5)
    const kill = () => {
      if (!life.alive) return
      world.machine(name).end()
      died()
    }
    const around = async <T>(act: () => Promise<T>): Promise<T> => {
      left -= 1
      if (left === 0 && isBefore) kill()
      const answer = await act()
      if (left <= 0 && !isBefore) kill()
      return answer
    }
    return {
      ...objects,
      create: (key, source) => around(() => objects.create(key, source)),
      remove: (keys) => around(() => objects.remove(keys)),
    }
  }
}

interface Under {
  readonly name: string
  readonly life: Life
}

/** Notes orders that are under way, and faults when a living process orders what another living one is ordering. */
function watching(under: Set<Under>, faults: string[]): NonNullable<BootOptions['issuerOf']> {
  return (ca, env, vault, life): Issuer => {
    const issuer = ca.issuer(env, vault)
    return {
      ...issuer,
      async order(request) {
        const own = { name: request.names[0] as string, life }
        for (const other of under)
          if (other.name === own.name && other.life.alive) faults.push(`${own.name} is ordered twice at once`)
        under.add(own)
        try {
          return await issuer.order(request)
        } finally {
          under.delete(own)
        }
      },
    }
  }
}

async function simulate(t: Test, seed: number): Promise<void> {
  const world = createWorld(seed)
  const random = world.random.fork('fate')
  const ca = createScriptedCa()
  // Renewed after 160 seconds, so that there is something to do all the time.
  ca.backdateMs = 0
  ca.lifeMs = 240_000
  const under = new Set<Under>()
  const faults: string[] = []
  let kills = 0
  const start = async (name: string, isDoomed: boolean): Promise<Host> => {
    const died = Promise.withResolvers<void>()
    const doom = deadly(world, name, random, () => died.resolve())
    const options = { isShared: true, issuerOf: watching(under, faults), ...(isDoomed && { through: doom }) }
    const host = await Promise.race([boot(world, name, [ca], options), died.promise])
    if (host) return host
    world.machine(name).recover('kill')
    kills += 1
    return start(name, isDoomed)
  }

  /** Lets a machine live and die, so many times. */
  const lives = async (name: string): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      const host = await start(name, true)
      host.managed.want(names)
      // Whoever is not struck by fate is by a kill at any moment.
      const watch = world.random.fork(`${name} ${round}`)
      await Promise.race([host.life.ended, pause(world, watch.between(100, 60_000))])
      if (host.life.alive) world.machine(name).end()
      world.machine(name).recover('kill')
      kills += 1
      await pause(world, watch.between(1, 20_000))
    }
  }

  await world.run(async () => {
    Object.assign(world.bucket.faults, { before: 0.02, after: 0.02 })
    await Promise.all(machines.map(lives))
    Object.assign(world.bucket.faults, { before: 0, after: 0 })
    const hosts = await Promise.all(machines.map((name) => start(name, false)))
    for (const { managed } of hosts) managed.want(names)
    ca.lifeMs = 3 * dayMs
    const orders = ca.orders.length
    await pause(world, 3_600_000)
    t.ok(ca.orders.length - orders <= 2 * names.length, `seed ${seed}: ${ca.orders.length - orders} orders in peace`)
    for (const name of names) {
      const ids = await Promise.all(hosts.map(async ({ managed }) => (await managed.find(name))[0]?.id))
      t.ok(ids[0] !== undefined && ids[0] === ids[1], `seed ${seed}: both have the certificate of ${name}`)
    }
    await pause(world, 2.2 * dayMs)
    for (const { managed } of hosts)
      t.ok(
        managed.list().every(({ state, tries }) => state === 'valid' && tries === 0),
        `seed ${seed}: all are renewed`,
      )
    for (const host of hosts) await host.stop()
  })
  t.strictSame(faults, [], `seed ${seed}`)
  t.equal(ca.accounts.size, 1, `seed ${seed}: one account`)
  // A kill costs an order of which nobody had the time to write down that it is there.
  const lost = ca.orders.filter((order, index) => {
    const before = ca.orders.slice(0, index).findLast(({ name }) => name === order.name)
    return before !== undefined && order.atMs - before.atMs < 100_000
  }).length
  t.ok(lost <= kills, `seed ${seed}: ${lost} of ${ca.orders.length} orders were in vain, with ${kills} kills`)
}

function pause(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => world.scheduler.after(ms, { alive: true }, resolve))
}

t.test('two machines that are killed between any two writes', async (t) => {
  const first = Number(process.env['SEED'] ?? 1)
  const count = Number(process.env['SEEDS'] ?? 4)
  for (let seed = first; seed < first + count; seed += 1) await simulate(t, seed)
})
