/**
 * The store: append-only logs and the grants that open them. One interface, a few drivers.
 *
 * Timestamps (`Ts`) are totally ordered within one store; compare them as strings. An acknowledged write is durable
 * (fsync). The guarantees G1 to G12 are in docs/store.md; each has a contract test that every driver passes.
 */

/** A moment in one store, `<storeId>.<20 digits>`: totally ordered there, compared as a string. */
export type Ts = string & { readonly __ts: unique symbol }

/** A bearer token for a grant. Whoever holds it has the grant's rights: never log it. */
export type Handle = string & { readonly __handle: unique symbol }

/** The id of a grant's record; not a secret. */
export type GrantId = string

/** One of the rights of a grant. */
export type Right = 'read' | 'write' | 'grant'

/**
 * Why something is denied, `details.reason` of `ERR_DENIED`. `handle`: not one that this store made, or altered, or with
 * a caveat that this version does not know.
 */
export type DenialReason = 'handle' | 'revoked' | 'expired' | 'rights' | 'path' | 'quota' | 'content'

/** What a grant allows under its path. */
export interface Rights {
  readonly read?: boolean
  readonly write?: boolean
  /** May make child grants, and logs under the path. */
  readonly grant?: boolean
}

/** A child grant: never more than its parent has. */
export interface GrantOptions extends Rights {
  /** Lies under the parent's path. */
  readonly path: string
  /** Not later than the parent's end. */
  readonly untilMs: number
  readonly label?: string
  /** Bytes of entries and contents that may be written under it and its children, together. Default: no bound. */
  readonly maxBytes?: number
  /** Writes that may be done under it and its children, together. Default: no bound. */
  readonly maxWrites?: number
}

/** How a holder narrows a handle without asking anybody. Each can only take away. */
export interface Caveats {
  /** Lies under the present path. */
  readonly path?: string
  /** Those of the present rights that stay. */
  readonly rights?: readonly Right[]
  readonly untilMs?: number
  /** The one content that may be written: SHA-256 in hex. */
  readonly hash?: string
  /** The most that one write may bring, in bytes. */
  readonly bytes?: number
}

/** A grant as shown to people. Holds no secret. */
export interface GrantInfo {
  readonly id: GrantId
  /** Undefined for the root only. */
  readonly parent: GrantId | undefined
  readonly path: string
  readonly rights: readonly Right[]
  readonly untilMs: number
  readonly label: string
  readonly madeAtMs: number
  readonly maxBytes: number | undefined
  readonly maxWrites: number | undefined
  readonly usedBytes: number
  readonly usedWrites: number
  /** When it was revoked itself, or by a grant above it. */
  readonly revoked: Ts | undefined
}

/** One element of a log. */
export interface Entry {
  readonly ts: Ts
  /** What of the log's history it stands for: `ts` itself, or for a merge the first and the last moment that it covers. */
  readonly lo: Ts
  readonly hi: Ts
  readonly data: Uint8Array
  /** What its writer said has to be readable first. */
  readonly after: readonly Ts[]
  /** The grant under which it was written. */
  readonly writer: GrantId
  /** When it was committed, by the store's clock, in milliseconds since the epoch. It orders nothing. */
  readonly atMs: number
  /** The writer's own id of the operation, if it gave one. */
  readonly opId: string | undefined
}

/** What a watcher is told. */
export type WatchEvent =
  | { readonly kind: 'entry'; readonly entry: Entry }
  /** All entries up to this moment were delivered: a cursor to go on from later. */
  | { readonly kind: 'progress'; readonly ts: Ts }
  /**
   * The cursor lies in what was trimmed. Nothing follows: read the entry `cover`, which stands for all that is gone, and
   * watch again after its `hi`.
   */
  | { readonly kind: 'reset'; readonly oldest: Ts | undefined; readonly cover: Ts }

/** A log in short. */
export interface LogInfo {
  readonly path: string
  readonly serialized: boolean
  readonly head: Ts | undefined
  /** The oldest entry that is kept. */
  readonly oldest: Ts | undefined
  /** The newest moment that was trimmed, and the entry that stands for what is gone; undefined when nothing was. */
  readonly trimmed: { readonly upto: Ts; readonly cover: Ts } | undefined
  readonly entries: number
  /** Of the entries' data. */
  readonly bytes: number
}

/** How an append is to happen. */
export interface WriteOptions {
  /** Append only if the log's head is this: compare-and-append. `undefined` in a given property means an empty log. */
  readonly expect?: Ts | undefined
  /** A repeat with the same id answers the first timestamp and appends nothing. 8 to 64 characters. */
  readonly opId?: string
  /** Timestamps that must be readable first; the new one is greater than all. */
  readonly after?: readonly Ts[]
  /** The interval that the entry stands for. Default: its own timestamp. */
  readonly covers?: { readonly lo: Ts; readonly hi: Ts }
}

