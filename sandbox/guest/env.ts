/** `env`, the second argument of a handler: frozen, made once for a loaded code. */

import type { LoadBegin } from '../bridge.ts'
import { createAssets } from './assets.ts'
import { createData } from './data.ts'
import { maps, objects } from './primordials.ts'

/**
 * The environment of a code: its variables and the placeholders of its secrets, and beside them `ASSETS`, `DATA` and `WASM`
 * (modules keyed by name), whose names no variable can take.
 */
export function createEnvironment(begin: LoadBegin, modules: ReadonlyMap<string, object>): object {
  const env: Record<string, unknown> = {}
  const entries = objects.entries(begin.vars)
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index]
    if (entry !== undefined) define(env, entry[0], entry[1])
  }
  if (begin.assets) define(env, 'ASSETS', createAssets())
  if (begin.data) define(env, 'DATA', createData())
  const wasm: Record<string, unknown> = {}
  maps.forEach(modules, (module, name) => define(wasm, name, module))
  define(env, 'WASM', objects.freeze(wasm))
  return objects.freeze(env)
}

/** Defines a member also where its name means something to an assignment (`__proto__`). */
function define(target: object, key: string, value: unknown): void {
  objects.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}
