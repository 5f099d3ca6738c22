import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as after } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { layoutOf } from '../../../core/layout.ts'
import { faultsOf, leftovers, type NumberedSite, openNumberedSite } from './fixtures/numbered-site.ts'

// A kill leaves what the kernel was given; it does not show what a power failure would leave. That each step asks for
// the disk in the right order is what the simulation tests.

const fixture = (name: string) => join(import.meta.dirname, 'fixtures', name)

t.setTimeout(600_000)

t.test('kill -9 at random moments loses no acknowledged version and shows no half one', async (t) => {
  const folder = t.testdir()
  let acknowledged = 0
  for (let kill = 0; kill < 12; kill += 1) {
    const child = spawn(process.execPath, [fixture('publish-forever.ts'), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const closed = once(child, 'close')
    const goal = acknowledged + 1 + (kill % 8)
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged = Number(line)
      // A random moment within the next publish, prune or collection.
      if (acknowledged === goal) void after(Math.random() * 40).then(() => child.kill('SIGKILL'))
    }
    const [, signal] = await closed
    t.equal(signal, 'SIGKILL')
    await using site = await openNumberedSite(folder)
    t.same(await faultsOf(site, [acknowledged]), [], `kill ${kill + 1} after version ${acknowledged}`)
    t.same(readdirSync(layoutOf(folder).temporary), [], 'what was not finished is cleaned up')
    acknowledged = site.versions.live?.version ?? 0
  }
  await using site = await openNumberedSite(folder)
  t.same(await leftovers(site), [], 'nothing stays behind for ever')
  t.same(await faultsOf(site, [acknowledged]), [])
})

interface Act {
  readonly what: 'publish' | 'prune' | 'collect'
  readonly least: number
  /** Brings a new site to where the act begins. */
  prepare(site: NumberedSite): Promise<void>
  /** Versions that have to be there whenever it was killed, and after it was done. */
  readonly wanted: readonly number[]
  readonly wantedDone: readonly number[]
  again(site: NumberedSite): Promise<void>
}

const acts: Act[] = [
  {
    what: 'publish',
    least: 28,
    async prepare(site) {
      await site.publish()
    },
    wanted: [1],
    wantedDone: [1, 2],
    async again(site) {
      await site.publish(2)
    },
  },
  {
    what: 'prune',
    least: 10,
    async prepare(site) {
      for (let version = 1; version <= 4; version += 1) await site.publish()
    },
    wanted: [4],
    wantedDone: [4],
    again: (site) => site.prune(),
  },
  {
    what: 'collect',
    least: 6,
    async prepare(site) {
      for (let version = 1; version <= 4; version += 1) await site.publish()
      await site.prune()
      await site.collect()
    },
    wanted: [4],
    wantedDone: [4],
    async again(site) {
      await site.collect(20_000)
    },
  },
]
for (const act of acts) {
  t.test(`kill -9 before each single step of a ${act.what} leaves what was, or what was to be`, async (t) => {
    const folder = t.testdir({ before: {} })
    const before = join(folder, 'before')
    {
      await using site = await openNumberedSite(before)
      await act.prepare(site)
    }
    const outcomes = new Set<string>()
    let done = false
    for (let killAt = 1; !done; killAt += 2) {
      const both = await Promise.all(
        [killAt, killAt + 1].map((at) => killedAt(t, act, before, join(folder, String(at)), at)),
      )
      for (const outcome of both) outcomes.add(outcome)
      done = both.includes('done')
      if (done) t.ok(killAt > act.least, `a ${act.what} has about ${killAt} steps`)
    }
    t.ok(outcomes.size > 1, `outcomes: ${[...outcomes].join(', ')}`)
  })
}

async function killedAt(t: Test, act: Act, before: string, place: string, killAt: number): Promise<string> {
  cpSync(before, place, { recursive: true })
  const { signal, stdout } = await run([fixture('killed.ts'), place, act.what, String(killAt)])
  if (signal === undefined) return 'done'
  t.equal(signal, 'SIGKILL')
  await using site = await openNumberedSite(place)
  const found = `versions ${site.versions.versions.map(({ version }) => version)} in ${site.versions.objects.segments}`
  t.same(await faultsOf(site, stdout === '' ? act.wanted : act.wantedDone), [], `killed before step ${killAt}`)
  await act.again(site)
  t.same(await faultsOf(site, act.wantedDone), [], 'and the retry of it')
  t.equal(site.versions.versions.length, act.wantedDone.length, 'makes one of both')
  t.same(await leftovers(site), [], 'and the collector removes what it left')
  t.same(await faultsOf(site, act.wantedDone), [])
  rmSync(place, { recursive: true })
  return found
}

function run(args: readonly string[]): Promise<{ signal: string | undefined; stdout: string }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      if (error && error.signal == null) reject(new Error(stderr, { cause: error }))
      else resolve({ signal: error?.signal ?? undefined, stdout })
    })
  })
}
