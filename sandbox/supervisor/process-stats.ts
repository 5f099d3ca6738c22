/** What the kernel says about a process: its memory and its CPU, from outside, where it cannot lie. */

import { readFileSync } from 'node:fs'

/** What a process holds and has used. */
export interface ProcessStats {
  readonly rssBytes: number
  /** User and system time of all its threads. */
  readonly cpuMs: number
}

/** The kernel counts CPU in hundredths of a second on every architecture that Linux tells user space about. */
const tickMs = 10

/** The kind of an entry of the auxiliary vector that tells the page size (getauxval(3): AT_PAGESZ). */
const auxPageSize = 6n

let pageBytes: number | undefined

/** The page size of this machine, as the kernel told this process when it started. */
function readPageBytes(): number {
  try {
    const entries = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= entries.length; at += 16)
      if (entries.readBigUInt64LE(at) === auxPageSize) return Number(entries.readBigUInt64LE(at + 8))
  } catch {
    // The usual size, then.
  }
  return 4_096
}

/**
 * The stats of a process, or undefined when it is gone or the system does not tell. Reads without waiting: these files
 * are memory, and a process that is watched by whoever also starts it cannot hold them up.
 */
export function readProcessStats(pid: number): ProcessStats | undefined {
  try {
    // The name is in parentheses and may hold anything, so fields are counted from the last one (proc_pid_stat(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    pageBytes ??= readPageBytes()
    // Fields 14 and 15 of the file are times, 24 is the resident size in pages; the first here is field 3.
    const ticks = Number(fields[11]) + Number(fields[12])
    const rssBytes = Number(fields[21]) * pageBytes
    if (!Number.isFinite(ticks) || !Number.isFinite(rssBytes)) return undefined
    return { cpuMs: ticks * tickMs, rssBytes }
  } catch {
    return undefined
  }
}
