/** The bounds of a solver, which tests make smaller. */

import { limits } from '../../core/limits.ts'

/** Bounds of everything that has to do with the DNS; see `limits.dns`. */
export type DnsBounds = { readonly [Bound in keyof typeof limits.dns]: number }

/** The bounds of the table, with some of them replaced. */
export function toDnsBounds(changes: Partial<DnsBounds> = {}): DnsBounds {
  return { ...limits.dns, ...changes }
}
