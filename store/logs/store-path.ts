/** Paths of logs and grants: `/sites/ada/blog/versions`. They name records; they are never paths of files. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

const pattern = /^(?:\/[A-Za-z0-9_@-][A-Za-z0-9_@.-]*)+$/

/**
 * The text as a path of a log: segments of `A-Za-z0-9_@.-` that do not start with a dot, each after a `/`.
 * Throws `ERR_BAD_REQUEST`.
 */
export function toLogPath(text: string): string {
  if (typeof text === 'string' && text.length <= limits.store.pathBytes && pattern.test(text)) return text
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(String(text).slice(0, 200))} is not a path of a log`)
}

/** The text as a path that logs lie under: like {@link toLogPath}, or `/` for all. Throws `ERR_BAD_REQUEST`. */
export function toPrefix(text: string): string {
  return text === '/' ? text : toLogPath(text)
}

/** Whether a path is the prefix or lies under it, by whole segments: `/a` covers `/a/b` and not `/ab`. */
export function covers(prefix: string, path: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`)
}
