/** A checker: a pure function from what is known of a history to the faults that it finds, each a sentence. */

/** One checker. */
export interface Checker<Facts> {
  /** Short, for tables. */
  readonly name: string
  /** What has to hold, a sentence. */
  readonly holds: string
  check(facts: Facts): string[]
}

/** What a checker found. */
export interface Finding {
  readonly checker: string
  readonly fault: string
}

/** What some checkers find. */
export function findingsOf<Facts>(checkers: readonly Checker<Facts>[], facts: Facts): Finding[] {
  return checkers.flatMap(({ name, check }) => check(facts).map((fault) => ({ checker: name, fault })))
}
