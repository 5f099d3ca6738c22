/**
 * The command line of a tenant process: what confines it, from the outside in, and then Node.
 *
 * `unshare` gives namespaces of its own (network, System V IPC, mounts), a line of shell hides folders, `prlimit` sets
 * bounds that the kernel keeps, `setpriv` gives up every privilege and takes an account that owns nothing, and Node's own
 * permission model denies files, network and processes to what runs in it. Each of them `exec`s the next, so the
 * process that was started is the tenant itself. Which of them a machine has is found out in confinement.ts.
 */

import { limits } from '../../core/limits.ts'

/** What confines tenant processes on this machine. */
export interface LaunchPlan {
  /** Namespaces of their own: made as root, or within a user namespace. */
  readonly namespaces: 'root' | 'user' | undefined
  /** Folders that they see empty; only with namespaces. */
  readonly hidden: readonly string[]
  /** The first of the accounts that tenants get, each one of its own. */
  readonly firstUid: number | undefined
  /** Whether all privileges can be given up, or only the way to new ones. */
  readonly privileges: 'none' | 'no-new' | undefined
  /** Whether they end when the supervisor does, however it ends. */
  readonly endsWithParent: boolean
  /** Bounds that the kernel keeps: files, core dumps, what is written; and the address space. */
  readonly bounds: boolean
  readonly addressBytes: number | undefined
}

/** The plan that confines nothing but by Node itself. */
export const bareLaunch: LaunchPlan = {
  namespaces: undefined,
  hidden: [],
  firstUid: undefined,
  privileges: undefined,
  endsWithParent: false,
  bounds: false,
  addressBytes: undefined,
}

/** Hides so many folders, then becomes the rest of its arguments. An empty folder of no size lies over each. */
const hideScript = `n=$1; shift
while [ "$n" -gt 0 ]; do mount -t tmpfs -o ro,size=4k,mode=000 none "$1" || exit 125; shift; n=$((n - 1)); done
exec "$@"`

/** All that a tenant finds in its environment: one arena for all threads, which saves megabytes in each process (glibc). */
const environment = ['MALLOC_ARENA_MAX=1']

/**
 * A command line under a plan. `account` counts from 0: the account of the plan that the process gets. The command is
 * told nothing of the environment, whatever the tools before it were told.
 */
export function confine(plan: LaunchPlan, account: number, command: readonly string[]): string[] {
  const layers = [...namespaceLine(plan), ...hideLine(plan), ...boundLine(plan), ...privilegeLine(plan, account)]
  return [...layers, 'env', '-i', ...environment, ...command]
}

function namespaceLine({ namespaces, hidden }: LaunchPlan): string[] {
  if (!namespaces) return []
  const user = namespaces === 'user' ? ['--user', '--map-root-user'] : []
  return ['unshare', ...user, '--net', '--ipc', ...(hidden.length > 0 ? ['--mount'] : []), '--']
}

function hideLine({ namespaces, hidden }: LaunchPlan): string[] {
  if (!namespaces || hidden.length === 0) return []
  return ['sh', '-c', hideScript, 'sh', String(hidden.length), ...hidden]
}

function boundLine({ bounds, addressBytes, firstUid }: LaunchPlan): string[] {
  if (!bounds) return []
  const { files, threads } = limits.sandboxProcess
  return [
    'prlimit',
    '--core=0',
    '--fsize=0',
    `--nofile=${files}`,
    '--memlock=65536',
    '--msgqueue=0',
    // Counted for all processes of an account: only where each has its own.
    ...(firstUid === undefined ? [] : [`--nproc=${threads}`]),
    ...(addressBytes === undefined ? [] : [`--as=${addressBytes}`]),
    '--',
  ]
}

function privilegeLine({ privileges, firstUid, endsWithParent }: LaunchPlan, account: number): string[] {
  const flags: string[] = []
  if (firstUid !== undefined)
    flags.push('--reuid', String(firstUid + account), '--regid', String(firstUid + account), '--clear-groups')
  if (privileges) flags.push('--no-new-privs')
  if (privileges === 'none') flags.push('--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all')
  if (endsWithParent) flags.push('--pdeathsig', 'KILL')
  return flags.length > 0 ? ['setpriv', ...flags, '--'] : []
}

/** What Node is told for a tenant process. */
export interface NodeFlagsOptions {
  /** Files and folders that it may read: its own program, and nothing else. */
  readonly readable: readonly string[]
}

/**
 * Flags of Node and V8 for a tenant process. `--no-node-snapshot` is what isolated-vm asks for; the WebAssembly bounds
 * hold for every isolate; without the trap handler a WebAssembly memory takes no more addresses than its own size; a
 * regular expression that backtracks too much goes on in an engine of linear time.
 */
export function nodeFlags({ readable }: NodeFlagsOptions): string[] {
  return [
    '--no-node-snapshot',
    '--permission',
    '--allow-addons',
    '--allow-worker',
    ...readable.map((path) => `--allow-fs-read=${path}`),
    '--disable-sigusr1',
    '--disable-warning=SecurityWarning',
    '--disable-wasm-trap-handler',
    '--max-old-space-size=64',
    '--max-semi-space-size=2',
    '--wasm-max-mem-pages=1024',
    '--wasm-max-table-size=100000',
    '--wasm-max-module-size=8388608',
    '--wasm-max-committed-code-mb=128',
    '--enable-experimental-regexp-engine-on-excessive-backtracks',
  ]
}
