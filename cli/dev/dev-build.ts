/** One build of a site in its author's folder: its code bundled with the packages of the project, as a publish makes it. */

import type { CompiledCode } from '../../control/site-code.ts'
import type { CodeRoute } from '../../core/code-routes.ts'
import { defaultSandboxLimits } from '../../core/sandbox-limits.ts'
import type { SiteSecret } from '../../core/supervisor-messages.ts'
import { bundleFolder } from '../../sandbox/bundle/bundle-folder.ts'
import { createStackMap, type StackMap } from '../../sandbox/stack-map.ts'
import { compileFrom } from '../compile-code.ts'
import { withConsolePlaces } from './console-places.ts'
import type { DevFolder } from './dev-folder.ts'
import { readDevVariables } from './dev-variables.ts'

/** The code of a site at one moment. */
export interface DevCode {
  readonly bundle: Uint8Array
  readonly wasm: CompiledCode['wasm']
  readonly vars: Readonly<Record<string, string>>
  readonly allow: readonly string[] | undefined
  readonly secrets: readonly SiteSecret[]
  readonly map: StackMap
}

/** A site at one moment. */
export interface DevBuild {
  /** Undefined for a site that has no code. */
  readonly code: DevCode | undefined
  readonly routes: readonly CodeRoute[]
  /** Files that are not served: the sources of its code. */
  readonly hidden: ReadonlySet<string>
  readonly notes: readonly string[]
}

/** Limits that hold in `grove dev`: those of a site whose tier says nothing. */
export const devLimits = defaultSandboxLimits

/** Builds what lies in a folder. Rejects with `ERR_CODE`, the faults of the code with their places. */
export async function buildDev(folder: DevFolder): Promise<DevBuild> {
  const { root, has, read } = folder
  const compiled = await compileFrom(
    { has, read, bundle: (options) => bundleFolder(root, { ...options, mode: 'development' }) },
    devLimits,
  )
  if (!compiled) return { code: undefined, routes: [], hidden: new Set(), notes: [] }
  const { bundle, map, wasm, routes, vars, allow, sources, notes } = compiled
  const told = withConsolePlaces(text(bundle), text(map ?? Buffer.from('{}')))
  const secrets = await readDevVariables(root, devLimits)
  return {
    code: { bundle: Buffer.from(told.code), wasm, vars, allow, secrets, map: createStackMap(told.map) },
    routes,
    hidden: new Set(sources),
    notes,
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
