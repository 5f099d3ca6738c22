/** A simulation of logs and grants: clients of all kinds, a machine that fails, and at the end everything finishes. */

import type { Handle } from '../../../../store/store.ts'
import { lastReader } from '../checkers/acknowledged.ts'
import type { LogPieces } from '../fault.ts'
import { createRecorder, type Recorder } from '../history.ts'
import { type Simulated, simulated } from '../lives.ts'
import { createMachine, type Life, type Machine } from '../machine.ts'
import { createRandom, type Random } from '../random.ts'
import { createScheduler, type Scheduler } from '../scheduler.ts'
import { type LifePlan, type Troubles, troublesOf } from '../troubles.ts'
import type { LogAsk, LogTold } from './asks.ts'
import type { LogHistory } from './facts.ts'
import { createCharger, createGranter, createReader, createRevoker } from './granters.ts'
import { probeMemory } from './memory-probe.ts'
import { makeLog, openSimulatedStore } from './open-session.ts'
import { append, read, type Session } from './session.ts'
import { createWatcher, type Watcher } from './watchers.ts'
import * as writers from './writers.ts'

const { plainLog, versionsLog } = writers
/** How long the clients take when nothing goes wrong, about. */
const paceMs = 80

interface World extends writers.Workplace {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly machine: Machine
  readonly recorder: Recorder<LogAsk, LogTold>
  readonly troubles: Troubles
  readonly pieces: LogPieces
  readonly clients: readonly writers.Client[]
  readonly watchers: readonly Watcher[]
  openings: number
  handedOut: number
}

/** Runs the simulation of a seed. */
export function simulateLogs(seed: number, pieces: LogPieces = {}): Promise<Simulated<LogHistory>> {
  const world = createWorld(seed, pieces)
  return simulated(world.recorder.history, {
    ...world,
    isLeft: () => world.clients.some(({ left }) => left > 0),
    work: (life, plan) => workIn(world, life, plan),
    finish: (life) => finishIn(world, life),
  })
}

function createWorld(seed: number, pieces: LogPieces): World {
  const random = createRandom(seed, 'logs')
  const scheduler = createScheduler(random.fork('order'), { most: 50_000 })
  const machine = createMachine(scheduler, random.fork('machine'))
  const recorder = createRecorder<LogAsk, LogTold>(machine, () => scheduler.elapsedMs)
  machine.onClockStep = (byMs) => recorder.note({ kind: 'clock', byMs })
  const handles = new Map<string, Handle>()
  let names = 0
  const work: writers.Workplace = {
    recorder,
    handles,
    grants: () => ['root', ...[...handles.keys()].slice(-6)],
    newName(kind) {
      names += 1
      return `${kind}-${names}`
    },
  }
  const chance = (word: string) => random.fork(word)
  const clients = [
    writers.createWriter(work, chance('writer 1'), 'writer-1', 8),
    writers.createWriter(work, chance('writer 2'), 'writer-2', 8),
    writers.createPublisher(work, chance('publisher 1'), 'publisher-1', 6),
    writers.createPublisher(work, chance('publisher 2'), 'publisher-2', 6),
    writers.createAuditor(work, chance('auditor'), 'auditor', 4),
    writers.createMerger(work, chance('merger'), 'merger', 5),
    createGranter(work, chance('granter'), 'granter', 8, machine.now),
    createRevoker(work, chance('revoker'), 'revoker', 3),
    createCharger(work, chance('charger'), 'charger', 4),
    createReader(work, chance('reader'), 'reader', 6),
  ]
  const watchers = [
    createWatcher(work, chance('watcher 1'), 'watcher-1', plainLog, 0),
    createWatcher(work, chance('watcher 2'), 'watcher-2', versionsLog, 0),
    createWatcher(work, chance('watcher 3'), 'watcher-3', plainLog, 40),
  ]
  const troubles = troublesOf(chance('troubles'), { paceMs, clockStepMs: 3_000 })
  return {
    ...work,
    scheduler,
    random,
    machine,
    recorder,
    troubles,
    pieces,
    clients,
    watchers,
    openings: 0,
    handedOut: 0,
  }
}

/** Opens a store; undefined when the disk does not let it. */
async function open(world: World, life: Life): Promise<Session | undefined> {
  const { machine, random, pieces } = world
  world.openings += 1
  const number = world.openings
  let session: Session | undefined
  await world.recorder.ask({ client: 'operator', life, store: number }, { call: 'open store' }, async () => {
    const handedOut = (entries: number) => {
      world.handedOut += entries
    }
    const store = openSimulatedStore({
      disk: machine.disk,
      life,
      random: random.fork(`store ${number}`),
      pieces,
      handedOut,
    })
    await makeLog(store, plainLog, false)
    await makeLog(store, versionsLog, true)
    session = { life, number, store }
    return { storeId: store.id }
  })
  return session
}

/** Lets clients work until they have done everything, or the store has stopped. */
async function workIn(world: World, life: Life, plan: LifePlan): Promise<void> {
  const first = await open(world, life)
  if (!first) return
  const place = { session: first }
  let stop = watchIn(world, first)
  const over = Promise.withResolvers<void>()
  if (plan.takeOverAfterMs !== undefined)
    world.scheduler.after(plan.takeOverAfterMs, life, () => {
      void open(world, life).then(async (second) => {
        if (!second) return
        void stop()
        place.session = second
        stop = watchIn(world, second)
        await haunt(world, first)
      })
    })
  const pace = world.random.fork(`pace ${life.number}`)
  const working = world.clients.map(async (client) => {
    while (client.left > 0) {
      await life.env.sleep(pace.fraction() * 16)
      await client.step(place.session)
      if (await hasStopped(place.session)) over.resolve()
    }
  })
  await Promise.race([Promise.all(working), over.promise])
}

/** A store that another one has taken over from does not know yet. */
async function haunt(world: World, session: Session): Promise<void> {
  for (const name of ['ghost', 'ghost']) {
    const part = { log: plainLog, name: world.newName(name), bytes: 0 }
    await append(world, session, 'ghost', { call: 'append', grant: 'root', parts: [part] })
  }
}

/** Whether a store takes nothing more until it is opened again. */
async function hasStopped({ store }: Session): Promise<boolean> {
  try {
    await store.check(store.root, 'read', '/')
    return false
  } catch {
    return true
  }
}

function watchIn(world: World, session: Session): () => Promise<void> {
  const controller = new AbortController()
  const watching = world.watchers.map((watcher) => watcher.run(session, controller.signal))
  return async () => {
    controller.abort()
    await Promise.all(watching)
  }
}

/** Nothing fails any more: what is not known is settled, watchers are told everything, and all is read. */
async function finishIn(world: World, life: Life): Promise<void> {
  const session = await open(world, life)
  if (!session) throw new Error('the store cannot be opened though nothing fails')
  const stop = watchIn(world, session)
  for (const client of world.clients) await client.finish(session)
  const part = { log: plainLog, name: world.newName('last'), bytes: 0 }
  await append(world, session, 'operator', { call: 'append', grant: 'root', parts: [part] })
  for (const watcher of world.watchers) await watcher.caughtUp(session)
  await stop()
  for (const log of [plainLog, versionsLog, '/grants'])
    await read(world, session, lastReader, { call: 'read', log, grant: 'root' })
  await probeMemory(world, session, () => world.handedOut)
  await session.store[Symbol.asyncDispose]()
}
