/** The process in which an upload is bundled. */

import { setPriority } from 'node:os'
import { serveThrowaway } from '../throwaway/serve-throwaway.ts'
import type { BundleOptions } from './bundle.ts'
import { bundleHere } from './bundle-here.ts'

/** Behind whatever serves visitors. */
const niceness = 10

setPriority(niceness)
serveThrowaway(async (input, ask) =>
  bundleHere(input as BundleOptions, async (path) => (await ask(path)) as Uint8Array | undefined),
)
