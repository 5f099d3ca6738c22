/**
 * What a site's code may use: one table with a default and a most for each bound, its unit in its name. A tier of the
 * config is a choice of numbers between; a site has the numbers of its tier.
 *
 * Which of the three watchdogs holds a bound stands with it, because they differ in what they can stop: the engine ends
 * a running entry, the process's own thread and the supervisor end the process.
 *
 * Its schemas stand in sandbox-limits-schema.ts: a tenant's process checks none of them, and is to start soon.
 */

/** One bound: what a tier gets that says nothing, and the most that a tier can be given. */
export interface Bound {
  readonly default: number
  readonly most: number
}

/** Every bound of a tier. Keyed by name. */
export const sandboxBounds = {
  /** CPU of one request, all its entries together, before it draws on the site's bucket. Held by the engine. */
  cpuMs: { default: 50, most: 5_000 },
  /** What the bucket of a site holds at most, for requests that need more than `cpuMs`. */
  cpuBucketMs: { default: 2_000, most: 30_000 },
  /** How much flows into the bucket each second. */
  cpuRefillMsPerSecond: { default: 100, most: 1_000 },
  /** One entry into the isolate, by the clock. The engine ends it; 250 ms later the process is ended. */
  entryMs: { default: 100, most: 1_000 },
  /** Loading: the top of the site's modules, by the clock. */
  startupMs: { default: 400, most: 1_000 },
  /** Until the head of an answer is there. */
  firstByteMs: { default: 10_000, most: 120_000 },
  /** Until an answer is whole. */
  totalMs: { default: 60_000, most: 900_000 },
  /** How long what was given to `waitUntil` may go on after the answer. */
  waitUntilMs: { default: 30_000, most: 300_000 },
  /** The heap of an isolate. A hint to the engine (facts: it can be passed by), so the process is bounded too. */
  heapMiB: { default: 64, most: 128 },
  /** Resident memory of the process, about 50 of which it needs itself. Held by its own thread, and the supervisor. */
  processMiB: { default: 256, most: 512 },
  /** One memory of WebAssembly. Checked at publish, held by V8. */
  wasmMemoryMiB: { default: 64, most: 64 },
  /** One module of WebAssembly. Checked at publish. */
  wasmModuleBytes: { default: 8_388_608, most: 8_388_608 },
  /** Entries of a table of WebAssembly. */
  wasmTableEntries: { default: 100_000, most: 100_000 },
  /** The bundle of a version's code. */
  bundleBytes: { default: 4_194_304, most: 16_777_216 },
  /** Variables and secrets of a site, and each of their values. */
  vars: { default: 64, most: 256 },
  varBytes: { default: 5_120, most: 65_536 },
  /** What one request may `fetch`, read from the site's own files and its data: how often, and how many at one time. */
  subrequests: { default: 20, most: 1_000 },
  concurrentSubrequests: { default: 6, most: 64 },
  /** Operations on the site's data that one request may do. */
  dataOperations: { default: 100, most: 10_000 },
  /** A body that the code takes as a whole (`text()`, `json()`, …), of a request or an answer of `fetch`. */
  bufferedBodyBytes: { default: 10_485_760, most: 67_108_864 },
  /** A body of a request that the code takes in pieces. */
  streamedBodyBytes: { default: 104_857_600, most: 1_073_741_824 },
  /** A body that `fetch` brings. */
  fetchedBytes: { default: 26_214_400, most: 1_073_741_824 },
  /** Fields of an answer, and all their names and values. */
  responseHeaders: { default: 128, most: 256 },
  responseHeaderBytes: { default: 65_536, most: 131_072 },
  /** A URL. */
  urlChars: { default: 16_384, most: 16_384 },
  /** Timers that wait. */
  timers: { default: 256, most: 1_000 },
  /** Operations of the host that are under way: `fetch`, data, files, cryptography, compression. */
  operations: { default: 64, most: 256 },
  /** Lines that one request writes to the log, their bytes, and lines of a site in a minute. */
  logLines: { default: 100, most: 1_000 },
  logBytes: { default: 65_536, most: 1_048_576 },
  logLinesPerMinute: { default: 1_000, most: 60_000 },
  /** Requests that one isolate answers at one time, and those that wait for it. The next gets 503. */
  concurrentRequests: { default: 100, most: 1_000 },
  queuedRequests: { default: 200, most: 2_000 },
  /** Cryptography, which runs outside the isolate and its clock: rounds of PBKDF2, bits of an RSA key, keys kept. */
  pbkdf2Iterations: { default: 600_000, most: 2_000_000 },
  rsaBits: { default: 4_096, most: 4_096 },
  cryptoKeys: { default: 1_000, most: 10_000 },
  /** What one DecompressionStream gives at most. */
  decompressedBytes: { default: 67_108_864, most: 1_073_741_824 },
} as const satisfies Record<string, Bound>

