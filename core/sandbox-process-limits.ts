/** The bounds of sandboxes that no tier changes: links, processes, the supervisor. A part of the table in limits.ts. */

/** The bounds of tenant processes and of the lines to them, grouped by what they bound. */
export const sandboxProcessLimits = {
  /** Links with a tenant process. */
  sandboxLink: {
    /** What one frame carries, and one piece of a body. */
    payloadBytes: 1_048_576,
    chunkBytes: 65_536,
    /** What may be sent of one body in one direction and has not been taken yet. */
    windowBytes: 262_144,
    /** JSON of a frame that is not a body. */
    headBytes: 262_144,
    /** Bytes queued to an end that does not read; then the link ends. */
    queuedBytes: 67_108_864,
    /** What one link may make its reader take in one turn of the event loop. */
    turnBytes: 131_072,
    /** Frames that are joined into one write, and the payload from which on one is written by itself. */
    joinedBytes: 65_536,
    apartBytes: 8_192,
  },
  /** What the supervisor takes from one tenant process. */
  sandboxTenant: {
    /**
     * Work that frames make, in units: one for a frame, and one for each KiB of a frame that has to be parsed. Beyond
     * it the link is not read for a while, which holds up nobody but the tenant.
     */
    burst: 20_000,
    perSecond: 10_000,
    operations: 64,
    /** Of these, how many may be sending a body: each may have a window of it waiting here. */
    operationBodies: 16,
    /** Versions that one process has at one time. */
    codes: 4,
    logBytes: 16_384,
    errorChars: 8_192,
    /** Lines of the log of one site: so many at once, then so many per second. */
    logBurst: 1_000,
    logPerSecond: 17,
    /** Kept of standard error: what a process says before it dies. */
    lastWordsBytes: 8_192,
  },
  /** Tenant processes: how they are started, watched and ended. */
  sandboxProcess: {
    /** From the start to the first beat, and from `load` to `loaded`. */
    startMs: 15_000,
    loadMs: 10_000,
    /** Signs of life while anything is under way; while nothing is, they may be rarer. */
    beatMs: 100,
    /** CPU that a process may use without a beat, and how long it may give none at all. */
    beatlessCpuMs: 2_000,
    silentMs: 30_000,
    /** CPU that a process may use in all while it has no code to run. */
    emptyCpuMs: 2_000,
    /** How long a process may live on after it has closed its link. */
    linkEndMs: 1_000,
    /** How often a process that works is looked at, and one that does not. */
    watchMs: 100,
    idleWatchMs: 2_000,
    /** A process counts as working for so long after its last request. */
    workingMs: 3_000,
    /** Above the sum of all that is known to be needed; a bound on what the kernel has to keep books of. */
    addressBytes: 34_359_738_368,
    files: 256,
    threads: 64,
    /** Without a request: a code is given up, a process ends. */
    codeIdleMs: 60_000,
    idleMs: 300_000,
    /** How long a version stays loaded after another has become live. */
    supersededMs: 10_000,
    sweepMs: 1_000,
    /** What requests get that are under way in a process that is to end, or in a code that is unloaded. */
    drainMs: 60_000,
    /** Requests that were on their way when a code was unloaded are still taken for so long. */
    unloadGraceMs: 2_000,
    /** How long a front may take to connect a new process, or to give one up. */
    linkMs: 3_000,
    releaseMs: 3_000,
    /** Processes that start at one time, and sites that wait for one. */
    starting: 2,
    waiting: 1_000,
    spares: 2,
    /** How soon spares follow a change: fronts come and go together. */
    refreshMs: 100,
    /** What a visitor is told to wait when there is no process for them. */
    busyRetryMs: 1_000,
    /** How long what is asked of control waits for control to be there. */
    controlMs: 5_000,
    /** A process that is to end has nothing under way when it was not used for so long; one that makes room, for less. */
    quietMs: 5_000,
    roomQuietMs: 1_000,
    processes: 200,
    /** Kills of one site within a minute, after which it rests; and the rests between them. */
    kills: 5,
    killsMs: 60_000,
    firstBackOffMs: 100,
    longestBackOffMs: 30_000,
    quarantineMs: 60_000,
    longestQuarantineMs: 900_000,
    /** A rest that whoever asks waits for instead of being told to come later. */
    shortRestMs: 1_000,
    /** Sites whose kills are remembered. */
    remembered: 10_000,
    /** What the probing of one capability may take. */
    probeMs: 15_000,
  },
  /** Operations on a site's data. */
  sandboxData: { valueBytes: 1_048_576, answerMs: 10_000 },
  /** Lines of sites' logs on their way to control: one batch in so many milliseconds, at most so large. */
  sandboxLog: { batchLines: 1_000, batchBytes: 1_048_576, batchMs: 100 },
  /** Site code. */
  sandboxCode: {
    modules: 32,
    hosts: 256,
    urlChars: 16_384,
    headers: 512,
    headerChars: 131_072,
    keyChars: 512,
    listed: 1_000,
  },
} as const
