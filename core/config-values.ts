/** Values that several parts of the config have. */

import { resolve } from 'node:path'
import { z } from 'zod'
import type { SecretSource } from './secrets.ts'

const fileName = z.string().min(1).max(4_096)

const sourceOptions = [
  z.strictObject({ file: fileName.describe("A file that holds it, relative to the config's folder.") }),
  z.strictObject({
    env: matching(/^[A-Za-z_]\w{0,127}$/, 'the name of an environment variable').describe(
      'An environment variable that holds it.',
    ),
  }),
] as const

/** Where a secret lies: `{ file }` or `{ env }`. */
export const secretSource = z.union(sourceOptions, '{ file: … } or { env: … }')

/** A secret itself, or where it lies. */
export const secret = z.union([z.string().min(1).max(4_096), ...sourceOptions], 'a text, { file: … } or { env: … }')

/** A text of a form. Not zod's own check of patterns, whose faults tell the pattern. */
export function matching(form: RegExp | ((text: string) => boolean), what: string) {
  return z.string().refine((text) => (typeof form === 'function' ? form(text) : form.test(text)), what)
}

/** A source with an absolute path in place of one that counts from a folder; anything else as it is. */
export function withAbsoluteFile<Source extends string | SecretSource>(source: Source, folder: string): Source {
  return typeof source === 'object' && 'file' in source ? { ...source, file: resolve(folder, source.file) } : source
}
