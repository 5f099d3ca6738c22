/**
 * Bundles an upload at publish, in a process that is thrown away: esbuild is a large program, and what it is given was
 * written by strangers. Files come to it one by one from the upload; it is never told of a folder.
 */

import { extname } from 'node:path'
import { limits } from '../../core/limits.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { runThrowaway } from '../throwaway/run-throwaway.ts'
import type { Bundle, BundleOptions, ReadTree } from './bundle.ts'

/** What is bundled. */
export interface BundleTreeOptions extends BundleOptions {
  readonly readTree: ReadTree
  readonly signal?: AbortSignal | undefined
}

const turnstile = createTurnstile({
  parallel: limits.bundle.parallel,
  most: limits.bundle.waiting,
  what: 'codes that are bundled',
})

/**
 * Bundles what begins with a file of an upload. Rejects with `ERR_CODE`: faults of the code with their places, or a bound
 * (bytes, files, `limits.bundle.ms`); `ERR_TOO_MANY`; what `readTree` rejects with.
 */
export async function bundleTree({ readTree, signal, ...options }: BundleTreeOptions): Promise<Bundle> {
  const { ms, heapMiB } = limits.bundle
  return turnstile.run(
    async () =>
      (await runThrowaway({
        module: new URL(`./bundle-process${extname(import.meta.filename)}`, import.meta.url),
        what: 'bundling',
        input: options,
        answer: (path) => (typeof path === 'string' ? readTree(path) : undefined),
        timeoutMs: ms,
        heapMiB,
        // Two processors and this much memory are what the compiler may take; it is written in Go.
        variables: { GOMAXPROCS: '2', GOMEMLIMIT: `${heapMiB}MiB` },
        signal,
      })) as Bundle,
    signal,
  )
}
