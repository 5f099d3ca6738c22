/**
 * The bounds of certificates that are had from CAs, and of handing them out on demand; each with its unit in its name.
 * Part of the one table in limits.ts.
 */

/** The bounds of managed certificates, grouped by what they bound. */
export const managedLimits = {
  /** Certificates that are obtained and renewed by themselves. */
  managed: {
    /** Certificates that are looked after. */
    names: 200_000,
    lookEveryMs: 600_000,
    /** Waking up is no more often than this, however many names are due. */
    leastLookMs: 1_000,
    /** Records of certificates that are read at one time when all are looked through. */
    reads: 8,
    /**
     * Going through the vault: how long after the start, and then how often. After so many records that were read, or
     * names alone, there is a rest, so that visitors notice nothing of it: 100,000 records take minutes.
     */
    walkAfterMs: 10_000,
    walkEveryMs: 86_400_000,
    walkRecords: 2,
    sweepNames: 100,
    restMs: 5,
    /** A backup looks at a folder of it so often, while records in it are replaced. */
    backupLooks: 100,
    /** Certificates whose chain and key are kept in memory. */
    loaded: 1_000,
    /** Orders under way at one time. */
    orders: 8,
    /** One order at one CA; and what is to be left at least of a certificate when it comes. */
    orderMs: 600_000,
    leastLeftMs: 60_000,
    /**
     * Asking the CA when it wants a renewal; how long until it is asked again when it does not answer, and when it has
     * nothing to say.
     */
    renewalInfoMs: 30_000,
    renewalInfoEveryMs: 21_600_000,
    renewalInfoNoneMs: 604_800_000,
    revokeMs: 60_000,
    /** A lease that somebody has is asked for so often before a revocation is refused, and with such pauses. */
    leaseTries: 20,
    leaseRetryMs: 250,
    /** Another machine has the lease: when it is looked again; a holder that died is noticed only by such looks. */
    elsewhereMs: 5_000,
    /** A record cannot be read or written: when it is tried again; and tries to keep a certificate that was just obtained. */
    vaultRetryMs: 60_000,
    keepTries: 10,
    keepRetryMs: 2_000,
    /** The longest wait that a CA can ask for with Retry-After. */
    longestWaitMs: 604_800_000,
    /** A CA that sent so many names away is asked for none like them, for so long at most; of so many CAs and domains. */
    sentAway: 3,
    crowdedMs: 3_600_000,
    crowds: 1_000,
    /** Records of one name that are found damaged within so long of each other are replaced ever more slowly. */
    damagesMs: 86_400_000,
    /**
     * Where several machines share a vault: how often each looks for revocations of the others, how many it takes note of,
     * and how long a note of one stays. Who was away for longer looks at every name at its start.
     */
    revokedEveryMs: 60_000,
    revokedNotes: 10_000,
    revokedKeptMs: 172_800_000,
    /** How long after its end a certificate that nobody wants is kept. */
    expiredMs: 1_209_600_000,
    errorChars: 1_000,
    recordChars: 262_144,
    /** Handshakes that wait for one name's order, and how long. */
    waiters: 100,
    waitMs: 120_000,
  },
  /**
   * Certificates on demand. Budgets are buckets: so many at once, fewer of them right after a start, then so many an hour;
   * each table of them is bounded, and so is what is remembered of names. `questions`: those for names that are not ours;
   * `ownerOrders`: for names that authors of one site bring.
   */
  onDemand: {
    allowedNames: 10_000,
    allowedMs: 300_000,
    refusedNames: 10_000,
    refusedMs: 60_000,
    asking: 256,
    askMs: 5_000,
    buckets: 10_000,
    questions: { burst: 30, perHour: 360 },
    addressOrders: { burst: 10, perHour: 10, atStart: 5 },
    domainOrders: { burst: 30, perHour: 0.25, atStart: 10 },
    ownerOrders: { burst: 30, perHour: 2, atStart: 10 },
    allOrders: { burst: 100, perHour: 100, atStart: 50 },
  },
  /** Proof that an author owns a domain: a question to the DNS, and answers that are looked at. */
  ownership: { queryMs: 3_000, tries: 2, totalMs: 10_000, records: 100, recordChars: 512 },
  /**
   * Domains that authors bring: of one site, and of a host, proven or not. `asks`: how often a site may have the DNS asked
   * and its domains changed; the DNS is asked `parallel` questions at a time, and `waiting` are under way or in line, of
   * which `waitingOfSite` for one site. `ownBytesOfSite`: of `limits.cert.constraintBytes`, where the own CA signs for them.
   */
  domains: {
    ofSite: 100,
    ofHost: 100_000,
    asks: { burst: 250, perHour: 1_200 },
    parallel: 16,
    waiting: 256,
    waitingOfSite: 16,
    ownBytesOfSite: 2_048,
    /** Values that were found in place of the right one, as shown. */
    found: 5,
    /** `--wait`: between two looks, first and at most, and how long it waits unless it is told. */
    firstLookMs: 1_000,
    longestLookMs: 30_000,
    waitMs: 3_600_000,
  },
  /** Keys of TLS session tickets that are known at one time, and how long a start waits for those of other machines. */
  tickets: { keys: 4, raced: 8, waitMs: 5_000 },
} as const
