/**
 * Control: the only process that writes. It puts the parts of this folder together.
 *
 * Order matters at the start. The store comes first, because its lock keeps a second control out; live versions are
 * compiled before fronts may connect, because a front that comes back must never be told less than it serves; the
 * control socket comes last, so that whoever can connect finds all else in order.
 */

import type { Logger } from 'pino'
import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type ConfigSource, loadConfig } from '../core/load-config.ts'
import type { ProcessInfo } from '../core/messages.ts'
import type { SiteName } from '../core/names.ts'
import type { Revocation } from '../core/session.ts'
import { Activator } from './activate.ts'
import type { AdminServer } from './admin.ts'
import { Background } from './background.ts'
import { bannerLines } from './banner.ts'
import { Challenges } from './challenges.ts'
import { type CodeParts, createCodeParts } from './code-parts.ts'
import type { CodeTools } from './code-tools.ts'
import { listenForCommands } from './commands.ts'
import { CompiledTexts } from './compiled-texts.ts'
import { type FinishOptions, finish, resume } from './finish.ts'
import { listenSpecs, type Ports, supervisorSettings } from './front-settings.ts'
import type { FrontLinks } from './fronts.ts'
import { type HostParts, openHostParts } from './host-parts.ts'
import { createLocalContents, type LocalContents } from './local-contents.ts'
import { Meter } from './meter.ts'
import { createOutboxes, type Outboxes } from './outboxes.ts'
import type { ParentLink } from './parent-link.ts'
import { type PluginStarts, pluginStarts } from './plugin-starts.ts'
import { type Generation, Reloader, type ReloadResult } from './reload.ts'
import { openSiteCertificates, type SiteCertificates } from './site-certificates.ts'
import { SiteViews } from './site-views.ts'
import { createStateFronts } from './state-fronts.ts'
import { sweep } from './sweep.ts'
import { startTimers } from './timers.ts'
import { createVariants } from './variants.ts'

/** What control is started with. */
export interface ControlOptions {
  readonly source: ConfigSource
  readonly parent: Pick<ParentLink, 'apply' | 'stop'>
  /** Its level becomes the config's. */
  readonly log: Logger
  readonly now?: () => number
  /** What is done with site code. @default code of sites is kept and not run */
  readonly code?: CodeTools
  /** How often usage is taken from the fronts, in milliseconds. @default limits.usage.everyMs */
  readonly meterEveryMs?: number | undefined
}

/** A running control. Disposing of it ends what it does in order; fronts go on serving what they know. */
export interface Control extends AsyncDisposable {
  /** What people are shown when all is up: addresses of sites, and where the root certificate is. */
  readonly banner: readonly string[]
  /** Reads the config again. Rejects with the reason when it cannot be put in force. */
  reload(): Promise<ReloadResult>
  /** Takes the processes that run, from the parent. */
  setProcesses(processes: readonly ProcessInfo[]): void
}

/**
 * Starts control and resolves when all of it is up. Rejects with `ERR_CONFIG_INVALID`, `ERR_DATA_LOCKED`,
 * `ERR_PLUGIN_START`, `ERR_PORT` or another reason; then nothing is left running.
 */
