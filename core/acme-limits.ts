/** The bounds of talking with CAs by ACME. A part of the table in limits.ts. */

/** The bounds of ACME (RFC 8555), grouped by what they bound. */
export const acmeLimits = {
  acme: {
    /** One request with its answer, and the connection for it. */
    requestMs: 30_000,
    connectMs: 10_000,
    /** An answer's body; and characters of an address, and of what a CA says of a fault. */
    bodyBytes: 131_072,
    urlChars: 2_048,
    detailChars: 500,
    connections: 8,
    /** How long a connection is kept without a use: less than CAs keep theirs. */
    keepAliveMs: 3_000,
    /** How long the directory is believed. */
    directoryMs: 3_600_000,
    /** Orders that may begin within a time, at one CA with one account. */
    orders: { count: 10, perMs: 10_000 },
    /** Names of one order, and challenges answered at one time. */
    names: 100,
    parallelChallenges: 8,
    challengesListed: 20,
    /** A request whose nonce is refused is sent again so often. Unused nonces that are kept, and for how long. */
    badNonces: 5,
    nonces: 16,
    nonceMs: 60_000,
    /** Asking how far an order is: the first wait, the longest of our own, the longest that a CA may ask for. */
    firstPollMs: 250,
    longestPollMs: 10_000,
    longestAskedPollMs: 60_000,
    /** How long an order may stay in one state; and answers in a row that may fail meanwhile. */
    stateMs: 300_000,
    pollFailures: 3,
    /** Publishing the answer to a challenge, and taking it away: the DNS may take its time. */
    presentMs: 600_000,
    removeMs: 120_000,
    /** Retry-After: the longest that is honoured, and refusals that are remembered. */
    longestRetryAfterMs: 604_800_000,
    quiet: 1_000,
    /** Account keys that may be in force because nobody knows how a roll-over ended; tries to write a record that others write. */
    spareKeys: 8,
    recordTries: 5,
    /** Renewal information (RFC 9773): how soon and how late it is asked for again, and when the CA does not say. */
    leastRenewalInfoMs: 60_000,
    mostRenewalInfoMs: 86_400_000,
    renewalInfoMs: 21_600_000,
  },
  /** Challenges of CAs that are answered at one time, of each kind; a certificate for one, and its key. */
  challenges: {
    most: 1_000,
    certificateBytes: 8_192,
    /** How often challenges of other machines are looked for, in a folder and in a bucket, where each look costs money. */
    lookEveryMs: 1_000,
    lookInBucketEveryMs: 5_000,
    /** What other machines get to tell their fronts of one that they have found, and how long one is answered at most. */
    othersTellMs: 1_000,
    longestMs: 3_600_000,
  },
} as const
