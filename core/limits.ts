/**
 * Every bound of Grove in one table, with its unit in its name. A number that limits something stands here or in the
 * config; only a plugin's own bounds stand with the plugin.
 */

import { acmeLimits } from './acme-limits.ts'
import { acmeServerLimits } from './acme-server-limits.ts'
import { bagLimits } from './bag-limits.ts'
import { certFilesLimits } from './cert-files-limits.ts'
import { codeLimits } from './code-limits.ts'
import { dnsLimits } from './dns-limits.ts'
import { managedLimits } from './managed-limits.ts'
import { sandboxProcessLimits } from './sandbox-process-limits.ts'
import { siteCodeLimits } from './site-code-limits.ts'
import { storeLimits } from './store-limits.ts'

/** The bounds that are not configurable, grouped by what they bound. */
export const limits = {
  ...storeLimits,
  ...dnsLimits,
  ...certFilesLimits,
  ...acmeLimits,
  ...managedLimits,
  ...acmeServerLimits,
  ...bagLimits,
  ...codeLimits,
  ...sandboxProcessLimits,
  ...siteCodeLimits,
  /** Requests from visitors (facts: nginx, HAProxy, Envoy and Node's own defaults compared). */
  http: {
    headerBytes: 16_384,
    headerCount: 100,
    methodBytes: 32,
    targetBytes: 8_192,
    headersTimeoutMs: 10_000,
    /** How much of a connection's first line is looked at for HTTP/0.9. */
    firstLineBytes: 4_096,
    bodyIdleMs: 30_000,
    writeIdleMs: 30_000,
    /** Slowest pace of a client that sends a body or takes an answer, beyond the idle time above. */
    minBytesPerSecond: 500,
    keepAliveMs: 60_000,
    requestsPerConnection: 1_000,
    connectionAgeMs: 3_600_000,
    /** Requests of one HTTP/1.1 connection that wait for the answer before them. */
    pipelined: 32,
    /** A request body that nobody wants is taken and thrown away up to this size; beyond it the connection ends. */
    discardBytes: 65_536,
    /** How long an ending connection still takes what its client sends, so that the client can read the answer. */
    lingerMs: 2_000,
    /** What a draining front gives to connections that have not sent their first request yet. */
    freshGraceMs: 1_000,
    /** HTTP/2 streams of one connection that ended with an error: so many at once, then so many per second. */
    resets: { burst: 200, perSecond: 33 },
    /** HTTP/2 PING and SETTINGS frames of one connection: so many at once, then so many per second. */
    controlFrames: { burst: 100, perSecond: 10 },
    /** HTTP/2 frames of one connection that break the protocol and do not end it by themselves. */
    invalidFrames: 100,
    /** Entries of X-Forwarded-For that are read, from the right. */
    forwardedHops: 32,
    tlsSessionSeconds: 7_200,
    concurrentStreams: 100,
    connectionsPerFront: 20_000,
    handshakeTimeoutMs: 10_000,
    /** A certificate of a client, which goes to upstreams with each of its requests. */
    clientCertificateBytes: 6_144,
    /** How much of a ClientHello is looked at before a TLS library gets it. */
    helloBytes: 16_384,
    ranges: 16,
  },
  /** Upstreams: what a site's own server may take. */
  upstream: {
    connectTimeoutMs: 3_000,
    /** Below Node's server default of 5 s, so that no request meets a connection that is being closed. */
    keepAliveMs: 4_000,
    connections: 256,
    /** Requests to one upstream, waiting ones and unfinished answers included; the next one gets 503. */
    underWay: 2_048,
    headerBytes: 65_536,
    /** Longest pause inside an answer's body, while the visitor takes it. */
    bodyIdleMs: 300_000,
  },
  /** WebSockets that are open or being opened. */
  webSocket: { perFront: 10_000, perSite: 4_000 },
  /** Copies of a file in other content codings. */
  variant: { minBytes: 256, maxBytes: 16_777_216, parallel: 2, lookups: 32, inLine: 20_000, unusedMs: 604_800_000 },
  /** One file's line in a compiled version. */
  compiled: { lineBytes: 65_536 },
  /** What one front keeps in memory. */
  front: {
    bodyCacheBytes: 67_108_864,
    bodyBytes: 1_048_576,
    certificates: 10_000,
    revocations: 250_000,
    /** Signed identities that are used again for a while. */
    identities: 10_000,
    /** Characters of a failure in an access line. */
    noteChars: 500,
    /** Files being read into the cache at one time; more are streamed. */
    loads: 64,
    /** Values of Accept-Encoding that are remembered as parsed, and the longest of them. */
    acceptEncodings: 256,
    acceptEncodingChars: 256,
    /** How long a settling waits for answers of versions before, and how many of these are watched. */
    settleMs: 10_000,
    epochs: 64,
    /** Reaching control again: the first wait and the longest. */
    firstRetryMs: 50,
    longestRetryMs: 500,
    /** How long a handshake waits for a certificate; `http.handshakeTimeoutMs` bounds it as a whole. */
    certificateMs: 8_000,
    /** Sites that a visitor came for and that have to be loaded first: how long they are waited for, and how many. */
    siteMs: 10_000,
    siteAsks: 1_000,
    /** How long a site whose live version control has not confirmed is served before it is asked again. */
    siteCheckMs: 1_000,
    /** What loaded sites take in memory, about; and how many stay, however much they take. */
    tableBytes: 67_108_864,
    leastTables: 16,
    /** Pieces of one compiled version that are read at a time. */
    pieceReads: 8,
    /** How long a request waits for a content that control has to get first, and how many contents are waited for. */
    contentMs: 10_000,
    contentAsks: 1_000,
    /** Copies whose absence control was told of, and how long it is not told again. */
    copyReports: 1_000,
    copyReportMs: 10_000,
    /** Media ranges of an Accept header that are looked at for an error page. */
    mediaRanges: 32,
  },
  /** Sessions. `revocations`: those that ended before their time and have not expired. */
  session: { revocations: 250_000, longestMs: 31_536_000_000, userIdChars: 256, cookieChars: 1_024 },
  /** Certificates. `unknownNames` and `asking` bound what a flood of made-up names costs a front; `issuing` control. */
  cert: {
    leaves: 10_000,
    issuing: 1_000,
    asking: 1_000,
    unknownNames: 4_096,
    unknownNameMs: 1_000,
    retryMs: 10_000,
    /** The names and networks that the own CA is limited to, encoded: they go along in every handshake. */
    constraintBytes: 8_192,
    /** A certificate with its chain in PEM, its key in PEM, and what is in one. */
    chainBytes: 131_072,
    keyBytes: 32_768,
    chain: 10,
    names: 1_000,
    rsaLeastBits: 2_048,
    rsaMostBits: 8_192,
    rsaExponentBits: 33,
    /** A certificate that begins this far in the future is taken: the clock of its CA may be ahead of ours. */
    aheadMs: 60_000,
    /** The vault: text of a record, tries of a call that others come before, how long a removed record is remembered. */
    recordBytes: 262_144,
    recordTries: 16,
    goneKeptMs: 604_800_000,
    /**
     * Leases: between two signs of life of their holder, after which it gives them up without having given one, and
     * after which others take it for dead. The difference of the last two is for clocks that do not go at one speed.
     */
    leaseTickMs: 1_000,
    leaseBeatMs: 4_000,
    leaseLostMs: 10_000,
    leaseDeadMs: 15_000,
    /** Leases that are held, and leases of others that are watched; and how long a holder that is silent is remembered. */
    leases: 10_000,
    holderKeptMs: 86_400_000,
  },
  /** Frames between processes, and calls under way on one channel. */
  channel: { frameBytes: 67_108_864, pending: 10_000, queuedBytes: 134_217_728, callTimeoutMs: 30_000 },
  /** The control socket. */
  admin: {
    /** Names of the own CA in a list of certificates: each site has one. */
    ownCertificates: 1_000,
    jsonBytes: 67_108_864,
    /** One line of an answer of lines. */
    lineBytes: 1_048_576,
    connections: 256,
    headersTimeoutMs: 10_000,
    requestTimeoutMs: 3_600_000,
    waitMs: 30_000,
    history: 1_000,
    /** Sites that one answer lists. */
    sitesListed: 1_000,
    /** Faults of a body that an error tells. */
    faults: 20,
  },
  /** Control: sites, turns that wait for one of them, and how long fronts may take to answer. */
  control: {
    sites: 200_000,
    /** Certificates of single names that are ordered before a visitor comes; those of further names on demand. */
    eagerCertificates: 100,
    namesEveryMs: 1_000,
    turns: 1_000,
    compileParallel: 4,
    helloMs: 5_000,
    frontConnections: 1_024,
    frontAnswerMs: 10_000,
    inForceMs: 5_000,
    stateAnswerMs: 30_000,
    settleAnswerMs: 15_000,
    revokeAnswerMs: 2_000,
    statsAnswerMs: 1_000,
    parentAnswerMs: 30_000,
    rotateEveryMs: 300_000,
    leafSweepEveryMs: 86_400_000,
    recompileEveryMs: 10_000,
    /** How long after a publish its site is pruned, and how often objects without use are collected. */
    pruneAfterMs: 5_000,
    collectEveryMs: 86_400_000,
    bannerUrls: 20,
    /** Sites of a bucket that are noted at one time. */
    adoptParallel: 1_000,
    /** Sites that stay open though nobody uses them. */
    openSites: 500,
    /** A site of at most so many bytes is fetched from a bucket as a whole when one of its contents is missing. */
    wholeSiteBytes: 268_435_456,
    /** Pieces of live versions that are remembered, so that the next version needs not compile them again. */
    livePieces: 30_000,
    /** Entries after which the log of what is outstanding is merged; more, if so many sites are. */
    outstandingEntries: 200,
    /** How often a version may be passed over for a newer one before one is put live anyway. */
    passedOver: 5,
  },
  /** Deliveries of publishes to plugins: retried with growing waits, without end. */
  outbox: {
    firstRetryMs: 100,
    longestRetryMs: 60_000,
    changesPerEvent: 1_000,
    parallel: 16,
    /** One for each plugin and site that has something to be told. */
    inLine: 1_000_000,
    stopMs: 5_000,
    errorChars: 500,
    receiptBytes: 4_096,
  },
  /** Counting what sites use, and telling plugins. `sites`: in one batch, above those that can exist for the deleted. */
  usage: {
    everyMs: 60_000,
    sites: 200_000,
    takeAnswerMs: 10_000,
    lastWordMs: 4_000,
    meteredTimeoutMs: 60_000,
    cursors: 1_000,
  },
  /** The config file: how long it may run, and a secret or a file of certificates that it names. */
  config: { loadMs: 30_000, secretBytes: 1_048_576 },
  /** Plugins. */
  plugin: {
    startTimeoutMs: 10_000,
    stopTimeoutMs: 5_000,
    /** Being told of a certificate; and how many one plugin is told of at one time. */
    certificateTimeoutMs: 10_000,
    certificateCalls: 100,
    /** Logs and commands that one plugin opens. */
    logs: 100,
    commands: 100,
    /** Requests for routes that control takes from fronts at one time. */
    connections: 1_000,
    routeTimeoutMs: 30_000,
    routeBodyBytes: 65_536,
    /** Bodies for routes that one front holds, from their first byte to the answer. */
    routeBodiesBytes: 67_108_864,
    publishedTimeoutMs: 60_000,
    /** Names and values that plugins add to one static file. */
    fileHeaderBytes: 8_192,
    /** Options of one plugin: faults that are told, the length of each, and how deep and how far a value is looked into. */
    optionFaults: 100,
    faultChars: 300,
    optionPath: 32,
    optionLeaves: 10_000,
  },
  /** Time that a stopping process gives to what is under way. */
  drainMs: 30_000,
  /** Stopping: what a front gets above {@link drainMs} before it is killed, and what control gets for its own end. */
  stop: { graceMs: 2_000, controlMs: 15_000 },
  /** The command line: open files and requests at a time, how long it waits for an answer and for control to come back. */
  cli: {
    parallelFiles: 8,
    parallelSends: 8,
    answerMs: 120_000,
    reconnectMs: 30_000,
    firstAnswerMs: 3_000,
    /** Between tries to reach control: the first wait and the longest. */
    firstRetryMs: 100,
    longestRetryMs: 1_000,
    passwordBytes: 4_096,
    namesShown: 100,
    publishRounds: 10,
  },
  /** `grove trust`: the system's own tools, and folders of browser profiles that are looked through. */
  trust: { toolMs: 120_000, toolOutputBytes: 16_777_216, profiles: 100 },
  /** The parent: how long fronts may take to accept from a new socket, and tries for a port that is free on all addresses. */
  parent: { listenMs: 10_000, freePortTries: 20 },
  /** The log: lines that wait for an output that is slow, and how often it is tried. */
  log: { queuedBytes: 8_388_608, retryMs: 50 },
  /** Restarts of a crashed process: the first wait and the longest. */
  restart: { firstMs: 100, longestMs: 10_000 },
} as const
