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
import type { Revocation } from '../core/session.ts'
import { Activator } from './activate.ts'
import { AdminServer } from './admin.ts'
import { adminRoutes } from './admin-routes.ts'
import { authorized } from './authorize.ts'
import { bannerLines } from './banner.ts'
import { createFrontAsks } from './front-asks.ts'
import { listenSpecs, type Ports } from './front-settings.ts'
import { frontStateOf } from './front-state.ts'
import { FrontLinks } from './fronts.ts'
import { grantRoutes } from './grant-routes.ts'
import { type HostParts, openHostParts } from './host-parts.ts'
import { Meter } from './meter.ts'
import { createOutboxes, type Outboxes } from './outboxes.ts'
import type { ParentLink } from './parent-link.ts'
import { type RunningPlugins, startPlugins } from './plugin-host.ts'
import { startPluginServer } from './plugin-server.ts'
import { Publisher } from './publish.ts'
import { type Generation, Reloader, type ReloadResult } from './reload.ts'
import { SiteViews } from './site-views.ts'
import { statusOf } from './status.ts'
import { SweepGuard, sweep } from './sweep.ts'
import { startTimers } from './timers.ts'
import { createVariants, type Variants } from './variants.ts'

/** What control is started with. */
export interface ControlOptions {
  readonly source: ConfigSource
  readonly parent: Pick<ParentLink, 'apply' | 'stop'>
  /** Its level becomes the config's. */
  readonly log: Logger
  readonly now?: () => number
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
  readonly #guard = new SweepGuard()
  readonly #ended = new AbortController()
  readonly #fronts: FrontLinks
  readonly #variants: Variants
  readonly #activator: Activator
  readonly #views: SiteViews
  readonly #reloader: Reloader
  readonly #createOutboxes: (config: Config) => Outboxes
  #processes: readonly ProcessInfo[] = []
  #generation: Generation | undefined
  #meter: Meter | undefined

