/**
 * The bridge between the prelude inside an isolate and its host: numbers and shapes only, used by both sides.
 *
 * **How the two meet.** Before the prelude runs, the host puts one function on the global, `groveCall`; the prelude
 * takes it into a closure and deletes it. The prelude leaves {@link GuestEntries} on the global under the names of
 * {@link entryNames}; the host takes references to them and deletes them. Then it enters `load` with `begin`, with
 * `wasm` for each module, runs the site's bundle, which only hands a function to `groveDefine`, and enters `load` with
 * `run`: there the prelude calls that function under its own try, and says how it went with `ops.loaded` or `ops.fail`.
 * So no code of the site ever runs outside the prelude's own try, and nothing thrown by it reaches the host.
 *
 * **Numbers.** Requests and operations share one row of numbers, chosen by the host, never used twice in one isolate;
 * 0 is the code itself, while it loads. Each number can have a body in either direction: what a visitor or a server
 * sends comes *in* (`pull`), what the site sends goes *out* (`send`, `end`).
 *
 * **Owners.** The prelude holds, in `current`, the number of the request that the running entry is charged to:
 * `dispatch` sets it to the request, `deliver` to the request of the operation (its own for a request), `tick` to the
 * request it is called for. Timers and operations belong to the request that was current when they were made. While
 * the code loads, `current` is 0: timers and operations are refused then.
 *
 * **What crosses.** Only strings, numbers, booleans, undefined and `Uint8Array`s that own the whole of a buffer of
 * fixed length: cloning a view copies all that lies behind it, so the prelude sends fresh copies. The prelude checks
 * lengths before it calls, since a copy has been made by the time the host can look. The host looks all the same.
 *
 * **Failure.** The host never throws. An operation that did not happen answers a negative number of {@link faults}.
 */

/** A value that may cross the bridge. */
export type BridgeValue = string | number | boolean | Uint8Array | undefined

/** The host's one function, as the prelude finds it on the global under `groveCall`. */
export type HostCall = (op: number, a?: BridgeValue, b?: BridgeValue, c?: BridgeValue, d?: BridgeValue) => BridgeValue

/** The name of the host's function on the global before the prelude took it. */
export const hostCallName = 'groveCall'

/** The name of the prelude's function that takes the site's bundle, on the global until the bundle has called it. */
export const defineName = 'groveDefine'

/** The variable that a bundle leaves its exports in (`globalName` of esbuild's format `iife`). */
export const siteName = 'groveSite'

/** The function that a bundle gets modules of WebAssembly from which it imports: by name, as `loadSteps.wasm` gave them. */
export const wasmName = 'groveWasm'

/** What stacks call the bundle of a site; lines and columns are those of the bundle. */
export const siteFilename = 'grove:site'

/** What the prelude leaves on the global for the host, by the names of {@link entryNames}. */
export interface GuestEntries {
  /**
   * A request arrives. `headers` is a flat list joined by `\n` (`name\nvalue\nname\nvalue`, names in lower case, `''`
   * for none); it is meant to be split only when somebody looks. `url` is absolute and already normalised by the host's parser.
   * `flags` are those of {@link requestFlags}, added up. `requestId` is the one that visitors and log lines show.
   */
  dispatch(id: number, method: string, url: string, headers: string, flags: number, requestId: string): void
  /** Something arrives for a request or an operation; `kind` is one of {@link deliveries}. A number that is not known (any more) is ignored. */
  deliver(id: number, kind: number, payload?: BridgeValue, bytes?: BridgeValue): void
  /** Timers of the request `id` whose time is at or before `nowMs` (the isolate's own `Date.now()`) run. */
  tick(id: number, nowMs: number): void
  /** One step of loading, of {@link loadSteps}. */
  load(step: number, payload?: BridgeValue, bytes?: BridgeValue): void
}

/** Names of the guest's entries on the global, until the host has taken them. */
export const entryNames = {
  dispatch: 'groveDispatch',
  deliver: 'groveDeliver',
  tick: 'groveTick',
  load: 'groveLoad',
} as const satisfies Record<keyof GuestEntries, string>

/** What a request is like, as bits. */
export const requestFlags = {
  /** It has a body, to be had with `pull`. */
  hasBody: 1,
  /** It asks for a WebSocket (RFC 6455 section 4.1). */
  isUpgrade: 2,
} as const

/** Steps of loading. */
export const loadSteps = {
  /** `payload`: JSON of {@link LoadBegin}. */
  begin: 1,
  /** `payload`: the name of a module of `env.WASM`; `bytes`: its content, checked at publish. */
  wasm: 2,
  /** The bundle's function is called. Answered by `ops.loaded` or `ops.fail` before the entry ends. */
  run: 3,
} as const

/**
 * The host's operations. `id` is a number of a request or an operation. All answer a fault where they say nothing else.
 * "0" means done.
 */
