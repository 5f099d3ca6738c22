/** What verifying a store finds. */

import { type ErrorCode, GroveError, toGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** Something that is not as it was written. */
export interface Fault {
  /** What it is about: a log, a site, a version, an object, a file. */
  readonly where: string
  readonly code: ErrorCode
  readonly problem: string
  /** What to do, one sentence. */
  readonly hint: string
}

/** How much was looked at. */
export interface VerifyCounts {
  logs: number
  entries: number
  grants: number
  sites: number
  versions: number
  segments: number
  /** Contents that are objects by themselves. */
  largeContents: number
  /** Frames of segments that were opened. */
  frames: number
  nodes: number
  roots: number
  /** Objects that no site and no root names: not a fault, they are removed in time. */
  unreferenced: number
  unreferencedBytes: number
  /** Files of the cache, and those that were sent and are not published. */
  cached: number
  uploads: number
  /** Of objects and files that were read. */
  bytes: number
}

/** What was found. */
export interface VerifyReport {
  readonly counts: Readonly<VerifyCounts>
  /** The first ones, at most `limits.verify.faults`. */
  readonly faults: readonly Fault[]
  readonly faultCount: number
}

/** How far a verification is. */
export interface VerifyProgress {
  readonly what: 'database' | 'logs' | 'sites' | 'objects' | 'cache'
  readonly done: number
  /** Undefined where that is known only at the end. */
  readonly of: number | undefined
  /** Read so far, of everything. */
  readonly bytes: number
}

/** A report in the making. */
export interface Findings {
  readonly counts: VerifyCounts
  add(fault: Fault): void
  /**
   * Takes an error as a fault, if it tells of damage. An error that says nothing of what is stored (a bucket that cannot
   * be reached) is thrown on: what was not looked at is not whole.
   */
  addError(where: string, error: unknown, hint: string): void
  report(): VerifyReport
}

const damage: ReadonlySet<ErrorCode> = new Set([
  'ERR_BAD_REQUEST',
  'ERR_BLOB_CORRUPT',
  'ERR_BLOB_MISSING',
  'ERR_DATA_FORMAT',
  'ERR_DATA_IO',
  'ERR_KEY_MISSING',
  'ERR_NOT_FOUND',
  'ERR_TOO_LARGE',
])

/** A report without findings. */
export function createFindings(): Findings {
  const faults: Fault[] = []
  let faultCount = 0
  const counts: VerifyCounts = {
    logs: 0,
    entries: 0,
    grants: 0,
    sites: 0,
    versions: 0,
    segments: 0,
    largeContents: 0,
    frames: 0,
    nodes: 0,
    roots: 0,
    unreferenced: 0,
    unreferencedBytes: 0,
    cached: 0,
    uploads: 0,
    bytes: 0,
  }
  const add = (fault: Fault) => {
    faultCount += 1
    if (faults.length < limits.verify.faults) faults.push(fault)
  }
  return {
    counts,
    add,
    addError(where, error, hint) {
      const { code, message } = toGroveError(error)
      if (!damage.has(code) && !isShort(error)) throw error
      add({ where, code, problem: message, hint })
    },
    report: () => ({ counts: { ...counts }, faults, faultCount }),
  }
}

/** Whether an object ends before the end that is named. */
function isShort(error: unknown): boolean {
  return error instanceof GroveError && error.code === 'ERR_OBJECTS' && error.details?.['reason'] === 'short'
}
