/**
 * The engine: all rules of logs and grants over the records of a driver. It is synchronous and takes nothing from the
 * world but what comes with a batch (time, ids, random bytes), so the same batches make the same store anywhere.
 *
 * A batch is one transaction and one fsync. A request that a rule refuses leaves nothing and disturbs no other. When the
 * disk does not take a batch, each of its requests is tried alone, so that none fails for another's sake.
 */

import { GroveError, isGroveError, toPlainError } from '../../core/errors.ts'
import { grantsLogPath } from '../grants/grant-changes.ts'
import { requireRoot } from '../grants/grants.ts'
import { type HandleKeys, handleOf, rootGrantId } from '../grants/handle.ts'
import { appendSystem } from './append.ts'
import { knownHandles } from './known-handles.ts'
import type { Records } from './records.ts'
import type { Answer, Batch, BatchAnswer, Hello, RequestOf } from './request.ts'
import { isWrite, type RuledRequest, ruled } from './rules.ts'
import type { Step } from './step.ts'

/** What an engine is started with. */
export interface EngineSeed {
  /** 32 random bytes, made anew for each process: the root handle is worth nothing once the process has ended. */
  readonly processKey: Uint8Array
}

/** A running engine. */
export interface Engine {
  readonly hello: Hello
  /** Does a batch. Never throws: what goes wrong is in the answers. */
  run(batch: Batch): BatchAnswer
  /** Frees the records. No call may follow. */
  close(): void
}

/** Starts the engine of some records, which then is in charge of them: one that was before is fenced off. */
export function openEngine(records: Records, { processKey }: EngineSeed): Engine {
  const epoch = records.transact(() => {
    if (!records.log(grantsLogPath)) records.addLog(grantsLogPath, false)
    return records.takeEpoch()
  })
  const ring = keyRing(records, processKey)
  let lastSeq = records.lastSeq()

  /** Runs rules in one transaction, or none if they only read. What they changed counts when it is on the disk. */
  function attempt<T>(requests: readonly RuledRequest[], nowMs: number, total: ChangeList, run: (step: Step) => T): T {
    const changes = noChanges()
    const step = stepOf(records, ring, nowMs, changes)
    if (!requests.some(isWrite)) return records.read(() => run(step))
    let reached = lastSeq
    const before = ring.now
    try {
      const result = records.transact(() => {
        if (records.epoch() !== epoch) throw fenced()
        const done = run(step)
        reached = records.lastSeq()
        return done
      })
      lastSeq = reached
      for (const [path, head] of changes.grew) total.grew.set(path, head)
      for (const [path, seq] of changes.trimmed) total.trimmed.set(path, seq)
      total.rights ||= changes.rights
      return result
    } catch (error) {
      ring.now = before
      throw error
    }
  }

  function runAll(requests: readonly RuledRequest[], nowMs: number, total: ChangeList): Answer[] {
    try {
      return attempt(requests, nowMs, total, (step) => requests.map((request) => answerOf(() => ruled(step, request))))
    } catch (error) {
      if (requests.length === 1) return [{ error: toPlainError(error) }]
    }
    // None of it happened. The fault may be one request's: a damaged page, an entry that the disk has no room for.
    return requests.map((request) => {
      try {
        return { value: attempt([request], nowMs, total, (step) => ruled(step, request)) }
      } catch (error) {
        return { error: toPlainError(error) }
      }
    })
  }

  function copy({ handle, file }: RequestOf<'copyTo'>, nowMs: number): Answer {
    try {
      requireRoot(stepOf(records, ring, nowMs, noChanges()), handle)
      records.copyTo(file)
      return { value: undefined }
    } catch (error) {
      return { error: toPlainError(error) }
    }
  }

  return {
    hello: { storeId: records.storeId, root: handleOf(rootGrantId, ring.now.keys), lastSeq },
    run({ requests, nowMs }) {
      const total = noChanges()
      const together = requests.filter((request) => request.kind !== 'copyTo')
      const done = together.length === 0 ? [] : runAll(together, nowMs, total)
      let next = 0
      const answers = requests.map((request) =>
        request.kind === 'copyTo' ? copy(request, nowMs) : (done[next++] as Answer),
      )
      const { grew, trimmed, rights } = total
      return { answers, changes: { grew: [...grew], trimmed: [...trimmed], rights }, lastSeq }
    },
    close: () => records.close(),
  }
}

/** The keys of the moment, and the memory of handles that goes with them. */
interface KeyRing {
  now: { readonly keys: HandleKeys; readonly open: ReturnType<typeof knownHandles> }
  /** Takes the keys that the records have by now. */
  reload(): void
}

function keyRing(records: Records, processKey: Uint8Array): KeyRing {
  const current = (): KeyRing['now'] => {
    const keys: HandleKeys = { stored: records.keys(), process: processKey }
    return { keys, open: knownHandles(keys) }
  }
  const ring: KeyRing = {
    now: current(),
    reload() {
      ring.now = current()
    },
  }
  return ring
}

function stepOf(records: Records, ring: KeyRing, nowMs: number, changes: ChangeList): Step {
  return {
    records,
    get keys() {
      return ring.now.keys
    },
    open: (handle) => ring.now.open(handle),
    now: () => nowMs,
    tell(data, writer) {
      const seq = records.takeSeq()
      appendSystem(records, grantsLogPath, seq, { data, writer, atMs: nowMs })
      changes.grew.set(grantsLogPath, seq)
      return seq
    },
    grew: (path, head) => void changes.grew.set(path, head),
    trimmed: (path, seq) => void changes.trimmed.set(path, seq),
    rightsChanged: () => {
      changes.rights = true
    },
    keysChanged() {
      changes.rights = true
      ring.reload()
    },
  }
}

interface ChangeList {
  readonly grew: Map<string, number>
  readonly trimmed: Map<string, number>
  rights: boolean
}

function noChanges(): ChangeList {
  return { grew: new Map(), trimmed: new Map(), rights: false }
}

/** A refusal is an answer. Anything else (the disk, a damaged file, a fault of ours) ends the whole attempt. */
function answerOf(run: () => unknown): Answer {
  try {
    return { value: run() }
  } catch (error) {
    if (!(error instanceof GroveError) || attemptEnds.some((code) => isGroveError(error, code))) throw error
    return { error: toPlainError(error) }
  }
}

const attemptEnds = ['ERR_DATA_FORMAT', 'ERR_DATA_IO', 'ERR_FENCED', 'ERR_INTERNAL'] as const

function fenced(): GroveError {
  return new GroveError('ERR_FENCED', 'another grove has taken the store over', {
    hint: 'stop this one: what it writes would be lost',
  })
}
