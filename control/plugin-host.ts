/**
 * Starting and stopping plugins: what a plugin's `start` gets, how long it may take, and who is told when it fails.
 *
 * A plugin is the operator's trusted code and runs in control. Time limits name the culprit; they do not defend against
 * code that blocks the process.
 */

import type { Logger } from 'pino'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { isSiteName } from '../core/names.ts'
import type { Command, Plugin, PluginHost, PluginLog, SiteInfo } from '../core/plugin.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Handle, Log, Store } from '../store/store.ts'
import { within } from './within.ts'

/** What plugins are started with. */
export interface StartPluginsOptions {
  /** Started in this order. */
  readonly plugins: readonly Plugin[]
  readonly store: Store
  readonly handle: Handle
  readonly log: Logger
  readonly sites: () => readonly SiteInfo[]
  /** Ends all sessions of a user, everywhere. */
  readonly revokeUser: (userId: string) => Promise<void>
  /** Per plugin. @default limits.plugin.startTimeoutMs */
  readonly startTimeoutMs?: number
}

/** Plugins that have started. Disposing of them stops them in reverse order; a failure there is logged, never thrown. */
export interface RunningPlugins extends AsyncDisposable {
  readonly plugins: readonly Plugin[]
  /** The command that a plugin registered under a path, or undefined. */
  command(plugin: string, path: string): Command | undefined
}

/** One plugin that runs. */
interface Running {
  readonly name: string
  readonly log: Logger
  readonly commands: ReadonlyMap<string, Command>
  /** Stops it, and closes its logs. */
  stop(): Promise<void>
}

/**
 * Starts plugins one after the other. When one throws or takes too long, those that have started are stopped again in
 * reverse order and the error, `ERR_PLUGIN_START`, names it.
 *
 * A reload starts the new array before it disposes of the old one, so for a moment two of each plugin run, with the same
 * logs. Whether a plugin is the same as before cannot be known from its data. One that holds what can exist but once (a
 * port, a lock) shares it through its module, which a reload does not load again, or takes it over with retries.
 */
export async function startPlugins(options: StartPluginsOptions): Promise<RunningPlugins> {
  const running: Running[] = []
  try {
    for (const plugin of options.plugins) running.push(await startPlugin(plugin, options))
  } catch (error) {
    await stopAll(running)
    throw error
  }
  return {
    plugins: options.plugins,
    command: (plugin, path) => running.find(({ name }) => name === plugin)?.commands.get(path),
    [Symbol.asyncDispose]: () => stopAll(running),
  }
}

async function startPlugin(plugin: Plugin, options: StartPluginsOptions): Promise<Running> {
  const { name } = plugin
  const log = options.log.child({ plugin: name })
  const commands = new Map<string, Command>()
  const logs = new Map<string, Promise<Log>>()
  const stack = new AsyncDisposableStack()
  stack.defer(() => closeLogs(logs))
  const host: PluginHost = {
    log,
    openLog: (logName) => openPluginLog(name, logName, logs, options),
    revokeUser: options.revokeUser,
    command: (path, run) => addCommand(name, commands, path, run),
    sites: options.sites,
  }
  const timeoutMs = options.startTimeoutMs ?? limits.plugin.startTimeoutMs
  const starting = Promise.try(() => plugin.start?.(host))
  try {
    const started = await within(starting, timeoutMs)
    if (started) stack.use(started)
  } catch (error) {
    disposeLate(starting, log)
    await stop(stack, name, log)
    const reason = error instanceof Error ? error.message : String(error)
    throw new GroveError('ERR_PLUGIN_START', `plugin "${name}" did not start: ${reason}`, { cause: error })
  }
  return { name, log, commands, stop: () => stop(stack, name, log) }
}

/** A plugin whose start took too long may still come up: then it is stopped at once. */
function disposeLate(starting: Promise<AsyncDisposable | undefined>, log: Logger): void {
  starting
    .then((started) => started?.[Symbol.asyncDispose]())
    .catch((error) => log.debug({ err: error }, 'a plugin that had not started in time ended with an error'))
}

async function stopAll(running: readonly Running[]): Promise<void> {
  for (const plugin of running.toReversed()) await plugin.stop()
}

async function stop(stack: AsyncDisposableStack, name: string, log: Logger): Promise<void> {
  try {
    await within(stack.disposeAsync(), limits.plugin.stopTimeoutMs)
  } catch (error) {
    log.error({ err: error }, `plugin "${name}" did not stop in order`)
  }
}

const commandPattern = /^[a-z0-9-]+(?:\/[a-z0-9-]+)*$/

function addCommand(plugin: string, commands: Map<string, Command>, path: string, run: Command): void {
  if (!commandPattern.test(path))
    throw new GroveError('ERR_PLUGIN', `plugin "${plugin}": expected a command such as users/add, found "${path}"`)
  if (commands.has(path)) throw new GroveError('ERR_PLUGIN', `plugin "${plugin}" has two commands "${path}"`)
  if (commands.size >= limits.plugin.commands)
    throw new GroveError('ERR_PLUGIN', `plugin "${plugin}" has more than ${limits.plugin.commands} commands`)
  commands.set(path, run)
}

async function openPluginLog(
  plugin: string,
  name: string,
  logs: Map<string, Promise<Log>>,
  { store, handle }: StartPluginsOptions,
): Promise<PluginLog> {
  if (!isSiteName(name))
    throw new GroveError('ERR_PLUGIN', `plugin "${plugin}": expected a log name of 1 to 63 of a-z0-9-, found "${name}"`)
  let opening = logs.get(name)
  if (!opening) {
    if (logs.size >= limits.plugin.logs)
      throw new GroveError('ERR_PLUGIN', `plugin "${plugin}" has more than ${limits.plugin.logs} logs`)
    opening = openOwnLog(store, handle, `/plugins/${plugin}/${name}`)
    logs.set(name, opening)
    // A plugin may try again after a failure.
    opening.catch(() => logs.delete(name))
  }
  const log = await opening
  return {
    async read() {
      const records: unknown[] = []
      for await (const { data } of log.read()) records.push(JSON.parse(Buffer.from(data).toString('utf8')))
      return records
    },
    async append(record) {
      const text = JSON.stringify(record)
      if (text === undefined)
        throw new GroveError(
          'ERR_PLUGIN',
          `plugin "${plugin}": expected a record of plain JSON, found ${typeof record}`,
        )
      await log.write(Buffer.from(text))
    },
  }
}

async function closeLogs(logs: ReadonlyMap<string, Promise<Log>>): Promise<void> {
  for (const opening of await Promise.allSettled(logs.values()))
    if (opening.status === 'fulfilled') await opening.value.close()
}
