/**
 * The bounds of what site code reaches and is made of, beside those that a tier of the config sets (sandbox-limits.ts).
 * A part of the table in limits.ts.
 */

/** The bounds of site code, grouped by what they bound. */
export const codeLimits = {
  /** What `fetch` of site code may do. One site's, where nothing else is said. */
  egress: {
    /** Followed before a fetch fails. */
    redirects: 5,
    /** How often a request may have passed through sites of ours before one of them may fetch no more. */
    hops: 3,
    /** Fetches under way, answers that are being read included; and those that wait beside them. */
    underWay: 128,
    waiting: 512,
    /** Connections to one origin. */
    connections: 32,
    connectTimeoutMs: 5_000,
    /** Until the head of an answer is there, while the request makes no progress either. */
    headMs: 30_000,
    /** Longest pause inside a body, while somebody takes it. */
    bodyIdleMs: 15_000,
    /** From the first byte of a request to the last of its answer. */
    totalMs: 900_000,
    keepAliveMs: 4_000,
    /** Headers that go out, and all their names and values. */
    headers: 128,
    headerBytes: 32_768,
    /** Of an answer. */
    answerHeaders: 128,
    answerHeaderBytes: 65_536,
    methodChars: 32,
    /** A body that is small enough to be sent again after a redirect that asks for it. */
    replayBytes: 65_536,
    /** An answer that nobody wants is read to its end if it is as short as this; else its connection is closed. */
    discardBytes: 16_384,
    /** A look-up of a name: in all, one question to one server, questions under way and in line. */
    lookUpMs: 5_000,
    questionMs: 2_000,
    lookUps: 16,
    lookUpsWaiting: 256,
    /** Addresses of one name that are tried, and that are looked at. */
    addresses: 8,
    addressesSeen: 64,
    /** Names whose addresses are remembered, and how long. */
    names: 256,
    leastTtlMs: 1_000,
    longestTtlMs: 30_000,
    /** How often the addresses of this machine are looked at. */
    interfacesMs: 5_000,
    /** Hosts that a site may name, ports and networks that an operator may. */
    hosts: 100,
    ports: 100,
    networks: 1_000,
  },
  /** What site code is bundled from, and into. */
  bundle: {
    /** Files that one bundle is made of, one of them, and all of them. */
    files: 5_000,
    fileBytes: 8_388_608,
    sourceBytes: 16_777_216,
    /** Paths that are looked at: resolving one import looks at several. */
    lookUps: 200_000,
    specifierChars: 1_024,
    /** The name of an imported module of WebAssembly; the manifest of a version's code takes no longer ones. */
    wasmNameChars: 128,
    mapBytes: 33_554_432,
    /** For one bundle, bundles at one time, and those that wait for their turn. */
    ms: 15_000,
    parallel: 2,
    waiting: 64,
    /** Heap of the compiler, a hint to it. */
    heapMiB: 512,
    /** Faults and warnings that are told, and how much of a line of source with each. */
    faults: 10,
    lineChars: 120,
  },
  /** A module of WebAssembly (most of V8's own bounds are ten or a hundred times these). */
  wasm: {
    modules: 32,
    types: 50_000,
    parameters: 1_000,
    fields: 2_000,
    imports: 10_000,
    exports: 20_000,
    functions: 100_000,
    tables: 64,
    globals: 50_000,
    tags: 1_000,
    elements: 100_000,
    dataSegments: 50_000,
    customSections: 256,
    nameBytes: 4_096,
    /** Locals of one function, and of all functions of a module together. */
    locals: 50_000,
    allLocals: 4_000_000,
    functionBytes: 4_194_304,
    /** Blocks within blocks; a `switch` of so many cases is compiled to so many. */
    nesting: 10_000,
    branchTargets: 65_520,
    pageBytes: 65_536,
    /** For the check of one module in a process of its own, its heap, and the checks at one time. */
    ms: 10_000,
    heapMiB: 256,
    waiting: 64,
  },
  /** Fronts and the processes of site code. */
  frontCode: {
    /** Versions of sites whose process is remembered, and processes whose end is. */
    known: 10_000,
    /** Numbers of requests on one link; none is given to two at one time. */
    streams: 1_073_741_824,
    /** How often the supervisor is told what was used. */
    useMs: 1_000,
    /** How long a request waits for a supervisor that is away, and for a process with the code. */
    supervisorMs: 3_000,
    needMs: 30_000,
    /** How long what was under way waits for the word of why its process ended. */
    endingMs: 250,
    /** Bytes of messages that a visitor of a WebSocket has not taken; then they are cut off. */
    socketQueuedBytes: 4_194_304,
  },
  /** A site's own file, `grove.json`. */
  siteFile: { bytes: 65_536, routes: 100, patternChars: 256, faults: 20 },
  /** Secrets of sites. Shorter ones would be found everywhere in a text that has nothing to do with them. */
  siteSecret: {
    leastChars: 8,
    hosts: 20,
    lineChars: 16_384,
    /** Lines of one secret that are looked for by themselves, and all spellings of a site's secrets together. */
    lines: 100,
    spelledChars: 4_194_304,
  },
  /** Stacks of errors as the author reads them. */
  stack: { chars: 16_384, lines: 50 },
  /** `grove dev`, which serves a site while it is written. */
  dev: {
    /** Sandboxes: that of the code in force, one that drains, and one that waits. */
    processes: 4,
    /** Codes whose requests may still be under way. */
    versions: 5,
    /** How long files have to be quiet before a change counts. */
    settleMs: 80,
    /** Pages that listen for changes. */
    pages: 100,
    /** Errors that are kept for the pages that ran into them; how long such a page waits for one, and how often it looks. */
    errors: 100,
    errorWaitMs: 1_000,
    errorLookMs: 10,
    headMs: 60_000,
  },
} as const
