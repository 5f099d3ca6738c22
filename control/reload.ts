/**
 * Reloading the config: everything that can fail comes first, and then the change is one step.
 *
 * The new plugins are started, fronts import what they need, the live versions that they have loaded are compiled anew
 * and the parent binds new ports while all goes on as before. A failure in any of these leaves everything as it was. Then the fronts get the new
 * state; requests and WebSockets that are under way go on.
 */

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { OwnCa } from '../certs/own-ca.ts'
import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type ConfigSource, type LoadedConfig, loadConfig } from '../core/load-config.ts'
import { createTurnstile, type Turnstile } from '../core/turnstile.ts'
import type { Activator } from './activate.ts'
import { frontSettings, listenSpecs, type Ports, supervisorSettings } from './front-settings.ts'
import type { FrontLinks } from './fronts.ts'
import { maxSessionMs } from './host-parts.ts'
import type { Keys } from './keys.ts'
import type { Outboxes } from './outboxes.ts'
import { ownNames } from './own-names.ts'
import type { RunningPlugins } from './plugin-host.ts'
import type { SiteRegistry } from './site-registry.ts'

/** Everything that a reload replaces. */
export interface Generation {
  /** Counts reloads, from 1. */
  readonly number: number
  readonly loaded: LoadedConfig
  readonly plugins: RunningPlugins
  readonly outboxes: Outboxes
  readonly ports: Ports
}

/** What a reload did. */
export interface ReloadResult {
  /** Whether the config says something else than before. Plugins are started anew in any case. */
  readonly changed: boolean
  readonly generation: number
}

/** What a reloader is made with. */
export interface ReloaderOptions {
  readonly source: ConfigSource
  readonly registry: Pick<SiteRegistry, 'prepare' | 'use' | 'domains'>
  readonly fronts: Pick<FrontLinks, 'ask' | 'loaded' | 'pushState'>
  readonly activator: Pick<Activator, 'recompile' | 'discard' | 'use' | 'paused'>
  readonly keys: Pick<Keys, 'rotateIfDue'>
  readonly ca: Pick<OwnCa, 'constrain'>
  /** Where all who change what the own CA is limited to come one after the other. */
  readonly constraining: Pick<Turnstile, 'run'>
  readonly current: () => Generation
  readonly startPlugins: (config: Config) => Promise<RunningPlugins>
  readonly createOutboxes: (config: Config) => Outboxes
  /** Has the parent listen and run fronts as a config says. */
  readonly apply: (config: Config) => Promise<Ports>
  /** Takes the next generation as the one in force. Must not fail. */
  readonly use: (next: Generation) => void
  readonly log: Logger
}

/** Reloads the config, one reload after the other. */
export class Reloader {
  readonly #options: ReloaderOptions
  readonly #turns = createTurnstile({ most: limits.control.turns, what: 'reloads' })
  #lastNumber = 1

  constructor(options: ReloaderOptions) {
    this.#options = options
  }

  /** Reads the config again and puts it in force. Rejects with the reason when it cannot; then all is as it was. */
  reload(): Promise<ReloadResult> {
    return this.#turns.run(async () => {
      try {
        return await this.#reload()
      } catch (error) {
        this.#options.log.error({ err: error }, 'config not reloaded, the one before stays in force')
        throw error
      }
    })
  }

  async #reload(): Promise<ReloadResult> {
    const { source, registry, fronts, keys, current, startPlugins, log } = this.#options
    const before = current()
    const loaded = await loadConfig(source)
    checkReplaces(before.loaded.config, loaded.config)
    registry.prepare(loaded.config)
    // A new number for each try: fronts may remember what they prepared for one that failed.
    const number = ++this.#lastNumber
    const plugins = await startPlugins(loaded.config)
    try {
      await fronts.ask({ kind: 'prepare', settings: frontSettings(loaded, number, before.ports) })
      await keys.rotateIfDue(maxSessionMs(loaded.config))
      await this.#limited(before.loaded.config, loaded.config, () =>
        this.#putInForce({ number, loaded, plugins, ports: before.ports }),
      )
    } catch (error) {
      await plugins[Symbol.asyncDispose]()
      throw error
    }
    const changed = !isDeepStrictEqual(dataOf(before.loaded.config), dataOf(loaded.config))
    log.info({ generation: number, changed }, 'config reloaded')
    // Deliveries of the old plugins end before those of the new ones begin, so that all keep their order.
    await before.outboxes[Symbol.asyncDispose]()
    current().outboxes.start()
    await before.plugins[Symbol.asyncDispose]()
    return { changed, generation: number }
  }

  /** Does the work under the limits that a config has for the own CA; when it fails, those of the config before hold. */
  #limited(before: Config, config: Config, work: () => Promise<void>): Promise<void> {
    const { registry, ca, constraining, log } = this.#options
    return constraining.run(async () => {
      try {
        await ca.constrain(ownNames(config, registry.domains.all()))
        await work()
      } catch (error) {
        await ca.constrain(ownNames(before, registry.domains.all())).catch((err: unknown) => {
          log.warn({ err }, 'the own CA stays limited to the names of the config that was not put in force')
        })
        throw error
      }
    })
  }

  /** While this runs no version is put live, so none is left with the old config. */
  #putInForce(next: Omit<Generation, 'outboxes'>): Promise<void> {
    const { registry, fronts, activator, createOutboxes, use } = this.#options
    return activator.paused(async () => {
      const { config } = next.loaded
      const loaded = await fronts.loaded()
      const compiled = await activator.recompile(config, loaded)
      const ports = await this.#apply(next, config).catch(async (error: unknown) => {
        await activator.discard(compiled)
        throw error
      })
      // From here on nothing can fail.
      registry.use(config)
      use({ ...next, ports, outboxes: createOutboxes(config) })
      await activator.use(compiled, () => fronts.pushState(loaded))
    })
  }

  async #apply(next: Omit<Generation, 'outboxes'>, config: Config): Promise<Ports> {
    const { current, apply } = this.#options
    return runsAlike(current().loaded.config, config) ? next.ports : apply(config)
  }
}

/** What was opened at the start stays as it is: a reload that passed over a change of it in silence would be believed. */
function checkReplaces(before: Config, after: Config): void {
  for (const key of ['store', 'cache', 'encryption', 'certs', 'email'] as const) {
    if (isDeepStrictEqual(dataOf(before)[key], dataOf(after)[key])) continue
    const hint = 'stop grove and start it again'
    throw new GroveError('ERR_CONFIG_INVALID', `${key} has changed: it cannot while grove runs`, { hint })
  }
  if (before.data !== after.data) {
    const hint = 'stop grove and start it with the new data folder'
    throw new GroveError('ERR_CONFIG_INVALID', `data is ${after.data}: it cannot change while grove runs`, { hint })
  }
}

/** What can be compared of a config: of plugins and a provider of DNS names and options. Two functions are never equal. */
function dataOf(config: Config) {
  const { plugins, certs } = config
  const nameAndOptions = ({ name, options }: { readonly name: string; readonly options?: unknown }) => ({
    name,
    options,
  })
  return {
    ...config,
    plugins: plugins.map(nameAndOptions),
    certs: { ...certs, dns: certs.dns && nameAndOptions(certs.dns) },
  }
}

/** Whether the parent has nothing to do. */
function runsAlike(before: Config, after: Config): boolean {
  const told = (config: Config) => JSON.stringify([config.fronts, listenSpecs(config), supervisorSettings(config)])
  return told(before) === told(after)
}