export const ops = {
  /**
   * `(id, head, body?, rest)`: answers a request, once. `head`: JSON of {@link AnswerHead}, at most
   * {@link bridgeLimits}.headChars. `body`: the body or its beginning, a string (sent as UTF-8) or bytes, at most
   * {@link bridgeLimits}.wholeBytes. `rest`: one of {@link rests}. Answers how many bytes may be sent now, as
   * `send` does.
   */
  respond: 1,
  /**
   * `(id, chunk)`: a piece of the body that goes out, a string or bytes, at most {@link bridgeLimits}.chunkBytes (a
   * string: so many characters / 3). Answers how many bytes may be sent at once now; at 0 the prelude waits for `deliveries.writable`.
   */
  send: 2,
  /** `(id)`: the body that goes out is whole. Answers 0. */
  end: 3,
  /** `(id, error)`: the body that goes out breaks off; `error` is JSON of {@link GuestError}, for the log. Answers 0. */
  abort: 4,
  /**
   * `(id)`: asks for a piece of the body that comes in. Answers a `Uint8Array`, or {@link pulled}`.later` (then one
   * of `deliveries.chunk`, `ended`, `broken` comes; not more than one `pull` at a time), or {@link pulled}`.ended`.
   */
  pull: 5,
  /** `(id)`: no more of the body that comes in is wanted. Answers 0. */
  cancelBody: 6,
  /**
   * `(id, kind, error, pass)`: a request was not answered. `kind` is one of {@link failures}; `error` JSON of
   * {@link GuestError}; `pass`: whether the handler asked for `passThroughOnException`. With id 0 loading has failed. Answers 0.
   */
  fail: 7,
  /** `(id)`: the request is over: answer whole, or failed, and everything given to `waitUntil` settled. Answers 0. */
  done: 8,
  /** `(handlers)`: the code is loaded; names of the default export's handlers, joined by `,`. Answers 0. */
  loaded: 9,
  /**
   * `(owner, kind, arguments, bytes?)`: starts an operation of {@link operations} for a request. `arguments`: JSON, at most
   * {@link bridgeLimits}.argumentChars. `bytes`: see each operation, at most {@link bridgeLimits}.operationBytes. Answers the operation's number.
   */
  start: 10,
  /** `(id)`: an operation is not wanted any more (an aborted signal). Nothing is delivered for it from now on. Answers 0. */
  stop: 11,
  /** `(owner, dueMs)`: when the next timer of a request is due, by the isolate's `Date.now()`; -1 for none. Answers 0. */
  timer: 12,
  /** `(owner, level, text)`: a line of the log; level of {@link logLevels}. Answers 0, or a fault when nothing more is taken. */
  log: 13,
  /** `(owner, error)`: an error that nobody caught (an unhandled rejection, `reportError`): JSON of {@link GuestError}. Answers 0. */
  report: 14,
  /** `(count)`: so many random bytes, 1 to 65 536. Answers a `Uint8Array`. */
  random: 15,
  /**
   * `(url, base?)`: parses a URL as https://url.spec.whatwg.org says. Answers eleven strings joined by `\n`: href, origin, protocol,
   * username, password, host, hostname, port, pathname, search, hash. `faults.invalid` if it is none. `base` undefined for none.
   */
  parseUrl: 16,
  /** `(href, part, value)`: a URL with one part set; part of {@link urlParts}. Answers as `parseUrl` does, the same URL where the setter changes nothing. */
  setUrl: 17,
  /**
   * `(label, bytes, flags)`: decodes text of any label of the Encoding Standard in one go; flags of {@link decodeFlags}.
   * At most {@link bridgeLimits}.textBytes. Answers a string, or `faults.invalid` (bad label; malformed and `fatal`).
   */
  decode: 18,
  /** `(owner, label, flags)`: opens a decoder that keeps its state between pieces; it ends with its owner. Answers its handle (> 0). */
  openDecoder: 19,
  /** `(handle, bytes, last)`: decodes a piece, at most {@link bridgeLimits}.textBytes; `last` closes the decoder. Answers as `decode` does. */
  decodePiece: 20,
  /** `(text)`: UTF-8 of a string, lone surrogates replaced; at most {@link bridgeLimits}.textBytes / 3 characters. Answers a `Uint8Array`. */
  encode: 21,
  /** `(algorithm, bytes)`: `SHA-1`, `SHA-256`, `SHA-384`, `SHA-512` or `MD5` of at most {@link bridgeLimits}.digestBytes. Answers a `Uint8Array`. */
  digest: 22,
  /** `(label)`: the name of the encoding that a label stands for, in lower case. `faults.invalid` if none. */
  encodingOf: 23,
  /** `(id, message)`: a message out on the WebSocket of a request that was answered with 101, a string or bytes. Answers as `send` does. */
  message: 24,
  /** `(id, code, reason)`: closes the WebSocket of a request; code 0 for none. Answers 0. */
  closeSocket: 25,
  /**
   * `(id, mostBytes)`: takes all of the body that comes in as text, where all of it has come and it is no larger than that
   * and {@link bridgeLimits}.wholeBytes. Answers a string, as `decode` of `utf-8` with `ignoreBom` would; the body is over
   * then. Else {@link pulled}`.later` or a fault, and nothing has changed.
   */
  pullText: 26,
} as const

