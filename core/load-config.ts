/** Finding, reading and checking the operator's config file. Binds no port and writes nothing. */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { withAbsoluteCertFiles } from './certs-config.ts'
import { type Config, parseConfig } from './config.ts'
import { GroveError } from './errors.ts'
import { limits } from './limits.ts'
import { withAbsoluteFiles } from './store-config.ts'
import { withClientRoots } from './tls-config.ts'

/** The names under which a config is looked for, in this order. */
const configFileNames: readonly string[] = ['grove.config.ts', 'grove.config.js', 'grove.config.json']

/** Where a config comes from, and what the command line puts over it. */
export interface ConfigSource {
  /** The folder from which relative paths of the command line count, and in which a config is looked for. */
  readonly cwd: string
  /** The config file; without it `grove.config.ts`, `.js` or `.json` in `cwd`, or none. */
  readonly file?: string | undefined
  readonly data?: string | undefined
  readonly httpsPort?: number | undefined
  readonly httpPort?: number | undefined
}

/** A checked config and where it was read. */
export interface LoadedConfig {
  /** `data` is absolute, and so are files with secrets and certificates. */
  readonly config: Config
  /** Absolute; undefined when there is no file and all is default. */
  readonly file: string | undefined
}

let loads = 0

/**
 * Reads and checks the config. Every call runs the file anew (modules that it imports are kept). Throws
 * `ERR_CONFIG_LOAD` when the file cannot be read or run, `ERR_CONFIG_INVALID` when it has faults.
 */
export async function loadConfig(source: ConfigSource): Promise<LoadedConfig> {
  const file = findConfig(source)
  const input = file === undefined ? {} : await readConfig(file)
  const config = parseConfig(applyOverrides(input, source), file ?? 'the default config')
  const folder = file === undefined ? source.cwd : dirname(file)
  const data = resolve(source.data === undefined ? folder : source.cwd, config.data)
  const certs = withAbsoluteCertFiles(config.certs, folder)
  const sites = await withClientRoots(config.sites, folder)
  return { config: { ...withAbsoluteFiles(config, folder), certs, data, sites }, file }
}

/** The config file, absolute: the one that is named, there or not, or the one that is found; undefined when there is none. */
export function findConfig({ cwd, file }: Pick<ConfigSource, 'cwd' | 'file'>): string | undefined {
  if (file !== undefined) return resolve(cwd, file)
  return configFileNames.map((name) => resolve(cwd, name)).find((found) => existsSync(found))
}

async function readConfig(file: string): Promise<unknown> {
  if (!existsSync(file))
    throw new GroveError('ERR_CONFIG_LOAD', `there is no config ${file}`, { hint: 'name the file with --config' })
  const { promise: late, reject } = Promise.withResolvers<never>()
  const seconds = limits.config.loadMs / 1_000
  const timer = setTimeout(
    () => reject(new GroveError('ERR_CONFIG_LOAD', `cannot load ${file}: it did not finish within ${seconds} s`)),
    limits.config.loadMs,
  )
  try {
    return await Promise.race([runConfig(file), late])
  } finally {
    clearTimeout(timer)
  }
}

async function runConfig(file: string): Promise<unknown> {
  try {
    if (extname(file) === '.json') return JSON.parse(await readFile(file, 'utf8'))
    loads += 1
    // The query makes it a new module each time; Node has no other way to read a changed module again.
    const module: { default?: unknown } = await import(`${pathToFileURL(file).href}?load=${loads}`)
    if (module.default === undefined)
      throw new GroveError(
        'ERR_CONFIG_LOAD',
        `${file} has no default export: expected "export default defineConfig({ … })"`,
      )
    return await module.default
  } catch (error) {
    if (error instanceof GroveError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new GroveError('ERR_CONFIG_LOAD', `cannot load ${file}: ${reason}`, { cause: error })
  }
}

/** The command line's values over the file's, before the check, so that both are checked alike. */
function applyOverrides(input: unknown, source: ConfigSource): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  const { listen, ...rest } = input as { listen?: unknown }
  const ports = {
    ...(source.httpsPort !== undefined && { https: source.httpsPort }),
    ...(source.httpPort !== undefined && { http: source.httpPort }),
  }
  const mayMerge = listen === undefined || (typeof listen === 'object' && listen !== null && !Array.isArray(listen))
  return {
    ...rest,
    ...(listen !== undefined || Object.keys(ports).length > 0
      ? { listen: mayMerge ? { ...(listen as object | undefined), ...ports } : listen }
      : {}),
    ...(source.data !== undefined && { data: source.data }),
  }
}
