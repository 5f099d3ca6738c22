/**
 * Control groups: memory, processes and CPU of each tenant, bounded by the kernel.
 *
 * Grove takes no group that it was not given. Under version 2 these are: the one that is named in its options, its own
 * if it is free to divide it, and, where systemd has put it into a subgroup of its own unit (`Delegate=yes`,
 * `DelegateSubgroup=`), the unit's. Under version 1, where nothing says what is given, only the one that is named.
 */

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Capability } from '../../core/supervisor-messages.ts'

/** Bounds of one group. */
export interface GroupBounds {
  readonly memoryBytes: number
  readonly threads: number
}

/** The group of one tenant. */
export interface ResourceGroup {
  /** Puts a process into it. Answers whether that worked. */
  add(pid: number): boolean
  /** Whether the kernel has ended a process in it for want of memory. */
  readonly ranOutOfMemory: boolean
  /** Takes the group away; its processes must be gone. */
  remove(): void
}

/** Where groups are made. */
export interface ResourceGroups {
  readonly row: Capability
  /** A group for one tenant; undefined where there are none, or it cannot be made. */
  make(name: string, bounds: GroupBounds): ResourceGroup | undefined
}

/** What is needed to find groups. */
export interface ResourceOptions {
  /** A group that Grove was given, from the root of the hierarchies: `/grove`. `off` for none. */
  readonly group?: string | undefined
  /** Where control groups are mounted. @default /sys/fs/cgroup */
  readonly mount?: string | undefined
  /** The group that this process is in, as `/proc/self/cgroup` tells it. */
  readonly own?: string | undefined
}

const rowName = 'control groups'

/** Microseconds of CPU in so many microseconds: one core and a half. */
const cpuPeriod = 100_000
const cpuQuota = 150_000
const cpuWeight = 40
const cpuShares = 400

/** Finds out whether groups can be made, by making one and taking it away again. */
export function findResourceGroups(options: ResourceOptions = {}): ResourceGroups {
  const mount = options.mount ?? '/sys/fs/cgroup'
  if (options.group === 'off') return noGroups('switched off')
  const isVersion2 = read(join(mount, 'cgroup.controllers')) !== undefined
  const groups = isVersion2 ? findVersion2(mount, options) : findVersion1(mount, options)
  if (groups) {
    const trial = groups.make(`trial-${process.pid}`, { memoryBytes: 2 ** 28, threads: 64 })
    trial?.remove()
    if (trial) return groups
  }
  return noGroups(
    isVersion2
      ? 'Grove has no control group of its own to divide; docs/sandbox.md says how systemd gives one'
      : 'control groups of version 1 are used only if one is named',
  )
}

function noGroups(why: string): ResourceGroups {
  return {
    row: {
      name: rowName,
      holds: false,
      why: `memory and CPU are watched by Grove, and not bounded by the kernel (${why})`,
    },
    make: () => undefined,
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text)
    return true
  } catch {
    return false
  }
}

function findVersion2(mount: string, { group, own }: ResourceOptions): ResourceGroups | undefined {
  for (const folder of version2Folders(mount, group, own)) {
    if (!/\bmemory\b/.test(read(join(folder, 'cgroup.controllers')) ?? '')) continue
    // Refused while processes are in the group itself: then it is not free to be divided.
    for (const controller of ['cpu', 'pids', 'memory']) write(join(folder, 'cgroup.subtree_control'), `+${controller}`)
    if (!/\bmemory\b/.test(read(join(folder, 'cgroup.subtree_control')) ?? '')) continue
    return {
      row: { name: rowName, holds: true, why: `the kernel bounds memory, threads and CPU of each tenant in ${folder}` },
      make: (name, bounds) => makeVersion2(join(folder, `grove-${name}`), bounds),
    }
  }
  return undefined
}

function version2Folders(mount: string, group: string | undefined, own: string | undefined): string[] {
  if (group !== undefined) return [join(mount, group)]
  const path = (own ?? read('/proc/self/cgroup') ?? '')
    .split('\n')
    .find((line) => line.startsWith('0::'))
    ?.slice(3)
  if (path === undefined) return []
  const isUnit = /\.(?:service|scope)$/.test(basename(dirname(path)))
  return [join(mount, path), ...(isUnit ? [join(mount, dirname(path))] : [])]
}

function makeVersion2(folder: string, { memoryBytes, threads }: GroupBounds): ResourceGroup | undefined {
  if (!makeFolder(folder)) return undefined
  const isBounded = write(join(folder, 'memory.max'), String(memoryBytes))
  // Without swap a bound on memory is one on time too. These controllers are not everywhere.
  write(join(folder, 'memory.swap.max'), '0')
  write(join(folder, 'memory.oom.group'), '1')
  write(join(folder, 'pids.max'), String(threads))
  write(join(folder, 'cpu.max'), `${cpuQuota} ${cpuPeriod}`)
  write(join(folder, 'cpu.weight'), String(cpuWeight))
  const group = groupOf([folder], () => /^oom_kill [1-9]/m.test(read(join(folder, 'memory.events')) ?? ''))
  if (isBounded) return group
  group.remove()
  return undefined
}

function findVersion1(mount: string, { group }: ResourceOptions): ResourceGroups | undefined {
  if (group === undefined) return undefined
  const folders = ['memory', 'pids', 'cpu']
    .map((controller) => join(mount, controller, group))
    .filter((folder) => makeFolder(folder))
  if (folders.length === 0) return undefined
  return {
    row: { name: rowName, holds: true, why: `the kernel bounds each tenant in ${folders.join(', ')}` },
    make: (name, bounds) => makeVersion1(folders, `grove-${name}`, bounds),
  }
}

function makeVersion1(
  parents: readonly string[],
  name: string,
  { memoryBytes, threads }: GroupBounds,
): ResourceGroup | undefined {
  const folders = parents.map((parent) => join(parent, name)).filter((folder) => makeFolder(folder))
  if (folders.length < parents.length) return undefined
  for (const folder of folders) {
    // Each file is there in one hierarchy only; the others refuse it.
    write(join(folder, 'memory.limit_in_bytes'), String(memoryBytes))
    // With swap, where the kernel counts it: else what is over the bound goes there.
    write(join(folder, 'memory.memsw.limit_in_bytes'), String(memoryBytes))
    write(join(folder, 'pids.max'), String(threads))
    write(join(folder, 'cpu.cfs_period_us'), String(cpuPeriod))
    write(join(folder, 'cpu.cfs_quota_us'), String(cpuQuota))
    write(join(folder, 'cpu.shares'), String(cpuShares))
  }
  return groupOf(folders, () =>
    folders.some((folder) => /^oom_kill [1-9]/m.test(read(join(folder, 'memory.oom_control')) ?? '')),
  )
}

function groupOf(folders: readonly string[], ranOut: () => boolean): ResourceGroup {
  return {
    add: (pid) => folders.every((folder) => write(join(folder, 'cgroup.procs'), String(pid))),
    get ranOutOfMemory() {
      return ranOut()
    },
    remove: () => {
      for (const folder of folders)
        try {
          rmdirSync(folder)
        } catch {
          // A process in it is not quite gone. The next supervisor finds it empty, and it costs nothing.
        }
    },
  }
}

function makeFolder(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true })
    return true
  } catch {
    return false
  }
}
