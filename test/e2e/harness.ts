/** A whole Grove for tests: `grove serve` as real processes in a folder of its own, and visitors that come over TLS. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { createAdminClient } from '../../cli/admin-client.ts'
import type { Status } from '../../core/admin-api.ts'
import { Visitor } from './visitor.ts'

const root = join(import.meta.dirname, '../..')

/** What a Grove of a test is started with. */
export interface HarnessOptions {
  /** The config besides `data`, `domain` and `listen`; plain JSON. */
  readonly config?: Record<string, unknown>
  /** Plugins as an expression list over `grove`, the public API: `grove.loginPassword()`. */
  readonly plugins?: string
  /** Members of the config that are no JSON, as code over `grove`: `certs: { dns: grove.execDns({ … }) }`. */
  readonly code?: string
  /** The program. Default: this clone's. */
  readonly command?: readonly string[]
  /** The folder from whose package the config takes the public API. Default: this clone. */
  readonly from?: string
  /** More for the environment of the processes. */
  readonly env?: NodeJS.ProcessEnv
}

/** What a command of the command line did. */
export interface CommandResult {
  readonly exitCode: number | null
  readonly out: string
  readonly err: string
}

/** What `grove publish --json` says. */
export interface PublishAnswer {
  readonly site: string
  readonly version: number
  readonly unchanged: boolean
  readonly added: number
  readonly changed: number
  readonly removed: number
  readonly files: number
  readonly sentContents: number
  readonly sentBytes: number
  readonly urls: readonly string[]
  readonly receipts: readonly { plugin: string; action: string; details?: Record<string, unknown> }[]
  readonly pending: readonly { plugin: string; attempts: number; error?: string }[]
}

/** Starts Grove and resolves when it serves. What is left of it is killed and its folder removed after the test. */
export async function startGrove(t: Test, options: HarnessOptions = {}): Promise<Harness> {
  const folder = mkdtempSync(join(tmpdir(), 'grove-e2e-'))
  const harness = new Harness(folder, options)
  t.teardown(async () => {
    await harness.kill()
    if (!t.passing()) t.comment(harness.log)
    rmSync(folder, { recursive: true, force: true })
  })
  harness.writeConfig(options.config ?? {}, options.plugins, options.code)
  await harness.start()
  return harness
}

/** A Grove under test. */
export class Harness {
  readonly folder: string
  /** The data folder. A test that sets another one writes the config anew. */
  data: string
  readonly #options: HarnessOptions
  #child: ChildProcess | undefined
  #visitor: Visitor | undefined
  /** All that the processes wrote. */
  log = ''
  httpsPort = 0
  httpPort = 0
  plainPort = 0

  constructor(folder: string, options: HarnessOptions) {
    this.folder = folder
    this.data = join(folder, 'data')
    this.#options = options
  }

  /** The root certificate's file. */
  get rootFile(): string {
    return join(this.data, 'certs/root.pem')
  }

  /** The parent's process id. */
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** A visitor that trusts the root and finds every name at 127.0.0.1. */
  get visitor(): Visitor {
    this.#visitor ??= this.newVisitor()
    return this.#visitor
  }

  /** Another visitor, with no connections and no TLS sessions yet. The caller closes it. */
  newVisitor(): Visitor {
    return new Visitor(readFileSync(this.rootFile, 'utf8'), this.httpsPort)
  }

