import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import type { RunSummary } from './run.ts'
import { seedsOf, worlds } from './worlds.ts'

t.setTimeout(600_000)

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

/** In a process of its own: the test runner follows every promise, which makes a simulation several times slower. */
async function run(...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const chunks: Buffer[] = await child.stdout.toArray()
  await closed
  return Buffer.concat(chunks).toString()
}

t.test(`${count} seeds show no fault`, async (t) => {
  const printed = await run('--seeds', String(count), '--json')
  const { findings, counts }: RunSummary = JSON.parse(printed.trimEnd().split('\n').at(-1) ?? '')
  for (const { seed, checker, fault } of findings)
    t.fail(`seed ${seed}, ${checker}: ${fault}`, {
      replay: `node test/store/simulation/run.ts --seed ${seed} --verbose`,
    })
  for (const [world, whats] of Object.entries(happenings))
    for (const what of whats) t.ok(counts[`${world}: ${what}`], `${world}: ${what} happens`)
})

t.test('a seed has the same history each time, byte for byte, in any process', async (t) => {
  for (const world of worlds) {
    for (const seed of seedsOf(world, 2)) {
      const text = (await world.simulate(seed)).text()
      t.ok(text.length > 1_000)
      t.equal((await world.simulate(seed)).text(), text, `seed ${seed}`)
      const printed = await run('--seed', String(seed), '--verbose')
      t.equal(printed, `${text}1 seeds from ${seed}: 0 with findings\n`)
    }
  }
})

t.test('different seeds have different histories', async (t) => {
  for (const world of worlds) {
    const texts = await Promise.all(seedsOf(world, 3).map(async (seed) => (await world.simulate(seed)).text()))
    t.equal(new Set(texts).size, 3)
  }
})
