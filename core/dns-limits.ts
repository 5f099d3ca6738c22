/** The bounds of proving names by DNS. A part of the table in limits.ts. */

/** The bounds of dns-01 (RFC 8555 section 8.4), grouped by what they bound. */
export const dnsLimits = {
  dns: {
    /** One question to one server, tries at it, and all of that together. */
    queryMs: 2_000,
    tries: 2,
    questionMs: 10_000,
    /** Aliases (CNAME) that are followed from `_acme-challenge`, and names that are tried for the zone above. */
    aliases: 8,
    zoneLevels: 32,
    /** Name servers of a zone that are asked, and addresses of each. */
    servers: 16,
    addresses: 8,
    parallel: 8,
    /** Waiting until the servers have a record: how often they are asked, and how long. */
    pollMs: 2_000,
    propagationMs: 120_000,
    /** The record is given to the provider anew when servers still do not have it after so long. */
    againMs: 30_000,
    /** So often a server may fail to answer before the others are enough. */
    silentRounds: 3,
    /** How long other resolvers may keep a record of ours. */
    ttlSeconds: 60,
    /** One call of a provider, tries to take a record away, and the wait between them. */
    providerMs: 120_000,
    removeTries: 3,
    removeRetryMs: 2_000,
    /** Challenges whose place is remembered until they are taken away. */
    places: 10_000,
  },
} as const