export async function startControl(options: ControlOptions): Promise<Control> {
  const stack = new AsyncDisposableStack()
  try {
    const { source, log, now = Date.now } = options
    const loaded = await loadConfig(source)
    const { config } = loaded
    log.level = config.log.level
    const host = await openHostParts({ config, log, now, stack })
    const control = new Running(options, host, stack, now)
    await control.start(loaded)
    return control
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

class Running implements Control {
  readonly #options: ControlOptions
  readonly #host: HostParts
  readonly #stack: AsyncDisposableStack
  readonly #now: () => number
  readonly #startedAtMs: number
  readonly #ended = new AbortController()
  readonly #background: Background
  readonly #fronts: FrontLinks
  readonly #challenges: Challenges
  readonly #texts: CompiledTexts
  readonly #contents: LocalContents
  readonly #code: CodeParts
  readonly #activator: Activator
  readonly #views: SiteViews
  readonly #reloader: Reloader
  readonly #createOutboxes: (config: Config) => Outboxes
  readonly #starts: PluginStarts
  #processes: readonly ProcessInfo[] = []
  #generation: Generation | undefined
  #meter: Meter | undefined
  #opened: SiteCertificates | undefined

  constructor(options: ControlOptions, host: HostParts, stack: AsyncDisposableStack, now: () => number) {
    this.#options = options
    this.#host = host
    this.#stack = stack
    this.#now = now
    this.#startedAtMs = now()
    const { layout, blobs, registry, keys, ca, constraining, leaves } = host
    const { log } = options
    this.#background = new Background(log, this.#ended.signal)
    const texts = new CompiledTexts(layout, log)
    this.#texts = texts
    this.#contents = createLocalContents({ registry, blobs, wholeBytes: host.wholeBytes, log })
    this.#fronts = createStateFronts({
      host,
      contents: this.#contents,
      current: () => this.#current,
      activator: () => this.#activator,
      challenges: () => this.#challenges,
      certificates: () => this.#certificates,
      meter: () => this.#meter,
      log,
    })
    this.#challenges = new Challenges({ fronts: this.#fronts, now })
    const config = () => this.#current.loaded.config
    this.#code = createCodeParts({ host, contents: this.#contents, config, tools: options.code, log })
    const { manifests, sandboxes } = this.#code
    this.#activator = new Activator({
      layout,
      registry,
      outstanding: host.outstanding,
      fronts: this.#fronts,
      texts,
      variants: createVariants({ layout, blobs, log }),
      manifests,
      announce: (name, version) => sandboxes.announce(name, version),
      config,
      confirmed: this.#finish.bind(this),
      log,
      now,
    })
    this.#views = new SiteViews({
      registry,
      outbox: () => this.#current.outboxes.published,
      httpsPort: () => this.#current.ports.https ?? this.#current.loaded.config.listen.https,
    })
    const parts = { host, activator: this.#activator, fronts: this.#fronts, told: this.#finish.bind(this), log, now }
    this.#createOutboxes = (config) => createOutboxes(config, parts)
    const revoke = (revocation: Revocation) => this.#revoke(revocation)
    this.#starts = pluginStarts({ host, current: () => this.#current, revoke, log, now })
    this.#reloader = new Reloader({
      source: options.source,
      registry,
      fronts: this.#fronts,
      activator: this.#activator,
      keys,
      ca,
      constraining,
      current: () => this.#current,
      startPlugins: this.#starts.plugins,
      createOutboxes: this.#createOutboxes,
      apply: (config) => this.#apply(config),
      use: (next) => this.#use(next),
      log,
    })
    stack.use(startTimers({ keys, leaves, activator: this.#activator, fronts: this.#fronts, log }))
  }

  get banner(): readonly string[] {
    return bannerLines(this.#views, this.#host.ca, this.#certificates.notices)
  }

  async start(loaded: Generation['loaded']): Promise<void> {
    const { config } = loaded
    const stack = this.#stack
    const plugins = await this.#starts.plugins(config)
    this.#generation = { number: 1, loaded, plugins, outboxes: this.#createOutboxes(config), ports: {} }
    stack.defer(() => this.#current.plugins[Symbol.asyncDispose]())
    stack.use(this.#code.sandboxes)
    stack.use(this.#fronts)
    stack.use(this.#activator)
    stack.defer(() => this.#current.outboxes[Symbol.asyncDispose]())
    const { log, meterEveryMs: everyMs } = this.#options
    const outbox = () => this.#current.outboxes.metered
    const [fronts, challenges, { sandboxes }] = [this.#fronts, this.#challenges, this.#code]
    this.#meter = stack.use(new Meter({ fronts, sandboxes, usageLog: this.#host.usageLog, outbox, log, everyMs }))
    this.#opened = stack.use(
      await openSiteCertificates({
        host: this.#host,
        fronts,
        challenges,
        config: () => this.#current.loaded.config,
        plugins: () => this.#current.plugins.plugins,
        log,
      }),
    )
    await this.#fronts.listen()
    await sandboxes.listen()
    stack.use(await this.#starts.server())
    const ports = await this.#apply(config)
    this.#generation = { ...this.#current, ports }
    // A front that was faster than the parent's answer was told a port that may be 0.
    await this.#fronts.pushState(await this.#fronts.loaded())
    stack.use(await this.#listenForCommands())
    this.#certificates.start()
    this.#current.outboxes.start()
    this.#background.run(
      'what was half done cannot be finished',
      resume({ ...this.#finishing, activator: this.#activator, log, signal: this.#ended.signal }),
    )
    const [olderThanMs, signal] = [this.#startedAtMs, this.#ended.signal]
    const leftovers = sweep({ layout: this.#host.layout, texts: this.#texts, olderThanMs, signal })
    this.#background.run('leftovers cannot be cleaned up', leftovers)
  }

  reload(): Promise<ReloadResult> {
    return this.#reloader.reload()
  }

  setProcesses(processes: readonly ProcessInfo[]): void {
    this.#processes = processes
    this.#fronts.setRunning(processes.filter(({ kind }) => kind === 'front').map(({ pid }) => pid))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#background.idle()
    await this.#contents.idle()
    await this.#stack.disposeAsync()
  }

  get #current(): Generation {
    if (!this.#generation) throw new GroveError('ERR_CLOSED', 'control has not started')
    return this.#generation
  }

  get #certificates(): SiteCertificates {
    if (!this.#opened) throw new GroveError('ERR_CLOSED', 'control has not started')
    return this.#opened
  }

  #use(next: Generation): void {
    const before = this.#generation?.loaded.config
    const { config } = next.loaded
    this.#generation = next
    this.#options.log.level = config.log.level
    if (before) this.#background.run('site code keeps its limits', this.#code.limitsChanged(before, config))
  }

  #apply(config: Config): Promise<Ports> {
    const { data, fronts } = config
    const sandbox = supervisorSettings(config)
    return this.#options.parent.apply({ data, listen: listenSpecs(config), fronts, ...(sandbox && { sandbox }) })
  }

  #listenForCommands(): Promise<AdminServer> {
    return listenForCommands({
      host: this.#host,
      activator: this.#activator,
      fronts: this.#fronts,
      certificates: this.#certificates,
      code: this.#code,
      checkHosts: this.#options.code?.checkHosts,
      views: this.#views,
      current: () => this.#current,
      startedAtMs: this.#startedAtMs,
      processes: () => this.#processes,
      reload: () => this.reload(),
      stop: () => this.#options.parent.stop(),
      stack: this.#stack,
      log: this.#options.log,
      now: this.#now,
    })
  }

  /** Durable first; then every front that is connected knows, or is cut off and learns it when it comes back. */
  async #revoke(revocation: Revocation): Promise<void> {
    await this.#host.revocations.add(revocation)
    await this.#fronts.push({ kind: 'revoke', revocations: [revocation] }, limits.control.revokeAnswerMs)
  }

  get #finishing(): FinishOptions {
    const { registry, outstanding } = this.#host
    return { registry, outstanding, outbox: () => this.#current.outboxes.published }
  }

  /** Something of a site is done: perhaps that was all. */
  #finish(name: SiteName): void {
    if (this.#ended.signal.aborted) return
    this.#background.run('a site stays noted as unfinished', finish(name, this.#finishing))
  }
}
