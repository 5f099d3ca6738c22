/** A front's settings, from what control tells to the form in which requests need them. */

import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { GroveError } from '../core/errors.ts'
import { loadConfig } from '../core/load-config.ts'
import type { FrontSettings } from '../core/messages.ts'
import { type FoldedMiddleware, foldMiddleware } from './middleware.ts'

/** Settings in the form in which requests need them. */
export interface Settings {
  readonly raw: FrontSettings
  readonly trustedProxies: BlockList
  readonly routed: ReadonlySet<string>
  readonly middleware: FoldedMiddleware | undefined
}

/** Settings ready for use. Imports the config's plugins when some have middleware; throws what loading a config throws. */
export async function toSettings(raw: FrontSettings): Promise<Settings> {
  return {
    raw,
    trustedProxies: toBlockList(raw.trustedProxies),
    routed: new Set(raw.routed),
    middleware: raw.middlewareFrom === undefined ? undefined : await loadMiddleware(raw.middlewareFrom),
  }
}

/** The settings of a generation: those of it that are there already, or made anew. Throws like {@link toSettings}. */
export async function settingsFor(raw: FrontSettings, known: readonly (Settings | undefined)[]): Promise<Settings> {
  return known.find((settings) => settings?.raw.generation === raw.generation) ?? (await toSettings(raw))
}

async function loadMiddleware(file: string): Promise<FoldedMiddleware | undefined> {
  const { config } = await loadConfig({ cwd: '/', file })
  return foldMiddleware(config.plugins)
}

/** Addresses and networks as a list that can be asked. Throws `ERR_CONFIG_INVALID` for what is neither. */
function toBlockList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined
    if (!family)
      throw new GroveError('ERR_CONFIG_INVALID', `trustedProxies has "${entry}": expected an address or network`)
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}
