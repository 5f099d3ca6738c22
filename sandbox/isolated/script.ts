/** Scripts that are compiled more than once: the prelude for each isolate, a bundle for each isolate of its code. */

import type ivm from 'isolated-vm'
import { defineName, siteFilename, siteName, wasmName } from '../bridge.ts'

/** A script, with the compiled form that we made of it ourselves: such data from elsewhere would be machine code from elsewhere. */
export interface CachedScript {
  readonly text: string
  readonly filename: string
  readonly lineOffset: number
  compiled: ivm.ExternalCopy<ArrayBuffer> | undefined
  /** Whether it was compiled once: the second time its compiled form is kept. */
  wasCompiled: boolean
}

/** The guest's own script. */
export function preludeScript(text: string): CachedScript {
  return { text, filename: 'grove:prelude', lineOffset: 0, compiled: undefined, wasCompiled: false }
}

/**
 * A site's bundle as a script that runs nothing of it: it hands a function to the prelude. Strict, as modules are. Lines are
 * counted as in the bundle.
 */
export function bundleScript(bundle: string): CachedScript {
  // In parentheses of its own: so V8 compiles it at once, instead of reading it now and compiling it when it is called.
  const text = `${defineName}(((${wasmName})=>{"use strict";\n${bundle}\nreturn ${siteName}}))`
  return { text, filename: siteFilename, lineOffset: -1, compiled: undefined, wasCompiled: false }
}

/**
 * Compiles a script in an isolate. The second time it keeps the compiled form for those to come: most scripts are compiled
 * once, and to make that form is a fifth of the work.
 */
export function compileScript(isolate: ivm.Isolate, script: CachedScript): ivm.Script {
  const { text, filename, lineOffset, compiled } = script
  const origin = { filename, lineOffset }
  if (compiled) return isolate.compileScriptSync(text, { ...origin, cachedData: compiled })
  const produceCachedData = script.wasCompiled
  script.wasCompiled = true
  const made: ivm.Script & ivm.CachedDataResult = isolate.compileScriptSync(text, { ...origin, produceCachedData })
  script.compiled = made.cachedData
  return made
}

/**
 * Makes the compiled form of a script again, in an isolate that has run it: V8 finds it there with all that was called since,
 * and the next isolate need not compile that either.
 */
export function compileWarm(isolate: ivm.Isolate, script: CachedScript): void {
  script.compiled = undefined
  script.wasCompiled = true
  compileScript(isolate, script).release()
}