  constructor(options: ControlOptions, host: HostParts, stack: AsyncDisposableStack, now: () => number) {
    this.#options = options
    this.#host = host
    this.#stack = stack
    this.#now = now
    this.#startedAtMs = now()
    const { layout, blobs, registry, keys, leaves } = host
    const { log } = options
    this.#variants = createVariants({ layout, blobs, log })
    this.#fronts = new FrontLinks({
      socket: layout.frontSocket,
      state: () => frontStateOf(this.#current, host, this.#activator),
      asked: createFrontAsks({
        certificate: (name) => leaves.get(name),
        usage: async (usage) => this.#meter?.give(usage),
        content: async ({ hash }) => {
          throw new GroveError('ERR_BLOB_MISSING', `content ${hash} is nowhere but on the local disk`)
        },
        copy: (copy) => this.#variants.request([copy]),
        log,
      }),
      log,
    })
    this.#activator = new Activator({
      layout,
      registry,
      fronts: this.#fronts,
      variants: this.#variants,
      config: () => this.#current.loaded.config,
      log,
      now,
    })
    this.#views = new SiteViews({
      registry,
      outbox: () => this.#current.outboxes.published,
      httpsPort: () => this.#current.ports.https ?? this.#current.loaded.config.listen.https,
    })
    const parts = { host, activator: this.#activator, fronts: this.#fronts, log, now }
    this.#createOutboxes = (config) => createOutboxes(config, parts)
    this.#reloader = new Reloader({
      source: options.source,
      registry,
      fronts: this.#fronts,
      activator: this.#activator,
      keys,
      current: () => this.#current,
      startPlugins: (config) => this.#startPlugins(config),
      createOutboxes: this.#createOutboxes,
      apply: (config) => this.#apply(config),
      use: (next) => this.#use(next),
      log,
    })
    stack.use(startTimers({ keys, leaves, activator: this.#activator, fronts: this.#fronts, log }))
  }

  get banner(): readonly string[] {
    return bannerLines(this.#views, this.#host.ca)
  }

  async start(loaded: Generation['loaded']): Promise<void> {
    const { config } = loaded
    const stack = this.#stack
    const plugins = await this.#startPlugins(config)
    this.#generation = { number: 1, loaded, plugins, outboxes: this.#createOutboxes(config), ports: {} }
    stack.defer(() => this.#current.plugins[Symbol.asyncDispose]())
    stack.use(this.#fronts)
    stack.use(this.#activator)
    stack.defer(() => this.#current.outboxes[Symbol.asyncDispose]())
    const { log, meterEveryMs: everyMs } = this.#options
    const outbox = () => this.#current.outboxes.metered
    this.#meter = stack.use(new Meter({ fronts: this.#fronts, usageLog: this.#host.usageLog, outbox, log, everyMs }))
    this.#activator.use(await this.#activator.compileAll(config, { strict: false }))
    await this.#fronts.listen()
    stack.use(await this.#startPluginServer())
    const ports = await this.#apply(config)
    this.#generation = { ...this.#current, ports }
    // A front that was faster than the parent's answer was told a port that may be 0.
    await this.#fronts.pushState()
    stack.use(await this.#listenForCommands())
    this.#current.outboxes.start()
    this.#sweepInBackground()
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
    await this.#stack.disposeAsync()
  }

  get #current(): Generation {
    if (!this.#generation) throw new GroveError('ERR_CLOSED', 'control has not started')
    return this.#generation
  }

  #use(next: Generation): void {
    this.#generation = next
    this.#options.log.level = next.loaded.config.log.level
  }

  #apply(config: Config): Promise<Ports> {
    const { data, fronts } = config
    return this.#options.parent.apply({ data, listen: listenSpecs(config), fronts })
  }

  #startPlugins(config: Config): Promise<RunningPlugins> {
    const { store, registry } = this.#host
    return startPlugins({
      plugins: config.plugins,
      store,
      handle: store.root,
      log: this.#options.log,
      sites: () => registry.served().map(({ name }) => registry.info(name)),
      revokeUser: (userId) => {
        const nowMs = this.#now()
        return this.#revoke({ kind: 'user', userId, issuedUptoMs: nowMs, untilMs: nowMs + limits.session.longestMs })
      },
    })
  }

  #startPluginServer(): Promise<AsyncDisposable> {
    const { layout, registry, keys } = this.#host
    return startPluginServer({
      layout,
      plugins: () => this.#current.plugins.plugins,
      site: (name) => (registry.serves(name) ? registry.info(name) : undefined),
      keys: () => keys.current(),
      maxAgeSeconds: () => this.#current.loaded.config.sessions.maxAgeSeconds,
      revoke: (revocation) => this.#revoke(revocation),
      log: this.#options.log,
      now: this.#now,
    })
  }

  #listenForCommands(): Promise<AdminServer> {
    const { layout, registry, blobs } = this.#host
    const { log, parent } = this.#options
    const publisher = new Publisher({
      registry,
      blobs,
      activator: this.#activator,
      fronts: this.#fronts,
      outbox: () => this.#current.outboxes.published,
      urls: (name) => this.#views.urls(name),
      guard: this.#guard,
      log,
      now: this.#now,
    })
    const routes = adminRoutes({
      publisher,
      registry,
      views: this.#views,
      outbox: () => this.#current.outboxes.published,
      status: () =>
        statusOf({
          generation: this.#current,
          startedAtMs: this.#startedAtMs,
          processes: this.#processes,
          fronts: this.#fronts,
          views: this.#views,
        }),
      reload: () => this.reload(),
      stop: () => parent.stop(),
      command: async (plugin, path, input) => {
        const run = this.#current.plugins.command(plugin, path)
        if (!run) throw new GroveError('ERR_NOT_FOUND', `there is no command "${path}" of a plugin "${plugin}"`)
        return run(input)
      },
    })
    const { store } = this.#host
    const all = authorized([...routes, ...grantRoutes({ store, now: this.#now })], store)
    return AdminServer.listen({ socket: layout.controlSocket, routes: all, log })
  }

  /** Durable first; then every front that is connected knows, or is cut off and learns it when it comes back. */
  async #revoke(revocation: Revocation): Promise<void> {
    await this.#host.revocations.add(revocation)
    await this.#fronts.push({ kind: 'revoke', revocations: [revocation] }, limits.control.revokeAnswerMs)
  }

  #sweepInBackground(): void {
    const { layout, blobs, registry } = this.#host
    const { log } = this.#options
    const done = sweep({
      layout,
      blobs,
      registry,
      activator: this.#activator,
      guard: this.#guard,
      olderThanMs: this.#startedAtMs,
      log,
      signal: this.#ended.signal,
    }).then(
      (result) => log.debug(result, 'leftovers cleaned up'),
      (error: unknown) => {
        if (!this.#ended.signal.aborted) log.error({ err: error }, 'leftovers cannot be cleaned up')
      },
    )
    this.#stack.defer(() => done)
  }
}
