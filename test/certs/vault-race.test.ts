import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { leaseOf } from '../../certs/vault-record.ts'
import { startMachine } from './fixtures/vaults.ts'

/** How much faster than ours the clocks of the processes go. */
const speed = 15

/** One run of a process, and what it was told to be done. */
interface Run {
  readonly process: ChildProcess
  readonly lines: string[]
}

interface Held {
  readonly lease: number
  readonly seen: number
  readonly wrote: number[]
}

/** Tells each line that a process says, and each end of one. */
const told = new EventEmitter()

function start(folder: string): Run {
  const file = join(import.meta.dirname, 'fixtures/race-for-lease.ts')
  const child = spawn(process.execPath, [file, folder, String(speed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    told.emit('news')
  })
  child.on('exit', (code) => told.emit('news', code !== null && new Error(`a process ended by itself, with ${code}`)))
  return { process: child, lines }
}

/** Waits until something is so; looks whenever a process has said something. */
async function when(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) {
    const [fault] = await once(told, 'news')
    if (fault) throw fault
  }
}

async function kill({ process: child }: Run): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close') // Its last lines are read by then.
  child.kill('SIGKILL')
  await closed
}

const isHolding = ({ lines }: Run) =>
  lines.findLast((line) => !line.startsWith('counted'))?.startsWith('wrote') ?? false

/** Two processes, and all that were before them. */
function startRace(t: Test, folder: string) {
  const runs: Run[] = [start(folder), start(folder)]
  t.teardown(() => Promise.all(runs.map(kill)))
  const alive = () => runs.slice(-2)
  return {
    runs,
    alive,
    /** Waits for one that writes under the lease, other than `but`, and for a moment of its next writes. */
    async holder(but?: Run): Promise<Run> {
      let found: Run | undefined
      await when(() => {
        found = alive().find((run) => run !== but && isHolding(run))
        return found !== undefined
      })
      return found as Run
    },
    async replace(run: Run) {
      await kill(run)
      const [other = run] = alive().filter((one) => one !== run)
      runs.splice(runs.indexOf(other), 1)
      runs.push(other, start(folder))
    },
  }
}

function heldIn(runs: readonly Run[]): Held[] {
  const all: Held[] = []
  for (const { lines } of runs) {
    let held: Held | undefined
    for (const [word, first, second] of lines.map((line) => line.split(' '))) {
      if (word === 'held') {
        held = { lease: Number(first), seen: Number(second), wrote: [] }
        all.push(held)
      } else if (word === 'wrote') held?.wrote.push(Number(first))
    }
  }
  return all.sort((one, other) => one.lease - other.lease)
}

t.test('two processes on one folder, and the one that holds the lease is killed at any moment', async (t) => {
  const folder = t.testdir()
  const race = startRace(t, folder)
  const kills = 8
  for (let round = 0; round < kills; round += 1) {
    const holder = await race.holder()
    // Somewhere within the writes that follow: so many lines later.
    const { length } = holder.lines
    await when(() => holder.lines.length > length + (round % 5))
    await race.replace(holder)
  }
  await race.holder()
  await Promise.all(race.runs.map(kill))

  const held = heldIn(race.runs)
  t.ok(held.length > kills)
  t.equal(new Set(held.map(({ lease }) => lease)).size, held.length, 'no number of a lease is given twice')
  let newest = 0
  for (const { lease, seen, wrote } of held) {
    t.ok(seen >= newest, `the holder of lease ${lease} saw all that was written under those before`)
    for (const number of wrote) t.equal(leaseOf(number), lease)
    newest = Math.max(newest, seen, ...wrote)
  }

  const { vault } = await startMachine(t, folder)
  const last = await vault.read('certs/a')
  t.ok((last?.number ?? 0) >= newest, 'what was written last is there')
  t.match(last?.text, new RegExp(`^${leaseOf(last?.number ?? 0)} \\d+$`), 'and whole')
  const counted = race.runs.flatMap(({ lines }) => lines.filter((line) => line.startsWith('counted')))
  t.equal(new Set(counted).size, counted.length, 'no number is given twice')
  const count = Number((await vault.read('count'))?.text)
  t.ok(counted.length <= count && count <= counted.length + kills + 2, 'no count is lost')
})

t.test('a holder that is stopped, and goes on when another one has its lease, changes nothing', async (t) => {
  const folder = t.testdir()
  const race = startRace(t, folder)
  const { vault } = await startMachine(t, folder)
  let newest = 0
  const look = async () => {
    const { number = 0 } = (await vault.read('certs/a')) ?? {}
    if (number < newest) t.fail(`${number} came after ${newest}`)
    newest = number
  }
  for (let round = 0; round < 4; round += 1) {
    const stopped = await race.holder()
    stopped.process.kill('SIGSTOP')
    const before = stopped.lines.length
    const next = await race.holder(stopped)
    const later = next.lines.length
    await when(async () => {
      await look()
      return next.lines.length > later + 3
    })
    const lease = leaseOf(newest)
    stopped.process.kill('SIGCONT')
    // It goes on with what it was about to write, and then wants the lease again like any other.
    await when(async () => {
      await look()
      return stopped.lines.slice(before).some((line) => line.startsWith('counted'))
    })
    t.ok(leaseOf(newest) >= lease)
  }
  await Promise.all(race.runs.map(kill))
})
