/** Grove with site code, workerd, and workerd behind Grove, each on the first core. */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { accepts } from '../../test/e2e/harness.ts'
import { workerText } from './handlers.ts'

const root = join(import.meta.dirname, '../..')
const workerdVersion = '1.20261117.1'

/** The ports that are used: of the Grove with code, of the one before workerd, and of workerd. */
export const ports = { grove: 19443, groveBefore: 19444, workerd: 18787 } as const

/** Runs a program on one core; -1: on all. */
export function onCore(core: number, command: readonly string[]): string[] {
  return core === -1 ? [...command] : ['taskset', '-c', String(core), ...command]
}

/** The program of workerd; installed from npm the first time, outside the project: it is 155 MB and only for this. */
export function workerd(): { readonly program: string; readonly version: string } {
  const folder = join(homedir(), '.cache', `grove-bench-workerd-${workerdVersion}`)
  const program = join(folder, 'node_modules/@cloudflare/workerd-linux-64/bin/workerd')
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true })
    execFileSync('npm', ['i', '--silent', '--prefix', folder, `workerd@${workerdVersion}`], { stdio: 'inherit' })
  }
  return { program, version: workerdVersion }
}

/** A server that runs. Disposing of it ends it and all that it has started. */
export interface Running extends AsyncDisposable {
  readonly pid: number
}

async function start(command: readonly string[], port: number): Promise<Running> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], detached: true })
  for (let tries = 0; !(await accepts(port)); tries += 1) {
    if (tries > 400 || child.exitCode !== null) throw new Error(`${program} does not listen on ${port}`)
    await pause(50)
  }
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      process.kill(-(child.pid ?? 0), 'SIGTERM')
      await ended
    },
  }
}

/** Starts workerd on a core. */
export async function startWorkerd(folder: string, core = 0): Promise<Running> {
  writeFileSync(join(folder, 'worker.js'), workerText)
  const config = join(folder, 'config.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .w) ],
  sockets = [ (name = "http", address = "127.0.0.1:${ports.workerd}", http = (), service = "main") ],
);
const w :Workerd.Worker = (
  modules = [ (name = "worker", esModule = embed "worker.js") ],
  compatibilityDate = "2026-06-01",
);
`,
  )
  return start(onCore(core, [workerd().program, 'serve', config]), ports.workerd)
}

/** Sites of a Grove, by name: files by path, or servers. */
export type Sites = Readonly<
  Record<
    string,
    {
      readonly files?: Readonly<Record<string, string>>
      readonly upstreams?: string[]
      /** Other names: wrk resolves the name that it asks, and few systems know of names below localhost. */
      readonly authorities?: string[]
    }
  >
>

/** Starts Grove with one front on a core, and publishes its sites. */
export async function startGrove(
  folder: string,
  sites: Sites,
  {
    core = 0,
    port = ports.grove,
    sandbox = {},
  }: {
    readonly core?: number | undefined
    readonly port?: number
    readonly sandbox?: Record<string, unknown>
  } = {},
): Promise<Running> {
  const configFile = join(folder, 'grove.config.json')
  const configured = Object.entries(sites).filter(([, { upstreams, authorities }]) => upstreams ?? authorities)
  writeFileSync(
    configFile,
    JSON.stringify({
      listen: { https: port, http: false },
      fronts: 1,
      log: { access: false, level: 'warn' },
      sites: Object.fromEntries(configured.map(([name, { files, ...site }]) => [name, site])),
      ...(Object.keys(sandbox).length > 0 && { sandbox }),
    }),
  )
  const grove = [process.execPath, join(root, 'bin/grove.js')]
  const serve = [...grove, 'serve', '--config', configFile]
  const running = await start(onCore(core, serve), port)
  for (const [name, { files }] of Object.entries(sites)) {
    if (!files) continue
    const site = join(folder, 'sites', name)
    mkdirSync(site, { recursive: true })
    for (const [path, text] of Object.entries(files)) writeFileSync(join(site, path), text)
    const [program = '', ...args] = [...grove, 'publish', site, '--site', name, '--config', configFile]
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  return running
}
