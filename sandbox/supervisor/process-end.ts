/** Why a tenant process has ended: what its requests, its author and the count of kills are told. */

import { type LastWords, lastWordsPrefix, lastWordsSchema } from '../../core/last-words.ts'

/** Why a process ended. The first are in order; the others are the tenant's doing, and counted. */
export type EndReason =
  /** Nobody has asked for it for long. */
  | 'idle'
  /** Another has taken its place, and it has finished what it had. */
  | 'drained'
  /** Its site is deleted, or the supervisor ends. */
  | 'stopped'
  /** A bound: CPU, memory, time. */
  | 'cpu'
  | 'memory'
  | 'wall'
  /** It gave no sign of life, or did not come up. */
  | 'silent'
  /** It sent what no tenant may send. */
  | 'protocol'
  /** It ended by itself. */
  | 'crashed'

/** How a process ended. */
export interface ProcessEnd {
  readonly reason: EndReason
  /** One line for the log: which bound, its value. */
  readonly detail: string
}

/** What fronts are told: why requests under way have failed. */
export type EndCode = 'cpu' | 'memory' | 'wall' | 'killed' | 'crashed'

const orderly: ReadonlySet<EndReason> = new Set(['idle', 'drained', 'stopped'])

/** Whether an end is the tenant's doing. */
export function isKill({ reason }: ProcessEnd): boolean {
  return !orderly.has(reason)
}

/** The code that fronts are told. */
export function endCode({ reason }: ProcessEnd): EndCode {
  if (reason === 'cpu' || reason === 'memory' || reason === 'wall' || reason === 'crashed') return reason
  return 'killed'
}

/** What is known of a process that ended by itself. */
export interface OwnEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The end of what it said on standard error. */
  readonly errors: string
  /** Whether the kernel ended it for want of memory. */
  readonly ranOutOfMemory: boolean
}

/** What V8 and Node say when they abort for want of memory. */
const outOfMemory = /out of memory|allocation failed|heap limit|Array buffer allocation/i

/**
 * Why a process ended that nobody has ended. Its own words are believed as far as they go: they are about its own site,
 * and change nothing but what the author reads.
 */
export function endOf({ code, signal, errors, ranOutOfMemory }: OwnEnd): ProcessEnd {
  const words = lastWordsIn(errors)
  if (words && signal === 'SIGKILL') {
    const unit = words.reason === 'memory' ? 'bytes' : 'ms'
    return { reason: words.reason, detail: `${words.reason}: ${words.value} ${unit}, at most ${words.limit}` }
  }
  if (ranOutOfMemory) return { reason: 'memory', detail: 'the bound of its control group' }
  if (outOfMemory.test(errors)) return { reason: 'memory', detail: 'its heap is full' }
  return { reason: 'crashed', detail: `it ended with ${signal ?? `code ${code}`}` }
}

function lastWordsIn(errors: string): LastWords | undefined {
  const line = errors.split('\n').findLast((candidate) => candidate.startsWith(lastWordsPrefix))
  if (line === undefined) return undefined
  try {
    const parsed = lastWordsSchema.safeParse(JSON.parse(line.slice(lastWordsPrefix.length)))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