/**
 * What is left of a request when `respond` is called: more of the body, which comes with `send` and `end`; work, until `done` is
 * called; nothing, as if `done` had been called, unless the answer is a fault.
 */
export const rests = { body: 1, work: 2, nothing: 3 } as const

/** What `pull` answers when there is no piece at hand. */
export const pulled = { later: 0, ended: 1 } as const

/** Why an operation did not happen. */
export const faults = {
  /** The number is not known, or over, or of another kind. */
  closed: -1,
  /** Too many of them are under way. */
  tooMany: -2,
  /** The argument is too large. */
  tooLarge: -3,
  /** An argument of a wrong type or value. */
  argument: -4,
  /** Not while the code loads, or not for this site. */
  denied: -5,
  /** What was to be parsed or decoded is not valid. */
  invalid: -6,
  /** A bound of the request is used up: subrequests, lines of the log, CPU. */
  spent: -7,
  /** It was done before: a second answer, a second end. */
  again: -8,
} as const

/** What arrives with `deliver`. */
export const deliveries = {
  /** An operation's answer: `payload` JSON, `bytes` the body or its beginning. With `hasBody` in the JSON the rest is to be had with `pull`. */
  answer: 1,
  /** An operation has failed: `payload` JSON of {@link BridgeError}. It is over. */
  error: 2,
  /** After `pulled.later`: `payload` is a `Uint8Array`. */
  chunk: 3,
  /** After `pulled.later`: the body that comes in is whole. */
  ended: 4,
  /** The body that comes in breaks off: `payload` JSON of {@link BridgeError}. Comes without a `pull` too. */
  broken: 5,
  /** So many bytes (`payload`, a number) of the body that goes out may be sent at once now. */
  writable: 6,
  /** Nobody wants the body that goes out any more. For a request: the visitor is gone, its signal is aborted. */
  cancelled: 7,
  /** The request is over by force (a limit): the prelude forgets it, its timers and its operations. `payload`: why. */
  over: 8,
  /** A WebSocket message: `payload` a string or bytes. */
  message: 9,
  /** A WebSocket is closed: `payload` JSON of {@link SocketClose}. */
  socketClosed: 10,
} as const

/** Why a request was not answered by the site's code. */
export const failures = {
  /** The handler threw, or its promise was rejected: 500. */
  exception: 1,
  /** What the handler gave is not a response that can be sent: 502. */
  invalid: 2,
  /** There is no such handler: as if there were no code. */
  unhandled: 3,
  /** Loading: the bundle threw. */
  load: 4,
} as const

/** Levels of a line in the log. */
export const logLevels = { debug: 1, info: 2, warn: 3, error: 4 } as const

/** Parts of a URL that can be set. */
export const urlParts = {
  href: 1,
  protocol: 2,
  username: 3,
  password: 4,
  host: 5,
  hostname: 6,
  port: 7,
  pathname: 8,
  search: 9,
  hash: 10,
} as const

/** How text is decoded, as bits. */
export const decodeFlags = { fatal: 1, ignoreBom: 2 } as const

/** Kinds of operations; what each takes and answers stands with its type. */
export const operations = {
  /** {@link FetchArguments}, `bytes`: the body if it is whole; answers {@link FetchAnswer}. */
  fetch: 1,
  /** {@link AssetArguments}; answers {@link FetchAnswer}. */
  asset: 2,
  /** {@link DataArguments}, `bytes`: the value to put; answers {@link DataAnswer}, `bytes`: the value. */
  data: 3,
  /** {@link SubtleArguments}, `bytes`: all byte strings one after the other; answers {@link SubtleAnswer}, `bytes` alike. */
  subtle: 4,
  /** {@link CompressArguments}; what is sent comes back coded with `pull`, the answer `{"hasBody":true}` at once. */
  compress: 5,
} as const

/** Bounds of what crosses at one time; a larger argument is answered with `faults.tooLarge`. */
export const bridgeLimits = {
  headChars: 131_072,
  chunkBytes: 65_536,
  /** A body that goes along with its head. */
  wholeBytes: 262_144,
  argumentChars: 262_144,
  /** Bytes that go along with an operation. */
  operationBytes: 10_485_760,
  textBytes: 1_048_576,
  digestBytes: 65_536,
  urlChars: 16_384,
  randomBytes: 65_536,
  errorChars: 8_192,
  logChars: 16_384,
  messageBytes: 1_048_576,
} as const
