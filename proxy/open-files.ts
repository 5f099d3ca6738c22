/**
 * How many connections a front takes, so that it never runs out of open files.
 *
 * A process that has no file left can neither read a page from the disk nor reach an upstream: then those who are
 * connected already get errors as well. So a part of the files is kept free for these.
 */

import { readFileSync } from 'node:fs'
import { limits } from '../core/limits.ts'

/** What a process has open before its first connection: sockets to other processes, the event loop, the log. */
const ownFiles = 64

/** Files kept free for pages and upstreams are a quarter of the rest. */
const connectionShare = 0.75

/** The most connections that a process takes which may open so many files. At least one, at most `limits.http.connectionsPerFront`. */
export function connectionsFor(openFiles: number): number {
  const most = Math.floor((openFiles - ownFiles) * connectionShare)
  return Math.min(limits.http.connectionsPerFront, Math.max(1, most))
}

/** How many files this process may open; infinite where the system does not tell. */
export function openFileLimit(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
  } catch {
    return Number.POSITIVE_INFINITY // Only Linux has it.
  }
}
