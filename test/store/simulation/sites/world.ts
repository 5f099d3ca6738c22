/** A simulation of sites: publishers, keepers and readers over a machine and a bucket that fail. */

import { type Bucket, createBucket } from '../bucket.ts'
import type { SitePieces } from '../fault.ts'
import { createRecorder, type Recorder } from '../history.ts'
import { type Simulated, simulated } from '../lives.ts'
import { createMachine, type Life, type Machine } from '../machine.ts'
import { createRandom, type Random } from '../random.ts'
import { createScheduler, type Scheduler } from '../scheduler.ts'
import { type Troubles, troublesOf } from '../troubles.ts'
import type { SiteAsk } from './asks.ts'
import { startCold } from './cold-start.ts'
import type { SiteHistory } from './facts.ts'
import { createJanitor, createOperator, createPruner, createReader } from './keepers.ts'
import { closeSites, openSites, prepareDisk, type SiteSession, siteNames } from './open-session.ts'
import { createPublisher, type SiteClient, type SiteWork } from './publishers.ts'
import { changes, checkpoint, collect, list, readVersion, verify } from './session.ts'
import { graceMs } from './small-limits.ts'

/** How long the clients take when nothing goes wrong, about. */
const paceMs = 700
/** Who looks at everything at the end. */
export const lastReader = 'last reader'

interface World extends SiteWork {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly machine: Machine
  readonly recorder: Recorder<SiteAsk, never>
  readonly troubles: Troubles
  readonly bucket: Bucket | undefined
  readonly isEncrypted: boolean
  readonly pieces: SitePieces
  readonly clients: readonly SiteClient[]
  openings: number
}

/** Runs the simulation of a seed. */
export function simulateSites(seed: number, pieces: SitePieces = {}): Promise<Simulated<SiteHistory>> {
  const world = createWorld(seed, pieces)
  const { bucket } = world
  return simulated(world.recorder.history, {
    ...world,
    isLeft: () => world.clients.some(({ left }) => left > 0),
    work: (life) => workIn(world, life),
    between: () => (bucket && world.random.chance(0.4) ? coldStart(world, bucket.copy()) : Promise.resolve()),
    finish: (life) => finishIn(world, life),
    heal() {
      if (bucket) Object.assign(bucket.faults, { before: 0, after: 0, late: 0, damage: 0 })
    },
  })
}

function createWorld(seed: number, pieces: SitePieces): World {
  const random = createRandom(seed, 'sites')
  const scheduler = createScheduler(random.fork('order'), { most: 150_000 })
  const machine = createMachine(scheduler, random.fork('machine'))
  prepareDisk(machine.disk)
  const recorder = createRecorder<SiteAsk, never>(machine, () => scheduler.elapsedMs)
  machine.onClockStep = (byMs) => recorder.note({ kind: 'clock', byMs })
  let names = 0
  const work: SiteWork = {
    recorder,
    newName(kind) {
      names += 1
      return `${kind}-${names}`
    },
  }
  const chance = (word: string) => random.fork(word)
  const clients = [
    createPublisher(work, chance('publisher 1'), 'publisher-1', 5),
    createPublisher(work, chance('publisher 2'), 'publisher-2', 5),
    createPublisher(work, chance('publisher 3'), 'publisher-3', 4),
    createOperator(work, chance('operator'), 'operator', 6),
    createPruner(work, chance('pruner'), 'pruner', 3),
    createJanitor(work, chance('janitor'), 'janitor', 4),
    createReader(work, chance('reader'), 'reader', 5),
  ]
  const bucket = random.chance(0.6) ? badBucket(scheduler, chance('bucket'), machine) : undefined
  const isEncrypted = random.chance(0.3)
  const troubles = troublesOf(chance('troubles'), { paceMs, clockStepMs: 500 })
  return { ...work, scheduler, random, machine, recorder, troubles, bucket, isEncrypted, pieces, clients, openings: 0 }
}

