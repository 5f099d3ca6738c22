/** The error of a publisher whose files cannot be published, with the paths and what is wrong with each. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** A path that cannot be published, and why: a clause to put after the path. */
export interface Refused {
  readonly path: string
  readonly reason: string
}

/**
 * Throws `ERR_PUBLISH_REFUSED` that names the refused paths with their reasons; `details.refused` lists at most
 * `limits.tree.refusedListed`, `details.count` tells how many there are.
 */
export function refuseFiles(refused: readonly Refused[]): never {
  const more = refused.length - limits.tree.refusedListed
  const clauses = listed(refused).map(({ path, reason }) => `${quote(path)} ${reason}`)
  throw refusal(`cannot publish: ${clauses.join('; ')}${more > 0 ? `; and ${more} more` : ''}`, refused)
}

/** The error for what is wrong with a tree as a whole. */
export function refusal(message: string, refused: readonly Refused[] = []): GroveError {
  return new GroveError('ERR_PUBLISH_REFUSED', message, {
    details: {
      count: refused.length,
      refused: listed(refused).map(({ path, reason }) => ({ path: path.slice(0, limits.tree.pathBytes), reason })),
    },
  })
}

/** A name from a stranger, for a message: what could steer a terminal or turn the text around is escaped. */
export function quote(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path).replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function listed(refused: readonly Refused[]): readonly Refused[] {
  return refused.slice(0, limits.tree.refusedListed)
}
