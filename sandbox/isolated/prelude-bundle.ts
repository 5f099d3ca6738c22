/**
 * The prelude as one script: the guest's modules and its libraries, put together once by the supervisor. Tenant processes
 * get it over their link, since they can read none of it.
 */

import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { GroveError } from '../../core/errors.ts'

/**
 * Puts the prelude together, from the sources in a clone and from JavaScript in a package. Names are kept as they are, since
 * code can see them (`Response.name`). Throws `ERR_INTERNAL` when it cannot be put together.
 */
export async function buildPrelude(): Promise<string> {
  const entry = new URL(`../guest/main${extname(import.meta.filename)}`, import.meta.url)
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(entry)],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2024',
    // Plain ASCII lies in one byte a character on its way and in the isolate.
    charset: 'ascii',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'silent',
    // Options of a project around it are not about it.
    tsconfigRaw: '{}',
  })
  const [output] = outputFiles
  if (!output) throw new GroveError('ERR_INTERNAL', 'the prelude came out empty')
  return output.text
}
