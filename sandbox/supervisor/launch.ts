/** Starting tenant processes: confined as the machine allows, with their links as the only way in and out. */

import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { setPriority } from 'node:os'
import type { Readable } from 'node:stream'
import { limits } from '../../core/limits.ts'
import { confine, type LaunchPlan, nodeFlags } from './launch-line.ts'
import type { ResourceGroup, ResourceGroups } from './resources.ts'
import { endStragglers, tryKill } from './stragglers.ts'

/** What a launcher is made with. */
export interface LauncherOptions {
  readonly plan: LaunchPlan
  readonly groups: ResourceGroups
  /** The program, an absolute path. It gets the number of its links with fronts as its argument. */
  readonly entry: string
  /** Files and folders that it may read. */
  readonly readable: readonly string[]
  /** How many processes there can be: each account is one process's. */
  readonly accounts: number
}

/** A process that was started. */
export interface Launched {
  readonly child: ChildProcess
  readonly pid: number
  /** Our end of its file descriptor 3. */
  readonly link: Socket
  /** What it says before it dies. */
  readonly errors: Readable
  readonly group: ResourceGroup | undefined
  /** Ends it, and whatever is in its group of processes. */
  kill(): void
  /** Ends what it has left behind, and gives back what it had, once it is gone. Resolves with how many were found. */
  release(): Promise<number>
}

/** Starts processes. */
export interface Launcher {
  /**
   * Starts one with these sockets as its file descriptors 4, 5, …; our copies of them are closed. `name` is unique and
   * fit for a folder. Throws what the system says; the sockets are closed then too.
   */
  launch(name: string, links: readonly Socket[], memoryBytes: number): Launched
}

/** Below fronts and control for CPU, above nothing; and the first to go when the machine has no memory left. */
const niceness = 5
const outOfMemoryScore = '1000'

/** Room above the process's own bound on memory, so that Grove, which can say why, ends it before the kernel does. */
const groupHeadroom = 1.25

/** What is left behind where tenants have no accounts of their own: what cannot be found. */
const nobody = { found: 0, isClean: true }

/** Accounts that are in use, by where they begin: launchers of one process share them. */
const accountsInUse = new Map<number | undefined, Set<number>>()

function takenFrom(firstUid: number | undefined): Set<number> {
  const known = accountsInUse.get(firstUid)
  if (known) return known
  const made = new Set<number>()
  accountsInUse.set(firstUid, made)
  return made
}

/** Makes a launcher. */
export function createLauncher({ plan, groups, entry, readable, accounts }: LauncherOptions): Launcher {
  const taken = takenFrom(plan.firstUid)

  function takeAccount(): number {
    let account = 0
    while (taken.has(account)) account += 1
    if (account >= accounts) throw new Error(`more than ${accounts} tenant processes`)
    taken.add(account)
    return account
  }

  function begin(account: number, name: string, links: readonly Socket[], memoryBytes: number): Launched {
    const command = [process.execPath, ...nodeFlags({ readable }), entry, String(links.length)]
    const child = start(confine(plan, account, command), links)
    const bounds = { memoryBytes: memoryBytes * groupHeadroom, threads: limits.sandboxProcess.threads }
    const group = groups.make(name, bounds)
    group?.add(child.pid)
    lower(child.pid)
    const kill = () => {
      // While it is not buried, its number is nobody else's.
      if (child.child.kill('SIGKILL')) tryKill(-child.pid)
    }
    const release = async () => {
      const { firstUid } = plan
      const { found, isClean } = firstUid === undefined ? nobody : await endStragglers(firstUid + account)
      if (isClean) taken.delete(account)
      group?.remove()
      return found
    }
    return { ...child, group, kill, release }
  }

  return {
    launch(name, links, memoryBytes) {
      try {
        const account = takeAccount()
        try {
          return begin(account, name, links, memoryBytes)
        } catch (error) {
          taken.delete(account)
          throw error
        }
      } finally {
        for (const socket of links) socket.destroy()
      }
    },
  }
}

function start(line: readonly string[], links: readonly Socket[]) {
  const [file, ...args] = line
  const child = spawn(file as string, args, {
    cwd: '/',
    // The tools of the line are found where the system has them by default.
    env: {},
    // A session of its own: Ctrl-C at the terminal is for serve, which ends everything in order.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', ...links],
  })
  const { pid, stderr } = child
  const link = child.stdio[3]
  if (pid === undefined || !stderr || !link) {
    child.on('error', () => {}) // It is thrown here; the event comes later.
    throw new Error(`${file} cannot be started`)
  }
  return { child, pid, link: link as unknown as Socket, errors: stderr }
}

/** What can be done to a process from outside. Each may be refused, and is no promise. */
function lower(pid: number): void {
  for (const step of [
    () => setPriority(pid, niceness),
    () => writeFileSync(`/proc/${pid}/oom_score_adj`, outOfMemoryScore),
  ])
    try {
      step()
    } catch {
      // It is gone already, or this system does not have it.
    }
}
