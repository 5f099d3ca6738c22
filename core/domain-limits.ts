/** Bounds of domains that authors bring: a part of core/limits.ts. */

/** Bounds of domains that authors bring. */
export const domainLimits = {
  /**
   * Domains of one site, and of a host, proven or not. `asks`: how often a site may have the DNS asked, and its domains
   * changed; the DNS is asked `parallel` questions at a time, and `waiting` are under way or in line.
   */
  domains: {
    ofSite: 100,
    ofHost: 100_000,
    asks: { burst: 250, perHour: 1_200 },
    parallel: 16,
    waiting: 256,
    /** Values that were found in place of the right one, as shown. */
    found: 5,
    /** `--wait`: between two looks, first and at most, and how long it waits unless it is told. */
    firstLookMs: 1_000,
    longestLookMs: 30_000,
    waitMs: 3_600_000,
  },
} as const