/** An open log. Rights are checked at every call, in the same transaction as a write. */
export interface Log extends AsyncDisposable {
  readonly path: string
  /** The newest entry's timestamp, or undefined for an empty log. */
  head(): Promise<Ts | undefined>
  stat(): Promise<LogInfo>
  /**
   * Entries with `after < ts <= upto`, oldest first, as of the call. Throws `ERR_AFTER_NOT_VISIBLE` for another store's,
   * `ERR_TRIMMED` (details: `oldest`, `cover`) when some of what was asked for is forgotten. Without `after` it begins
   * with the oldest that is kept, and what is gone by then is there as the entry that stands for it; without `upto`,
   * also when that was written after the call.
   */
  read(range?: { readonly after?: Ts; readonly upto?: Ts; readonly limit?: number }): AsyncIterable<Entry>
  /**
   * Entries after a moment, in order, each once, then new ones as they are committed, until `signal` aborts; in between
   * marks of progress; or a reset. Throws `ERR_AFTER_NOT_VISIBLE` at the call, `ERR_DENIED` once the right is gone,
   * `ERR_CLOSED`, `ERR_TOO_MANY`.
   */
  watch(after: Ts | undefined, options: { readonly signal: AbortSignal }): AsyncIterable<WatchEvent>
  /**
   * Appends and answers the timestamp, durable. Throws `ERR_CONFLICT` (details: `head`) when `expect` does not hold,
   * `ERR_DENIED` (details: `reason`), `ERR_AFTER_NOT_VISIBLE`, `ERR_TOO_LARGE`, `ERR_DATA_IO`, `ERR_FENCED`,
   * `ERR_CLOSED`.
   */
  write(data: Uint8Array, options?: WriteOptions): Promise<Ts>
  /**
   * Forgets the entries with `from <= ts < to`. Only when the entry `by` of this log covers all of it and lies outside.
   * Throws `ERR_BAD_REQUEST` otherwise. A trim that was done already changes nothing.
   */
  trim(from: Ts, to: Ts, options: { readonly by: Ts }): Promise<void>
  close(): Promise<void>
}

/** Appends to several logs at one timestamp, all or nothing. */
export interface Transaction {
  write(log: Log, data: Uint8Array, options?: Pick<WriteOptions, 'expect' | 'covers'>): void
  /** Forgets entries of a log that this same transaction's entry of that log covers; see {@link Log.trim}. */
  trim(log: Log, from: Ts, to: Ts): void
  /** Throws like {@link Log.write}; then nothing was written. */
  commit(options?: { readonly opId?: string; readonly after?: readonly Ts[] }): Promise<Ts>
  abort(): void
}

/** What a use of a handle is about to do, beside its right: what caveats and quotas are held against. */
export interface Claim {
  /** SHA-256 in hex of the content. */
  readonly hash?: string
  readonly bytes?: number
}

/** Logs and grants. */
export interface Store extends AsyncDisposable {
  /** Random, made with the store. */
  readonly id: string
  /** The handle of everything, for the host itself. Never leaves the process. */
  readonly root: Handle
  /**
   * A new log; answers the handle narrowed to it. Needs `grant` and `write` on the path. Throws `ERR_EXISTS`. A
   * serialized log takes only writes with `expect`.
   */
  create(handle: Handle, path: string, options: { readonly serialized: boolean }): Promise<Handle>
  stat(handle: Handle, path: string): Promise<LogInfo>
  /** Paths of logs under a prefix, sorted. Needs `read` on the prefix. */
  list(handle: Handle, prefix: string): Promise<readonly string[]>
  /** A child grant. Needs `grant`. Throws `ERR_DENIED` when it would exceed its parent. Told in the log `/grants`. */
  grant(handle: Handle, options: GrantOptions): Promise<Handle>
  /** Grants whose path lies under a prefix, newest first, at most `limits.store.grantsListed`. Needs `grant` on it. */
  grants(handle: Handle, prefix: string): Promise<readonly GrantInfo[]>
  /**
   * A grant, alive or not, as it was made. For itself and its ancestors, and for whoever may grant on its path. Throws
   * `ERR_DENIED`, `ERR_NOT_FOUND` for an id.
   */
  show(handle: Handle, target: Handle | GrantId): Promise<GrantInfo>
  /** The grant that a handle names, narrowed by its caveats. Throws `ERR_DENIED` when it is not alive. */
  whoami(handle: Handle): Promise<GrantInfo>
  /**
   * Ends a grant and its whole subtree at one timestamp; no write under it gets a later one. Told in the log `/grants`.
   * `revoked` counts the grants that were alive until then.
   */
  revoke(handle: Handle, target: Handle | GrantId): Promise<{ readonly ts: Ts; readonly revoked: number }>
  /** Throws `ERR_DENIED` when a handle does not allow this. Writes nothing. */
  check(handle: Handle, right: Right, path: string, claim?: Claim): Promise<GrantInfo>
  /** Like {@link Store.check} for `write`, and counts one write and the claim's bytes against every quota above. Durable. */
  charge(handle: Handle, path: string, claim: Claim): Promise<GrantInfo>
  /** Opens a log. Throws `ERR_NOT_FOUND` or `ERR_DENIED`. */
  open(handle: Handle, path: string): Promise<Log>
  /** Begins a transaction over open logs. */
  begin(...logs: readonly Log[]): Promise<Transaction>
  /** The timestamp that an operation got, or undefined if it never happened: settles a lost answer. */
  lookup(handle: Handle, path: string, opId: string): Promise<Ts | undefined>
  /** Makes a new key for handles; those made with the old ones stay good until {@link Store.dropKeys}. Root only. */
  rotateKeys(handle: Handle): Promise<{ readonly kid: string }>
  /** Forgets all keys but the newest: handles that were made with them end. Answers how many went. Root only. */
  dropKeys(handle: Handle): Promise<number>
  /** Writes a whole, consistent copy of the store into a new file, durable. Root only. Throws `ERR_EXISTS`. */
  copyTo(handle: Handle, file: string): Promise<void>
}