/** A bound's name. */
export type SandboxBound = keyof typeof sandboxBounds

/** The numbers that hold for a site. Keyed by name. */
export type SandboxLimits = Readonly<Record<SandboxBound, number>>

const names = Object.keys(sandboxBounds) as SandboxBound[]

function numbersOf(choose: (bound: Bound, name: SandboxBound) => number): SandboxLimits {
  return Object.fromEntries(names.map((name) => [name, choose(sandboxBounds[name], name)])) as SandboxLimits
}

/** What a site gets whose tier says nothing. */
export const defaultSandboxLimits: SandboxLimits = numbersOf((bound) => bound.default)

/** The most that a tier can be given. */
export const mostSandboxLimits: SandboxLimits = numbersOf((bound) => bound.most)

/** What a tier says itself. Keyed by name. */
export type SandboxTier = { readonly [name in SandboxBound]?: number | undefined }

/** The numbers of a tier, with the default where it says nothing. */
export function sandboxLimitsOf(tier: SandboxTier): SandboxLimits {
  return numbersOf((bound, name) => tier[name] ?? bound.default)
}

/** Bounds of the inside of a tenant's process that no tier changes; those of the process stand in sandbox-process-limits.ts. */
export const tenantLimits = {
  /** How long after an entry's limit the process's own thread waits before it ends the process. */
  killGraceMs: 250,
  /** How often that thread looks, and after how many looks without an entry it rests; then it looks at the memory alone. */
  watchMs: 10,
  restAfterLooks: 100,
  restMs: 2_000,
  /** When a process without requests rests, and how often it shows that it is alive then. */
  idleAfterMs: 2_000,
  idleBeatMs: 5_000,
  /** An entry gets this at least, however little CPU its request has left: less would end it by chance. */
  leastEntryMs: 20,
  /** Isolates of one code that only finish what they have begun. */
  drainingIsolates: 2,
  /** How long a visitor is told to wait after a limit was reached. */
  retryAfterSeconds: 1,
  /** How long a code that could not be loaded again is not tried. */
  reloadMs: 1_000,
  /** Requests of one isolate that are answered and go on with what was given to `waitUntil`. */
  background: 400,
  /** Decoders of one isolate that keep their state. */
  decoders: 256,
  /** Operations that wait for the supervisor, beside those that it works on. */
  waitingOperations: 1_024,
  /** Cryptography that takes long (deriving and making keys) runs so often at one time in a process. */
  slowCrypto: 1,
  /** Operations of cryptography that run at one time in a process, those among them. */
  crypto: 2,
  /** What compressing and decompressing costs a request, in ms for each MiB: it runs outside its isolate. */
  compressMsPerMiB: 25,
  decompressMsPerMiB: 5,
  /** WebSocket messages of one connection that wait for the isolate, and their bytes. */
  socketMessages: 256,
  socketBytes: 4_194_304,
  /** What entries may take in one turn of the event loop, beside the one that goes beyond it. */
  turnMs: 25,
  /** Deliveries that wait for the end of the entry that they came in. */
  waitingDeliveries: 4_096,
  /** Characters of a text that says where a limit was reached. */
  placeChars: 300,
} as const
