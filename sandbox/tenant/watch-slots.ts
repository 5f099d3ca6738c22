/** What stands where in the numbers that the main thread and the watchdog share. */
export const watchSlots = {
  /** Counts up at each entry and at each end of one: odd while the thread is inside. */
  entry: 0,
  limitMs: 1,
  /** The most resident memory; 0 for no bound. */
  memoryMiB: 2,
  /** 1 while the watchdog rests and has to be woken by an entry. */
  isResting: 3,
  /** Never written: waiting for it is a sleep. */
  pause: 4,
} as const
