/**
 * `grove.json`, in which a site says what its code is and may do. It comes with the upload and is a stranger's, so all of
 * it is checked, and what is not known is an error.
 */

import { z } from 'zod'
import { envNamePattern } from '../core/code-manifest.ts'
import { type CodeRoute, codeRoutesSchema } from '../core/code-routes.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { toPlainText } from '../core/plain-text.ts'
import type { SandboxLimits } from '../core/sandbox-limits.ts'
import { refusedPathReason } from '../core/site-path.ts'
import { hostPatternSchema } from './egress/host-pattern.ts'

/** Where a site's own file lies. */
export const siteFileName = 'grove.json'

/** Where code lies that no file tells of. */
export const defaultEntry = '_worker.js'

/** What a site's own file says. */
export interface SiteFile {
  /** The module that its code begins with. Undefined: {@link defaultEntry}, if that is there. */
  readonly code: string | undefined
  /** Which paths go to its code or to its files, whatever there is. */
  readonly routes: readonly CodeRoute[]
  /** Variables of its code. Keyed by name. */
  readonly vars: Readonly<Record<string, string>>
  /** Hosts that its code may fetch. Undefined: every public one. */
  readonly allow: readonly string[] | undefined
  /** Paths of modules of WebAssembly in the upload, which the code finds in `env.WASM`. Keyed by name. */
  readonly wasm: Readonly<Record<string, string>>
}

/** Bounds of a site's own file that a tier sets. */
export type SiteFileLimits = Pick<SandboxLimits, 'vars' | 'varBytes'>

const pathSchema = z.string().superRefine((path, context) => {
  const reason = refusedPathReason(path)
  if (reason !== undefined) context.addIssue({ code: 'custom', message: `the path ${reason}` })
})

const nameSchema = z
  .string()
  .regex(envNamePattern, 'expected a name of letters, digits and _ that is not ASSETS, DATA or WASM')

function schemaOf({ vars, varBytes }: SiteFileLimits) {
  const value = z.string().refine((text) => Buffer.byteLength(text) <= varBytes, `more than ${varBytes} bytes`)
  return z.strictObject({
    /** For editors. */
    $schema: z.string().max(1_000).optional(),
    code: pathSchema
      .refine((path) => /\.(?:[cm]?[jt]s|[jt]sx)$/.test(path), 'expected a file of JavaScript or TypeScript')
      .optional(),
    routes: codeRoutesSchema.optional(),
    vars: z
      .record(nameSchema, value)
      .refine((all) => Object.keys(all).length <= vars, `more than ${vars} variables`)
      .optional(),
    allow: z.array(hostPatternSchema).max(limits.egress.hosts).optional(),
    wasm: z
      .record(nameSchema, pathSchema.regex(/\.wasm$/, 'expected a file that ends in .wasm'))
      .refine((all) => Object.keys(all).length <= limits.wasm.modules, `more than ${limits.wasm.modules} modules`)
      .optional(),
  })
}

/** What the file says. Throws `ERR_CODE` with every fault and where in the file it is (`details`: `{ faults }`). */
export function readSiteFile(bytes: Uint8Array, siteLimits: SiteFileLimits): SiteFile {
  const parsed = schemaOf(siteLimits).safeParse(parseJson(bytes))
  if (!parsed.success) {
    const faults = parsed.error.issues.slice(0, limits.siteFile.faults).map(describe)
    throw new GroveError('ERR_CODE', faults.map((fault) => `${siteFileName}: ${fault}`).join('\n'), {
      details: { faults },
    })
  }
  const { code, routes = [], vars = {}, allow, wasm = {} } = parsed.data
  return { code, routes, vars, allow, wasm }
}

/** What holds for a site without such a file. */
export const emptySiteFile: SiteFile = { code: undefined, routes: [], vars: {}, allow: undefined, wasm: {} }

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > limits.siteFile.bytes)
    throw new GroveError('ERR_CODE', `${siteFileName}: more than ${limits.siteFile.bytes} bytes`)
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new GroveError(
      'ERR_CODE',
      `${siteFileName}: it is no JSON: ${toPlainText((error as Error).message.slice(0, 200))}`,
    )
  }
}

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.map((part) => String(part).slice(0, 100)).join('.')
  // A name that is not allowed is told by what is wrong with it, not by the record that it is in.
  const inner = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined
  const message = (inner ?? issue.message).slice(0, 500)
  const plain = message.charAt(0).toLowerCase() + message.slice(1)
  return toPlainText(path === '' ? plain : `${path}: ${plain}`)
}