  /** The log lines as objects; lines that are not JSON are left out. */
  get logLines(): Record<string, unknown>[] {
    return this.log.split('\n').flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>]
      } catch {
        return []
      }
    })
  }

  /** The URL of a site's path. */
  url(site: string, path = '/'): string {
    return `https://${site}.localhost:${this.httpsPort}${path}`
  }

  /** Writes the config anew; {@link reload} puts it in force. Ports are any that are free, and stay over a reload. */
  writeConfig(config: Record<string, unknown>, plugins = '', code = ''): void {
    const { listen, ...rest } = config
    // Most tests have no site code; a supervisor with its spare processes would only take time from them.
    const fixed = {
      data: this.data,
      listen: { https: 0, http: 0, ...(listen as object | undefined) },
      sandbox: { enabled: false },
      ...rest,
    }
    const { from } = this.#options
    const api = pathToFileURL(join(from === undefined ? root : join(from, 'node_modules/grove'), 'bin/api.js')).href
    writeFileSync(
      join(this.folder, 'grove.config.ts'),
      `import * as grove from ${JSON.stringify(api)}
void grove
export default { ...${JSON.stringify(fixed)}, plugins: [${plugins}], ${code} }
`,
    )
  }

  /** Starts `grove serve` and waits until it serves. */
  async start(): Promise<void> {
    const [program = process.execPath, ...args] = this.#options.command ?? [
      process.execPath,
      join(root, 'bin/grove.js'),
    ]
    // A group of its own, so that whatever is left of it can be killed at once.
    const child = spawn(program, [...args, 'serve'], {
      cwd: this.folder,
      env: { ...process.env, ...this.#options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.log += text
      })
    }
    const status = await this.until(async () => {
      const now = await this.status().catch(() => undefined)
      return now && now.fronts.length > 0 && now.listen.length > 0 ? now : undefined
    })
    const ports = new Map(status.listen.map(({ name, port }) => [name, port]))
    this.httpsPort = ports.get('https') ?? 0
    this.httpPort = ports.get('http') ?? 0
    this.plainPort = ports.get('plain') ?? 0
    this.#visitor = undefined
    for (const port of ports.values()) await this.until(() => accepts(port))
  }

  /** Sends SIGTERM and resolves with how the parent ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    this.#visitor?.close()
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) throw new Error('grove is not running')
    const ended = once(child, 'close')
    child.kill(signal)
    const [code, endedBy] = (await ended) as [number | null, NodeJS.Signals | null]
    this.#child = undefined
    return { code, signal: endedBy }
  }

  /** Ends everything at once, as a crash of the machine would. Its folder stays as it is. */
  async kill(): Promise<void> {
    this.#visitor?.close()
    const child = this.#child
    if (!child?.pid) return
    this.#child = undefined
    const ended = child.exitCode === null && child.signalCode === null ? once(child, 'close') : undefined
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
    await ended
  }

  /** What `grove status --json` shows. */
  async status(): Promise<Status> {
    using client = createAdminClient(join(this.data, 'control.sock'))
    return await client.status()
  }

  /** The processes of a kind, as the parent sees them. */
  async pids(kind: 'control' | 'front' | 'supervisor'): Promise<number[]> {
    return (await this.status()).processes.flatMap((info) => (info.kind === kind ? [info.pid] : []))
  }

  /** Runs a command of the command line with this Grove's config; `env` comes on top of the environment. */
  async command(args: readonly string[], input?: string, env: NodeJS.ProcessEnv = {}): Promise<CommandResult> {
    const [program = process.execPath, ...first] = this.#options.command ?? [
      process.execPath,
      join(root, 'bin/grove.js'),
    ]
    const child = spawn(program, [...first, ...args], {
      cwd: this.folder,
      env: { ...process.env, ...this.#options.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.stdin.on('error', () => {}) // A command that wants no input may be gone before it comes.
    child.stdin.end(input ?? '')
    const [exitCode] = (await once(child, 'close')) as [number | null]
    return { exitCode, out, err }
  }

  /** Runs a command with `--json` and answers what it says. Throws when it does not end with 0. */
  async json<T>(args: readonly string[], input?: string): Promise<T> {
    const { exitCode, out, err } = await this.command([...args, '--json'], input)
    if (exitCode !== 0) throw new Error(`grove ${args.join(' ')} ended with ${exitCode}: ${out}${err}`)
    return JSON.parse(out) as T
  }

  /** Publishes a folder. */
  async publish(site: string, folder: string, ...options: readonly string[]): Promise<PublishAnswer> {
    return await this.json<PublishAnswer>(['publish', folder, '--site', site, ...options])
  }

  /** Puts the config in force that was written last. */
  async reload(): Promise<{ changed: boolean; generation: number }> {
    return await this.json(['reload'])
  }

  /** Waits for something that will come, a minute at most. */
  async until<T>(get: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
    const giveUpAtMs = performance.now() + 60_000
    for (;;) {
      const value = await get()
      if (value) return value
      if (this.#child && this.#child.exitCode !== null) throw new Error(`grove ended:\n${this.log}`)
      if (performance.now() > giveUpAtMs) throw new Error(`it did not come within a minute:\n${this.log}`)
      await pause(20)
    }
  }
}

/** Whether a port of loopback takes connections. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    // A zombie still has an entry: it is gone, and only its parent has not looked yet.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false // Gone, before or while it was read.
  }
}
