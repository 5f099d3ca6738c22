/**
 * Which paths of a site go to its code although they have a file, and which never do. By default a file wins, and what
 * has none goes to the code.
 */

import { z } from 'zod'
import { codeLimits } from './code-limits.ts'

/**
 * One route. A pattern is a path as it stands in a URL, decoded (`/feed`), or with `*` at its end all paths that begin
 * so (`/api/*`).
 */
export const codeRouteSchema = z.strictObject({
  pattern: z
    .string()
    .max(codeLimits.siteFile.patternChars)
    .regex(/^\/[^*?#\0]*\*?$/, 'expected a path that begins with "/" and may end in "*"'),
  to: z.enum(['code', 'static']),
})
/** One route. */
export type CodeRoute = z.output<typeof codeRouteSchema>

/** The routes of a site, in the order in which they are looked at: the first that matches counts. */
export const codeRoutesSchema = z.array(codeRouteSchema).max(codeLimits.siteFile.routes)

/** The code of a live version, as fronts are told of it; a version without code has none. */
export const codeStateSchema = z.object({ routes: codeRoutesSchema })

/** Where a path is to go: undefined where no route says. */
export function routeOf(routes: readonly CodeRoute[], path: string): CodeRoute['to'] | undefined {
  return routes.find(({ pattern }) =>
    pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern,
  )?.to
}
