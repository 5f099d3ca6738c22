/** What is done with site code by another folder, given to control by whoever starts it. */

import type { CompileCode } from './site-code.ts'

/** The tools of site code. */
export interface CodeTools {
  readonly compile: CompileCode
  /** Throws `ERR_CONFIG_INVALID` for what is no pattern of hosts. */
  readonly checkHosts: (hosts: readonly string[]) => void
  /** Maps places in a bundle, as stacks name them, to places in its sources, by the bundle's source map. */
  readonly createStackMap: (map: string) => { map(text: string): string }
}
