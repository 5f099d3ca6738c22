/**
 * What a tenant process leaves behind. Node denies it to start others; one that was taken over may have done it all the
 * same, and what it has started lives on when it is killed. An account of its own is how all of these are found.
 */

import { readdir, readFile } from 'node:fs/promises'

/** How often it is looked: what is found may start another while it is being killed, but each time fewer can. */
const rounds = 5

/**
 * Kills every process of an account. Resolves with how many were found; rejects never. When some are still there at the
 * end, `isClean` is false: nobody is to get that account.
 */
export async function endStragglers(uid: number): Promise<{ found: number; isClean: boolean }> {
  let found = 0
  for (let round = 0; round < rounds; round++) {
    const pids = await processesOf(uid)
    if (pids.length === 0) return { found, isClean: true }
    found += pids.length
    for (const pid of pids) tryKill(pid)
  }
  return { found, isClean: (await processesOf(uid)).length === 0 }
}

/** Kills a process, or a group of them by its negative number. */
export function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}

/** Processes whose real, effective, saved or file-system account is this one. Those that are dead and not yet buried are none. */
async function processesOf(uid: number): Promise<readonly number[]> {
  return (await look()).get(uid) ?? []
}

let looking: Promise<Processes> = Promise.resolve(new Map())
let next: Promise<Processes> | undefined

/** Living processes by account. */
type Processes = ReadonlyMap<number, readonly number[]>

/** A look at all processes that begins after this call. Who asks while one is going on shares the next: many end together. */
function look(): Promise<Processes> {
  next ??= looking.then(() => {
    next = undefined
    looking = lookNow()
    return looking
  })
  return next
}

async function lookNow(): Promise<Processes> {
  const found = new Map<number, number[]>()
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    // The owner of the folder would not do: a process can make root its owner (PR_SET_DUMPABLE).
    const status = await readFile(`/proc/${name}/status`, 'latin1').catch(() => '')
    if (/^State:\tZ/m.test(status)) continue
    const uids = /^Uid:\t(.*)$/m.exec(status)?.[1]?.split('\t') ?? []
    for (const uid of new Set(uids.map(Number))) {
      const known = found.get(uid)
      if (known) known.push(pid)
      else found.set(uid, [pid])
    }
  }
  return found
}
