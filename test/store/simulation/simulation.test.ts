import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { seedsOf, worldOf, worlds } from './worlds.ts'

/** More with GROVE_SIMULATION_SEEDS, for a night. */
const count = Number(process.env['GROVE_SIMULATION_SEEDS'] ?? 1_000)

/** What has to happen at all in so many seeds: a simulation in which nothing goes wrong shows nothing. */
const happenings: Readonly<Record<string, readonly string[]>> = {
  logs: [
    'end power',
    'end kill',
    'clock',
    'told reset',
    'told progress',
    'refusal ERR_CONFLICT',
    'refusal ERR_DATA_IO',
    'refusal ERR_FENCED',
    'refusal ERR_TRIMMED',
    ...['revoked', 'expired', 'rights', 'path', 'quota'].map((reason) => `refusal ERR_DENIED ${reason}`),
  ],
  sites: [
    'end power',
    'end kill',
    'clock',
    'ask cold start',
    'ask diff',
    'ask unpin',
    'refusal ERR_PUBLISH_CONFLICT',
    'refusal ERR_BLOB_MISSING',
    'refusal ERR_DATA_IO',
    'refusal ERR_OBJECTS unreachable',
    'refusal ERR_TRIMMED',
    'refusal ERR_VERSION_UNKNOWN',
  ],
}

t.test(`${count} seeds show no fault`, async (t) => {
  const counts = new Map<string, number>()
  for (let seed = 0; seed < count; seed += 1) {
    const world = worldOf(seed)
    const outcome = await world.simulate(seed)
    for (const { checker, fault } of outcome.findings)
      t.fail(`seed ${seed}, ${checker}: ${fault}`, {
        replay: `node test/store/simulation/run.ts --seed ${seed} --verbose`,
      })
    for (const [what, times] of outcome.counts)
      counts.set(`${world.name}: ${what}`, (counts.get(`${world.name}: ${what}`) ?? 0) + times)
  }
  for (const [world, whats] of Object.entries(happenings))
    for (const what of whats) t.ok(counts.get(`${world}: ${what}`), `${world}: ${what} happens`)
})

t.test('a seed has the same history each time, byte for byte, in any process', async (t) => {
  for (const world of worlds) {
    for (const seed of seedsOf(world, 3)) {
      const text = (await world.simulate(seed)).text()
      t.ok(text.length > 1_000)
      t.equal((await world.simulate(seed)).text(), text, `seed ${seed}`)
    }
    const [seed] = seedsOf(world, 1)
    const script = join(import.meta.dirname, 'run.ts')
    const options = { encoding: 'utf8', maxBuffer: 67_108_864 } as const
    const printed = execFileSync(process.execPath, [script, '--seed', String(seed), '--verbose'], options)
    t.equal(printed, `${(await world.simulate(seed ?? 0)).text()}1 seeds from ${seed}: 0 with findings\n`)
  }
})

t.test('different seeds have different histories', async (t) => {
  for (const world of worlds) {
    const texts = await Promise.all(seedsOf(world, 5).map(async (seed) => (await world.simulate(seed)).text()))
    t.equal(new Set(texts).size, 5)
  }
})
