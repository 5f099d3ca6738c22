/** The bounds of what the store keeps: trees, logs, grants, segments, objects. A part of the table in limits.ts. */

/** The bounds of the store, grouped by what they bound. */
export const storeLimits = {
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
  /** Sites and logs. */
  store: {
    entryBytes: 67_108_864,
    /** Of logs and grants. A handle can be narrowed to the longest, and more than once. */
    pathBytes: 1_024,
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
    /** A site that nobody has changed for so long is at rest. */
    restMs: 600_000,
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
    /** A root counts as older than its site unless it was written so long after the site's last change was begun. */
    rootMarginMs: 3_600_000,
    /** What was taken into the cache is forced to disk after this, when the system has done that by itself. */
    freshMs: 600_000,
    /** Of what was taken into the cache last, so much is read and checked at the start; the rest is fetched anew. */
    freshCheckedBytes: 1_073_741_824,
    /** What control keeps in memory of all sites' trees and of where their contents lie. */
    nodesBytes: 16_777_216,
    indexFrames: 100_000,
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
    epochsEveryMs: 3_600_000,
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
    /** In a shared folder, a file that somebody began so long ago is one that nobody will finish. */
    abandonedMs: 3_600_000,
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
} as const
