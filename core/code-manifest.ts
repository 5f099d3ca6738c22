/**
 * What a version's code was made into at its publish, as files of the version under `.grove/`: so it is kept, exported,
 * restored and rolled back with the version, and never changes with the tools that made it.
 *
 * An import may bring a stranger's, so it is checked whenever it is read, and nothing in it is a path.
 */

import { z } from 'zod'
import { codeRoutesSchema } from './code-routes.ts'
import { limits } from './limits.ts'
import { blobHashSchema } from './names.ts'
import { sandboxBounds } from './sandbox-limits.ts'
import { clashKey } from './site-path.ts'

/** Files that Grove makes lie in this folder of a tree; nobody can publish there. */
export const madeFolder = '.grove'

/** Where the manifest lies, and what it names. */
export const codeFiles = {
  manifest: `${madeFolder}/code.json`,
  bundle: `${madeFolder}/worker.js`,
  map: `${madeFolder}/worker.js.map`,
  wasm: (place: number) => `${madeFolder}/wasm/${place}.wasm`,
} as const

/** Whether a path is one of those that Grove makes, on whatever disk. */
export function isMadePath(path: string): boolean {
  const key = clashKey(path)
  return key === madeFolder || key.startsWith(`${madeFolder}/`)
}

/** The names that site code may give to variables, secrets and modules; those that Grove gives are taken. */
export const envNamePattern = /^(?!(?:ASSETS|DATA|WASM)$)[A-Za-z_][A-Za-z0-9_]{0,127}$/

const content = z.strictObject({ hash: blobHashSchema, bytes: z.int().nonnegative() })

/** The manifest. */
export const codeManifestSchema = z.strictObject({
  format: z.literal('grove-code-1'),
  bundle: content.extend({ bytes: z.int().nonnegative().max(sandboxBounds.bundleBytes.most) }),
  /** The source map of the bundle. */
  map: content.optional(),
  /** The first is `.grove/wasm/0.wasm`. */
  wasm: z
    .array(
      content.extend({
        name: z.string().min(1).max(128),
        bytes: z.int().nonnegative().max(sandboxBounds.wasmModuleBytes.most),
      }),
    )
    .max(limits.sandboxCode.modules),
  routes: codeRoutesSchema,
  /** Keyed by name. */
  vars: z.record(z.string().regex(envNamePattern), z.string().max(sandboxBounds.varBytes.most)),
  /** Hosts that its fetch may ask; absent for all public ones. */
  allow: z.array(z.string().max(256)).max(limits.sandboxCode.hosts).optional(),
  /** Paths of the files that the code was made of: they are not served. */
  sources: z.array(z.string()).max(limits.bundle.files),
})
/** The manifest. */
export type CodeManifest = z.output<typeof codeManifestSchema>

/** Reads a manifest. Answers undefined for what is none. */
export function readCodeManifest(bytes: Uint8Array): CodeManifest | undefined {
  try {
    const parsed = codeManifestSchema.safeParse(JSON.parse(Buffer.from(bytes).toString('utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
