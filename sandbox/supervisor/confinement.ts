/**
 * Finds out what confines tenant processes on this machine, by trying each thing: a layer counts when a process that
 * was started with it, and with all layers before it, is seen to be confined. Nothing is believed because a tool says
 * yes or because of who the user is.
 *
 * Without any layer tenants still run, under Node's permission model alone, which is a seat belt and no wall: the rows
 * say so plainly, at start and in `grove status`.
 */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { sep } from 'node:path'
import { limits } from '../../core/limits.ts'
import type { Capability } from '../../core/supervisor-messages.ts'
import { bareLaunch, confine, type LaunchPlan, nodeFlags } from './launch-line.ts'

/** What is needed to try things. */
export interface ConfinementOptions {
  /** Files and folders that a tenant's program consists of. */
  readonly readable: readonly string[]
  /** Modules that a tenant must be able to load, as absolute paths. */
  readonly modules: readonly string[]
  /** Folders that no tenant should see whatever else is hidden: the data folder. */
  readonly secret: readonly string[]
  /** Where accounts begin, instead of where Grove looks by itself. */
  readonly firstUid?: number
}

/** What confines tenant processes: for people, and for starting them. */
export interface Confinement {
  readonly rows: readonly Capability[]
  readonly plan: LaunchPlan
}

/**
 * Programs that hold secrets keep them here, and what everybody may write to lies here; what a tenant's own program lies
 * in is left out. A file in /dev/shm can be made by anybody even where none may be written, and outlives its maker.
 */
const hideable = ['/home', '/root', '/run', '/tmp', '/dev/shm', '/var', '/srv', '/mnt', '/media']

/**
 * Accounts of tenants lie where no system gives any to anybody: above those of containers, below 2^31. Each supervisor has a
 * range of its own by its process id, because two of them with the same accounts would end each other's processes.
 */
const accounts = { first: 1_880_000_000, each: 2_048, ranges: 130_000 }

/** In a container that has only 65,536 accounts: some of its last. There is place for one supervisor. */
const lastAccounts = 65_000

/** Where the accounts of this supervisor begin, the better place first. */
function uidStarts(): number[] {
  return [accounts.first + (process.pid % accounts.ranges) * accounts.each, lastAccounts]
}

/** Tells what confines it: what the kernel says of the process, its networks, its bounds, and what is in folders. */
const probeScript = `cat /proc/self/status /proc/net/dev /proc/self/limits && echo probe-folders && for d in "$@"; do ls -A "$d" 2>/dev/null; done; true`

interface Seen {
  readonly ok: boolean
  readonly text: string
  /** Why it failed: the last line that was said. */
  readonly fault: string
}

/** Runs a command under a plan and collects what it says, at most 64 KiB. Never rejects. */
function run(plan: LaunchPlan, command: readonly string[]): Promise<Seen> {
  const [file, ...args] = confine(plan, 0, command)
  return new Promise((resolve) => {
    let text = ''
    let errors = ''
    const child = spawn(file as string, args, {
      cwd: '/',
      env: {},
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limits.sandboxProcess.probeMs,
      killSignal: 'SIGKILL',
    })
    child.stdout.on('data', (piece: Buffer) => {
      if (text.length < 65_536) text += piece.toString('utf8')
    })
    child.stderr.on('data', (piece: Buffer) => {
      if (errors.length < 65_536) errors += piece.toString('utf8')
    })
    const fault = (fallback: string) => faultIn(errors)?.slice(0, 300) ?? fallback
    child.on('error', (error) => resolve({ ok: false, text, fault: error.message }))
    child.on('close', (code, signal) =>
      resolve({ ok: code === 0, text, fault: fault(`it ended with ${signal ?? code}`) }),
    )
  })
}

/** The line of what was said on standard error that tells why: that of an error of Node, or the last one. */
function faultIn(errors: string): string | undefined {
  const lines = errors.trim().split('\n')
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? (lines.at(-1) || undefined)
}

