/**
 * Every bound of Grove in one table, with its unit in its name. A number that limits something stands here or in the
 * config; only a plugin's own bounds stand with the plugin.
 */

/** The bounds that are not configurable, grouped by what they bound. */
export const limits = {
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
  /** A published tree. */
  tree: {
    files: 100_000,
    fileBytes: 1_073_741_824,
    totalBytes: 17_179_869_184,
    pathBytes: 1024,
    segmentBytes: 255,
    /** Of all paths of one tree together: a log entry that lists them all has to fit. */
    allPathsBytes: 16_777_216,
    messageChars: 1_000,
    /** Refused paths that an error names; it counts the others. */
    refusedListed: 100,
  },
  /** Copies of a file in other content codings. */
  variant: { minBytes: 256, maxBytes: 16_777_216, parallel: 2, lookups: 32, inLine: 20_000 },
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
  },
  /** Frames between processes, and calls under way on one channel. */
  channel: { frameBytes: 67_108_864, pending: 10_000, queuedBytes: 134_217_728, callTimeoutMs: 30_000 },
  /** The control socket. */
  admin: {
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
    openSites: 1_000,
    /** Pieces of live versions that are remembered, so that the next version needs not compile them again. */
    livePieces: 50_000,
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
    sites: 20_000,
    takeAnswerMs: 10_000,
    lastWordMs: 4_000,
    meteredTimeoutMs: 60_000,
    cursors: 1_000,
  },
  /** Sites and logs. */
  store: {
    entryBytes: 67_108_864,
    pathBytes: 4_096,
    grantDepth: 16,
    labelChars: 200,
    /** A handle: how long it can be, and how often it can be narrowed. */
    handleChars: 2_048,
    caveats: 16,
    /** Grants that one answer lists, and that a revocation counts; it ends all of them, however many. */
    grantsListed: 1_000,
    grantsCounted: 10_000,
    transactionLogs: 64,
    opIdMinChars: 8,
    opIdMaxChars: 64,
    /** How long after an operation its id is known at least, though its entry is trimmed. */
    opKeptMs: 86_400_000,
    /** Timestamps that one entry comes after. */
    afterMoments: 64,
    /** Requests that wait for the engine of the logs, and the bytes that they bring; and those of one step of it. */
    queuedRequests: 32_768,
    queuedBytes: 268_435_456,
    batchRequests: 1_024,
    batchBytes: 16_777_216,
    /** Handles that the engine remembers as checked. */
    handlesKnown: 4_096,
    /** What one step of a read or a watch takes from the disk: so many entries, and no further one past the bytes. */
    pageEntries: 256,
    pageBytes: 1_048_576,
    watchers: 10_000,
    /** Between two marks of progress to a watcher. */
    progressMs: 1_000,
    /** Newest entries of one watched log that are kept for its watchers, and of all together. */
    tailEntries: 256,
    tailBytes: 262_144,
    tailsBytes: 33_554_432,
    /** Blobs that are looked for at one time. */
    blobLookups: 64,
    /** Folders that are forced to disk at one time. */
    folderSyncs: 64,
    /** Changes of one site that wait for each other. */
    waitingChanges: 256,
    /** How often a change of a site is built anew because another writer of its log came first. */
    conflictRetries: 16,
    /** One node of a tree, as stored; and levels of nodes, leaves included. */
    treeNodeBytes: 65_536,
    treeLevels: 8,
    /** Paths of a publish that overlap with another's, that an error names; it counts the others. */
    conflictPathsListed: 100,
    /** Versions of one site that are kept, whatever is asked for; and twice as many before a publish is refused. */
    versionsKept: 10_000,
    /** Pins of one site. */
    pins: 1_000,
    pinNameChars: 200,
    /** Segments of a site before small ones are merged: with a list, a root and one page, a cold site needs 9 requests. */
    segments: 6,
    /** A segment of at least this length is left as it is, as long as half of it is in use. */
    fullSegmentBytes: 8_388_608,
    /** Entries of a site's log since its last checkpoint, before a prune that finds nothing else to do writes one. */
    checkpointEntries: 64,
    /** Each prune looks through the segments of a site of so many files; of a larger one no more often than this. */
    thoroughFiles: 5_000,
    thoroughEveryMs: 3_600_000,
    /** Contents that were sent are kept so long for their publish. */
    uploadKeptMs: 86_400_000,
    /** An object without a use is removed when it is found so twice, at least so far apart; and how many are noted. */
    collectGraceMs: 86_400_000,
    collectNoted: 100_000,
    /** What was taken into the cache is forced to disk after this, when the system has done that by itself. */
    freshMs: 600_000,
    /** Of what was taken into the cache last, so much is read and checked at the start; the rest is fetched anew. */
    freshCheckedBytes: 1_073_741_824,
    /** What control keeps in memory of all sites' trees and of where their contents lie. */
    nodesBytes: 33_554_432,
    indexFrames: 200_000,
    /** Contents of segments that are fetched at one time, and the length up to which a segment is fetched whole for one. */
    fetches: 8,
    waitingFetches: 200_000,
    wholeFetchBytes: 1_048_576,
    /** The root of a site in a bucket: the shortest time between two, its length, and files whose place it tells. */
    rootEveryMs: 1_100,
    rootBytes: 200_000,
    rootFiles: 4_000,
    rootTextBytes: 16_777_216,
    /** Epochs of an owner that are left in a bucket, beside the newest. */
    epochsKept: 16,
  },
  /** Segments: objects that pack many contents and tree nodes; and the large contents that lie beside them. */
  segment: {
    /** Of what comes out of one segment: so many where there is that much, and never more than the most. */
    targetBytes: 8_388_608,
    mostBytes: 16_777_216,
    /** A longer content is an object by itself. */
    bareBytes: 16_777_216,
    entries: 65_536,
    /** Longest object of a segment: above what its contents, their checks and its index can come to. */
    storedBytes: 25_165_824,
    /** Contents that are read and packed ahead of the one that is being written. */
    ahead: 4,
    /** What is packed (between two turns of the event loop) or opened without another thread: in a millisecond or two. */
    packInLineBytes: 65_536,
    openInLineBytes: 262_144,
    /** What is gathered for one write. */
    pieceBytes: 262_144,
    /** The window that an unpacker gives room for, as a power of two. */
    windowLog: 23,
    /** Of a large content that is sealed. */
    blockBytes: 1_048_576,
    /** Keys that are configured for encryption at rest. */
    keys: 16,
  },
  /** Objects in a bucket or a folder: requests, and how long they are tried again. */
  objects: {
    keyBytes: 512,
    prefixBytes: 128,
    /** Requests that are under way at one time, and that wait for their turn. */
    parallel: 8,
    waiting: 10_000,
    /** Connections to the bucket: those of requests, and of objects that are being streamed. */
    sockets: 128,
    connectMs: 5_000,
    /** Longest pause of a connection on which something is awaited. */
    idleMs: 15_000,
    /** One try as a whole: a time for the answer, and one for its bytes at the slowest pace that is put up with. */
    answerMs: 30_000,
    minBytesPerSecond: 65_536,
    /** Tries of one request (of a long read: without another piece of the length below), and the waits between them. */
    tries: 6,
    firstRetryMs: 100,
    longestRetryMs: 5_000,
    /** After this no further try begins. */
    retryingMs: 60_000,
    /** A read that brought so much before it broke may break as often again. */
    resumeBytes: 1_048_576,
    /** An object, or a part of one, that is taken into memory as a whole. */
    readBytes: 67_108_864,
    /** Largest object of a single PUT, by S3's own limit. */
    objectBytes: 5_368_709_120,
    /** Objects of one answer to a list, by S3's own limit. */
    listed: 1_000,
    presignMs: 900_000,
    /** Names of folders that are known to be durable. */
    foldersKnown: 20_000,
    /** What is read from a file or written to one at a time. */
    pieceBytes: 262_144,
  },
  /** Verifying a store: faults that are listed, names in one of them, logs read at one time, nodes kept in memory. */
  verify: { faults: 1_000, names: 5, logs: 16, nodesBytes: 67_108_864 },
  /**
   * Moving a site between stores: parts of the file that tell of it, versions' lines, one list of files; contents and
   * the bytes of tree nodes that one site may bring; what may follow after the end of the file.
   */
  transfer: {
    aboutBytes: 1_048_576,
    versionsBytes: 67_108_864,
    listBytes: 33_554_432,
    contents: 1_000_000,
    nodesBytes: 268_435_456,
    paddingBytes: 1_048_576,
  },
  /** The config file: how long it may run, and a secret or a file of certificates that it names. */
  config: { loadMs: 30_000, secretBytes: 1_048_576 },
  /** Plugins. */
  plugin: {
    startTimeoutMs: 10_000,
    stopTimeoutMs: 5_000,
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
