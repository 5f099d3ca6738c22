/**
 * The whole check of a module of WebAssembly at publish: its form and bounds, then V8's own validation. Both in a process
 * that is thrown away, so that a module that V8 stumbles over costs its author's publish and nothing else.
 */

import { extname } from 'node:path'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { toPlainText } from '../../core/plain-text.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { runThrowaway } from '../throwaway/run-throwaway.ts'
import { checkModule, type ModuleInfo } from './check-module.ts'
import type { ModuleLimits } from './sections.ts'

/** What the process is given. */
export interface ValidateInput {
  readonly bytes: Uint8Array
  readonly limits: ModuleLimits
}

/** What Node has, and TypeScript knows only with the types of a browser. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean
  readonly Module: new (bytes: Uint8Array) => unknown
}

const turnstile = createTurnstile({ most: limits.wasm.waiting, what: 'modules of WebAssembly that are checked' })

/**
 * Checks a module and resolves with what it is like; `bytes` of it are what is to be stored. Rejects with `ERR_CODE` with
 * the place of the fault, or when the check takes too long; `ERR_TOO_MANY`.
 */
export async function validateModule(bytes: Uint8Array, moduleLimits: ModuleLimits): Promise<ModuleInfo> {
  if (bytes.length > moduleLimits.wasmModuleBytes)
    throw new GroveError('ERR_CODE', `module of ${bytes.length} bytes, more than ${moduleLimits.wasmModuleBytes}`)
  const input: ValidateInput = { bytes, limits: moduleLimits }
  return (await turnstile.run(() =>
    runThrowaway({
      module: new URL(`./validate-process${extname(import.meta.filename)}`, import.meta.url),
      what: 'the check of the module',
      input,
      timeoutMs: limits.wasm.ms,
      heapMiB: limits.wasm.heapMiB,
    }),
  )) as ModuleInfo
}

/** Both checks, in this process. Throws `ERR_CODE`. */
export function validateHere({ bytes, limits: moduleLimits }: ValidateInput): ModuleInfo {
  const info = checkModule(bytes, moduleLimits)
  // The rewritten module is the one that will run.
  if (!WebAssembly.validate(info.bytes)) throw new GroveError('ERR_CODE', `module: ${reasonOf(info.bytes)}`)
  return info
}

/** Why V8 does not take a module, in its own words. */
function reasonOf(bytes: Uint8Array): string {
  try {
    new WebAssembly.Module(bytes)
    return 'it is not valid'
  } catch (error) {
    const text = error instanceof Error ? error.message : 'it is not valid'
    // It names functions as the module does.
    return toPlainText(text.replace(/^WebAssembly\.Module\(\): /, '').slice(0, 500))
  }
}
