/** One piece of work at a time for each content, or whatever has a name: who looks and who removes cannot meet. */

/** Runs work on things, in the order of the calls for each. Work must not call for its own thing again. */
export interface HashLocks {
  /** `name`: a hash, or another name that nothing else has. */
  run<T>(name: string, work: () => Promise<T>): Promise<T>
}

/** Locks that nobody holds. */
export function createHashLocks(): HashLocks {
  /** Keyed by name: when the last one in line is done. As large as what is under way. */
  const lines = new Map<string, Promise<unknown>>()
  return {
    async run(name, work) {
      const before = lines.get(name)
      const done = before ? before.then(work, work) : work()
      lines.set(name, done)
      try {
        return await done
      } finally {
        if (lines.get(name) === done) lines.delete(name)
      }
    },
  }
}
