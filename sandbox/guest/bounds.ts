/**
 * Bounds of work that guest code does for the site, beside those of the bridge (sandbox/bridge.ts) and of the tier
 * (`GuestLimits`). They keep one call from doing much at no cost; CPU and memory are the host's to bound.
 */

/** The bounds, units in their names. */
export const bounds = {
  /** Entries of a form that is parsed, and bytes of the header of one. */
  formEntries: 1_000,
  partHeaderBytes: 16_384,
  /** Objects and entries that one `structuredClone` goes through, and how deep. */
  cloneValues: 1_000_000,
  cloneDepth: 2_000,
  /** Console: how deep objects are shown, entries of each, characters of a string inside an object, labels of counters and timers. */
  inspectDepth: 3,
  inspectEntries: 100,
  inspectStringChars: 10_000,
  consoleLabels: 256,
  consoleGroups: 20,
  /** Marks and measures that `performance` keeps. */
  performanceEntries: 1_000,
  /** Messages that wait in a port. */
  portMessages: 1_000,
  /** Characters of a stack and of a cause, in an error that is told to the author. */
  stackChars: 6_000,
  messageChars: 1_500,
  causeDepth: 4,
} as const