function badBucket(scheduler: Scheduler, random: Random, machine: Machine): Bucket {
  const bucket = createBucket(scheduler, random, machine.now)
  if (random.chance(0.5))
    Object.assign(bucket.faults, {
      before: random.pick([0, 0.02, 0.1]),
      after: random.pick([0, 0.02, 0.1]),
      late: random.pick([0, 0.05, 0.2]),
      damage: random.pick([0, 0.02, 0.1]),
    })
  return bucket
}

/** Opens everything; undefined when the disk or the bucket does not let it. */
async function open(world: World, life: Life): Promise<SiteSession | undefined> {
  const { machine, random, pieces, bucket, isEncrypted } = world
  world.openings += 1
  const number = world.openings
  let session: SiteSession | undefined
  await world.recorder.ask({ client: 'operator', life, store: number }, { call: 'open store' }, async () => {
    const own = random.fork(`store ${number}`)
    session = await openSites({ disk: machine.disk, life, random: own, pieces, bucket, isEncrypted }, number)
    return { storeId: session.store.id }
  })
  return session
}

/** Lets clients work until they have done everything, or the store has stopped. */
async function workIn(world: World, life: Life): Promise<void> {
  const session = await open(world, life)
  if (!session) return
  const over = Promise.withResolvers<void>()
  const since = world.recorder.history.length
  const pace = world.random.fork(`pace ${life.number}`)
  if (world.bucket && pace.chance(0.6)) startBeside(world, life, world.bucket, paceMs * pace.fraction())
  const working = world.clients.map(async (client) => {
    while (client.left > 0) {
      await life.env.sleep(pace.fraction() * 80)
      await client.step(session)
      if (await hasStopped(world, session, since)) over.resolve()
    }
  })
  await Promise.race([Promise.all(working), over.promise])
  // Not all who stop have time to close.
  if (world.random.chance(0.5)) await closeSites(session).catch(() => {})
}

/** Failures of the disk after which somebody starts everything again. */
const mostFailures = 8

/** Whether the store has stopped, or the disk has failed so often that the operator has had enough. */
async function hasStopped({ recorder }: World, { store }: SiteSession, since: number): Promise<boolean> {
  const failures = recorder.history
    .slice(since)
    .filter((event) => event.kind === 'refusal' && event.code === 'ERR_DATA_IO')
  if (failures.length >= mostFailures) return true
  try {
    await store.check(store.root, 'read', '/')
    return false
  } catch {
    return true
  }
}

/** Another machine reads the bucket while this one works. What it finds has to last while it looks. */
function startBeside(world: World, life: Life, bucket: Bucket, afterMs: number): void {
  world.scheduler.after(afterMs, life, () => void coldStart(world, bucket.view()))
}

async function coldStart(world: World, bucket: Bucket): Promise<void> {
  world.openings += 1
  const { scheduler, random, pieces, isEncrypted, openings: number } = world
  await startCold(world, { scheduler, random: random.fork(`cold ${number}`), bucket, pieces, isEncrypted, number })
}

/** Nothing fails any more: what is not known is settled, all is read, what nobody needs goes, and all is read again. */
async function finishIn(world: World, life: Life): Promise<void> {
  const session = await open(world, life)
  if (!session) throw new Error('the store cannot be opened though nothing fails')
  for (const client of world.clients) await client.finish(session)
  await readAll(world, session)
  for (let round = 0; round < 2; round += 1) {
    await collect(world, session, lastReader)
    await life.env.sleep(graceMs * 1.1)
  }
  await collect(world, session, lastReader)
  await session.blobs.evict()
  await readAll(world, session)
  await verify(world, session, lastReader)
  for (const site of siteNames) await checkpoint(world, session, lastReader, site)
  if (world.bucket) await coldStart(world, world.bucket.copy())
  await closeSites(session)
}

async function readAll(world: World, session: SiteSession): Promise<void> {
  for (const site of siteNames) {
    const { answer } = await list(world, session, lastReader, site)
    for (const { version } of answer?.versions ?? []) await readVersion(world, session, lastReader, site, version)
    await changes(world, session, lastReader, { call: 'changes', site })
  }
}
