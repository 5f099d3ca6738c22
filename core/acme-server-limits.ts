/** The bounds of the own CA's ACME server. A part of the table in limits.ts. */

/** The bounds of being asked for certificates by ACME (RFC 8555), grouped by what they bound. */
export const acmeServerLimits = {
  /**
   * The own CA's ACME server. Budgets are buckets: so many at once, then so many an hour. Numbers of records bound what
   * lies in the vault; what has ended is swept away.
   */
  acmeServer: {
    connections: 256,
    headersTimeoutMs: 10_000,
    requestTimeoutMs: 20_000,
    keepAliveMs: 5_000,
    /** What requests under way get when the listener closes. */
    closeMs: 2_000,
    bodyBytes: 65_536,
    pathChars: 512,
    /** Addresses whose budgets are remembered, and budgets of accounts. */
    buckets: 10_000,
    requests: { burst: 300, perHour: 36_000 },
    newAccounts: { burst: 20, perHour: 20 },
    newOrders: { burst: 50, perHour: 100 },
    /** Of a small network together: more than one account, and less in two days than there may be orders. */
    newOrdersOfNetwork: { burst: 300, perHour: 300 },
    failures: { burst: 20, perHour: 60 },
    nonces: 10_000,
    accounts: 10_000,
    orders: 20_000,
    ordersOfAccount: 300,
    countEveryMs: 60_000,
    namesOfOrder: 100,
    contacts: 10,
    contactChars: 256,
    /** How long an order may take, and how long its proofs count; how long one that has ended is told of. */
    orderMs: 86_400_000,
    endedMs: 86_400_000,
    /** How long an order waits for its first proof; then it is removed with the next sweep. */
    untouchedOrderMs: 21_600_000,
    sweepEveryMs: 3_600_000,
    /** An account that has no order, and was made so long ago, is removed. */
    idleAccountMs: 7_776_000_000,
    /**
     * Proofs that are being looked at, and those in line with them, of which an account has so many at a time; further
     * ones wait for their account's turn, and none is taken beyond all these.
     */
    validations: 16,
    validationsInLine: 1_000,
    validationsOfAccount: 4,
    waitingOfAccount: 300,
    waiting: 10_000,
    /** One look at a proof, and the waits before each look. */
    validationMs: 10_000,
    validationWaitsMs: [0, 1_000, 3_000],
    /** Addresses of a name that are tried, redirects that are followed, and bytes of a proof that are read. */
    addresses: 4,
    redirects: 5,
    proofBytes: 1_024,
    /** A record that others write at the same time is tried again so often. */
    raced: 10,
    /** A key that is taken: RSA of so many bits. */
    rsaLeastBits: 2_048,
    rsaMostBits: 8_192,
    /** The listener's own certificate is looked at so often, and addresses of this machine that it is for. */
    ownCertificateMs: 3_600_000,
    ownAddresses: 32,
  },
} as const
