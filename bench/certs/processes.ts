/** What the system says of processes: their processor time and their memory. Linux only. */

import { readdirSync, readFileSync } from 'node:fs'

/** Processor time that the threads that live of all processes of a group have used, in seconds, exact to microseconds. */
export function cpuSecondsOf(group: number): number {
  let ns = 0
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = read(`/proc/${entry}/stat`)
    // After the name, which may have spaces: state, parent, group.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[2]) === group) ns += nsOf(`/proc/${entry}/task`)
  }
  return ns / 1e9
}

function nsOf(threads: string): number {
  try {
    return readdirSync(threads).reduce((ns, id) => ns + Number(read(`${threads}/${id}/schedstat`).split(' ')[0]), 0)
  } catch {
    return 0 // It has ended since the folder was read.
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // As above.
  }
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
}
