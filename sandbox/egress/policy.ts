/** What one site may fetch, as it is told and as it is looked up. */

import type { SiteName } from '../../core/names.ts'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import { compilePatterns, type HostPattern, standardPorts } from './host-pattern.ts'

/** What one site may fetch. */
export interface EgressPolicy {
  readonly site: SiteName
  /** Patterns of hosts, see host-pattern.ts. Undefined: every public host; empty: none at all. */
  readonly allow?: readonly string[] | undefined
  /** Ports beside 80 and 443 that the operator lets sites reach, where their `allow` names them. @default none */
  readonly ports?: readonly number[] | undefined
  /** Placeholders and what is put in their place, for which hosts. @default none */
  readonly secrets?: readonly EdgeSecret[] | undefined
  readonly limits: Pick<SandboxLimits, 'fetchedBytes' | 'streamedBodyBytes' | 'urlChars'>
  /**
   * Where a host is that this Grove serves itself, so that one site can fetch another though all of them lie at
   * addresses that are refused. Undefined for every other host. @default there are none
   */
  readonly own?: ((hostname: string, port: number) => OwnPlace | undefined) | undefined
}

/** A secret that is put in at the edge. */
export interface EdgeSecret {
  /** As the site's code knows it: `env.API_KEY`. */
  readonly name: string
  /** What the site's code holds, see edge-secrets.ts. */
  readonly placeholder: string
  readonly value: string
  /** Patterns of the hosts that may get it; with none, nobody does. */
  readonly hosts: readonly string[]
}

/** Where a front listens. */
export interface OwnPlace {
  readonly address: string
  readonly port: number
}

/** A policy that is quick to ask. */
export interface CompiledPolicy extends EgressPolicy {
  readonly patterns: readonly HostPattern[] | undefined
  readonly allPorts: ReadonlySet<number>
}

/** A policy ready to be asked. Throws `ERR_CONFIG_INVALID` for a host pattern that is none. */
export function compilePolicy(policy: EgressPolicy): CompiledPolicy {
  const { allow, ports = [] } = policy
  return {
    ...policy,
    patterns: allow && compilePatterns(allow),
    allPorts: new Set([...standardPorts, ...ports]),
  }
}
