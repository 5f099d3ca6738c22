/** `env`, the second argument of a handler: frozen, made once for a loaded code. */

import type { LoadBegin } from '../bridge-shapes.ts'
import { createAssets } from './assets.ts'
import { createData } from './data.ts'
import { defineValue, maps, objects } from './primordials.ts'

/**
 * The environment of a code: its variables and the placeholders of its secrets, and beside them `ASSETS`, `DATA` and `WASM`
 * (modules keyed by name), whose names no variable can take.
 */
export function createEnvironment(begin: LoadBegin, modules: ReadonlyMap<string, object>): object {
  const env: Record<string, unknown> = {}
  const entries = objects.entries(begin.vars)
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index]
    if (entry !== undefined) defineValue(env, entry[0], entry[1], true)
  }
  if (begin.assets) defineValue(env, 'ASSETS', createAssets(), true)
  if (begin.data) defineValue(env, 'DATA', createData(), true)
  const wasm: Record<string, unknown> = {}
  maps.forEach(modules, (module, name) => defineValue(wasm, name, module, true))
  defineValue(env, 'WASM', objects.freeze(wasm), true)
  return objects.freeze(env)
}
