/**
 * `exports` and `imports` of a package, as Node resolves them (https://nodejs.org/api/esm.html#resolution-algorithm-specification,
 * PACKAGE_EXPORTS_RESOLVE and PACKAGE_IMPORTS_RESOLVE). Pure.
 */

import { isRecord } from './package-file.ts'

/** Conditions of an import: those of bundlers for Workers. The order of the package counts, not this one. */
export function conditionsOf(isRequire: boolean): ReadonlySet<string> {
  return new Set(['workerd', 'worker', 'browser', isRequire ? 'require' : 'import', 'default'])
}

/** How deep conditions lie in each other, and how many alternatives there are in a list. */
const mostDepth = 20
const mostAlternatives = 50

/**
 * What `exports` has for a subpath (`.`, `./sub`): a path relative to the package that begins with `./`. Undefined when it
 * is not exported, or to none of these conditions.
 */
export function exportedPath(exports: unknown, subpath: string, conditions: ReadonlySet<string>): string | undefined {
  const isSugar = !isRecord(exports) || !Object.keys(exports).some((key) => key.startsWith('.'))
  if (isSugar) return subpath === '.' ? pathOf(exports, undefined, conditions, 0) : undefined
  return matchOf(exports, subpath, conditions, pathOf)
}

/** What `imports` has for a specifier (`#name`): a path as above, or the name of another package. Undefined for nothing. */
export function importedTarget(
  imports: unknown,
  specifier: string,
  conditions: ReadonlySet<string>,
): string | undefined {
  return isRecord(imports) ? matchOf(imports, specifier, conditions, targetOf) : undefined
}

type Choose = (
  target: unknown,
  matched: string | undefined,
  conditions: ReadonlySet<string>,
  depth: number,
) => string | undefined

/** The entry of a key, or of the longest pattern that fits (PATTERN_KEY_COMPARE). */
function matchOf(
  table: Readonly<Record<string, unknown>>,
  key: string,
  conditions: ReadonlySet<string>,
  choose: Choose,
): string | undefined {
  if (Object.hasOwn(table, key) && !key.includes('*')) return choose(table[key], undefined, conditions, 0)
  let best: { readonly pattern: string; readonly matched: string } | undefined
  for (const pattern of Object.keys(table)) {
    const star = pattern.indexOf('*')
    if (star === -1 || pattern.indexOf('*', star + 1) !== -1) continue
    const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)]
    const fits = key.startsWith(before) && key.endsWith(after) && key.length >= pattern.length && key !== before
    if (!fits || (best && !isMoreSpecific(pattern, best.pattern))) continue
    best = { pattern, matched: key.slice(before.length, key.length - after.length) }
  }
  return best && choose(table[best.pattern], best.matched, conditions, 0)
}

function isMoreSpecific(a: string, b: string): boolean {
  const difference = a.indexOf('*') - b.indexOf('*')
  return difference === 0 ? a.length > b.length : difference > 0
}

/** PACKAGE_TARGET_RESOLVE, paths in the package alone. */
const pathOf: Choose = (target, matched, conditions, depth) => {
  const path = targetOf(target, matched, conditions, depth)
  return path?.startsWith('./') ? path : undefined
}

/** PACKAGE_TARGET_RESOLVE. */
const targetOf: Choose = (target, matched, conditions, depth) => {
  if (depth > mostDepth) return undefined
  if (typeof target === 'string') return withMatch(target, matched)
  if (Array.isArray(target)) {
    for (const each of target.slice(0, mostAlternatives)) {
      const found = targetOf(each, matched, conditions, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (!isRecord(target)) return undefined
  for (const [condition, value] of Object.entries(target)) {
    if (!conditions.has(condition)) continue
    // Null says that it is not exported here; what comes after it does not count.
    if (value === null) return undefined
    const found = targetOf(value, matched, conditions, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

function withMatch(target: string, matched: string | undefined): string | undefined {
  const path = matched === undefined ? target : target.replaceAll('*', () => matched)
  // No way out of the package, nor into the packages that it has for itself.
  const segments = path.split(/[/\\]|%2f|%5c/i).slice(1)
  const isInner = path.startsWith('./') && segments.some((each) => ['', '.', '..', 'node_modules'].includes(each))
  return isInner ? undefined : path
}