/** One thing that may confine: how, and how it is seen that it does. */
interface Layer {
  readonly name: string
  /** Plans with it, the better one first. */
  readonly add: (plan: LaunchPlan) => readonly LaunchPlan[]
  readonly check: (text: string, plan: LaunchPlan) => boolean
  readonly holds: string
  /** What is missing without it. */
  readonly without: string
}

const field = (text: string, name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(text)?.[1]?.trim()

function layersOf(options: ConfinementOptions): Layer[] {
  const hidden = foldersToHide(options)
  const isRoot = process.getuid?.() === 0
  return [
    {
      name: 'network',
      add: (plan) => [...(isRoot ? [{ ...plan, namespaces: 'root' as const }] : []), { ...plan, namespaces: 'user' }],
      // Two lines of heading, then one for each interface: only its own loopback, which is down.
      check: (text) => [...text.matchAll(/^\s*([^\s:|]+):(?:\s+\d+){16}\s*$/gm)].every(([, name]) => name === 'lo'),
      holds: 'a network namespace with nothing in it',
      without: 'only Node itself keeps a tenant from the network',
    },
    {
      name: 'files',
      add: (plan) => (plan.namespaces ? [{ ...plan, hidden }] : []),
      check: (text) => text.split('probe-folders\n')[1]?.trim() === '',
      holds: `the data folder is out of sight${hidden.length > 1 ? `, and so are ${othersOf(hidden)}` : ''}`,
      without: 'a tenant that got out of Node would see the files that its account may read',
    },
    {
      name: 'account',
      add: (plan) =>
        isRoot ? (options.firstUid ? [options.firstUid] : uidStarts()).map((firstUid) => ({ ...plan, firstUid })) : [],
      check: (text, { firstUid }) =>
        field(text, 'Uid')
          ?.split(/\s+/)
          .every((uid) => uid === String(firstUid)) === true && field(text, 'Groups') === '',
      holds: 'each tenant runs as an account of its own, which owns nothing',
      without: "tenants run as Grove's own account; only root can give each its own",
    },
    {
      name: 'privileges',
      add: (plan) => [
        { ...plan, privileges: 'none' },
        { ...plan, privileges: 'no-new' },
      ],
      check: (text, { privileges }) =>
        field(text, 'NoNewPrivs') === '1' && (privileges === 'no-new' || /^0+$/.test(field(text, 'CapBnd') ?? '')),
      holds: 'no privileges, and no way to any',
      without: 'a program with the setuid bit could give a tenant privileges',
    },
    {
      name: 'bounds',
      add: (plan) => [{ ...plan, bounds: true }],
      check: (text) => /^Max core file size\s+0\s+0\s/m.test(text) && /^Max file size\s+0\s+0\s/m.test(text),
      holds: 'no core dumps, no writing to files, few open files',
      without: 'a crash of a tenant may leave a core dump with what was in its memory',
    },
    {
      name: 'addresses',
      add: (plan) => (plan.bounds ? [{ ...plan, addressBytes: limits.sandboxProcess.addressBytes }] : []),
      check: (text, { addressBytes }) => new RegExp(`^Max address space\\s+${addressBytes}\\s`, 'm').test(text),
      holds: `at most ${limits.sandboxProcess.addressBytes / 2 ** 30} GiB of address space`,
      without: 'address space is not bounded, only what is used of it',
    },
    {
      name: 'orphans',
      add: (plan) => [{ ...plan, endsWithParent: true }],
      check: () => true,
      holds: 'a tenant ends with its supervisor, whatever happens to that',
      without: 'a tenant ends with its supervisor only by itself, when its link is gone',
    },
  ]
}

const othersOf = (hidden: readonly string[]) => hidden.slice(1).join(', ')

/** Folders to hide, the secret ones first; none that something needed lies in, none that lies in another. */
function foldersToHide({ readable, modules, secret }: ConfinementOptions): string[] {
  const needed = [process.execPath, ...readable, ...modules]
  const chosen: string[] = []
  for (const folder of [...secret, ...hideable]) {
    if (!existsSync(folder) || needed.some((path) => isWithin(path, folder))) continue
    if (!chosen.some((other) => isWithin(folder, other))) chosen.push(folder)
  }
  return chosen
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

/** Tries everything. Takes some tenths of a second. Rejects never; a machine on which nothing holds gets rows that say so. */
export async function findConfinement(options: ConfinementOptions): Promise<Confinement> {
  const rows: Capability[] = []
  let plan = bareLaunch
  for (const layer of process.platform === 'linux' ? layersOf(options) : []) {
    const { chosen, fault } = await tryLayer(layer, plan)
    if (chosen) plan = chosen
    rows.push({
      name: layer.name,
      holds: chosen !== undefined,
      why: chosen ? layer.holds : `${layer.without} (${fault})`,
    })
  }
  if (process.platform !== 'linux')
    rows.push({ name: 'system', holds: false, why: 'the layers of the operating system are there on Linux only' })
  return settle(plan, rows, options)
}

async function tryLayer(layer: Layer, plan: LaunchPlan): Promise<{ chosen?: LaunchPlan; fault: string }> {
  let fault = 'it needs root or another layer'
  for (const candidate of layer.add(plan)) {
    const seen = await run(candidate, ['sh', '-c', probeScript, 'sh', ...candidate.hidden])
    if (seen.ok && layer.check(seen.text, candidate)) return { chosen: candidate, fault: '' }
    fault = seen.ok ? 'it was started, and was not confined' : seen.fault
  }
  return { fault }
}

/** What is given up, one by one, when Node itself does not run under all of a plan. */
const sacrifices: readonly (readonly [string, (plan: LaunchPlan) => LaunchPlan])[] = [
  ['addresses', (plan) => ({ ...plan, addressBytes: undefined })],
  ['account', (plan) => ({ ...plan, firstUid: undefined })],
  ['files', (plan) => ({ ...plan, hidden: [] })],
  ['bounds', (plan) => ({ ...plan, bounds: false, addressBytes: undefined })],
  ['network', (plan) => ({ ...plan, namespaces: undefined, hidden: [] })],
]

/** Runs Node under the plan: what the tools allow is of no use if a tenant cannot read its own program then. */
async function settle(full: LaunchPlan, rows: Capability[], options: ConfinementOptions): Promise<Confinement> {
  let plan = full
  let seen = await probeNode(plan, options)
  for (const [name, give] of seen.ok ? [] : sacrifices) {
    const smaller = give(full)
    const tried = await probeNode(smaller, options)
    if (!tried.ok) continue
    const row = rows.findIndex((candidate) => candidate.name === name)
    if (row !== -1) rows[row] = { name, holds: false, why: `a tenant's program does not run with it: ${seen.fault}` }
    plan = smaller
    seen = tried
    break
  }
  if (!seen.ok) {
    const why = `a tenant's program does not run with the layers of this system: ${seen.fault}`
    for (const [index, { name }] of rows.entries()) rows[index] = { name, holds: false, why }
    plan = bareLaunch
    seen = await probeNode(plan, options)
  }
  rows.push(permissionRow(seen))
  return { rows, plan }
}

function probeNode(plan: LaunchPlan, { readable, modules }: ConfinementOptions): Promise<Seen> {
  const program = `${import.meta.dirname}${sep}probe-tenant.${import.meta.filename.endsWith('.ts') ? 'ts' : 'js'}`
  return run(plan, [process.execPath, ...nodeFlags({ readable: [...readable, program] }), program, ...modules])
}

function permissionRow(seen: Seen): Capability {
  const name = 'permissions'
  if (!seen.ok) return { name, holds: false, why: `a tenant's program does not run at all: ${seen.fault}` }
  const open = field(seen.text, 'open') ?? 'unknown'
  if (open === '') return { name, holds: true, why: 'Node denies files, network and processes' }
  return { name, holds: false, why: `Node does not deny ${open}` }
}
