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
}

/** One element of a log. */
export interface Entry {
  readonly ts: Ts
  readonly data: Uint8Array
  /** The grant under which it was written. */
  readonly writer: GrantId
  /** The writer's own id of the operation, if it gave one. */
  readonly opId: string | undefined
}

/** How an append is to happen. */
export interface WriteOptions {
  /** Append only if the log's head is this: compare-and-append. `undefined` in a given property means an empty log. */
  readonly expect?: Ts | undefined
  /** A repeat with the same id answers the first timestamp and appends nothing. 8 to 64 characters. */
  readonly opId?: string
  /** Timestamps that must be readable first; the new one is greater than all. */
  readonly after?: readonly Ts[]
}

/** An open log. Rights are checked at every call, in the same transaction as a write. */
export interface Log extends AsyncDisposable {
  readonly path: string
  /** The newest entry's timestamp, or undefined for an empty log. */
  head(): Promise<Ts | undefined>
  /** Entries with `after < ts <= upto`, oldest first, as of the call. Throws `ERR_AFTER_NOT_VISIBLE` for another store's. */
  read(range?: { readonly after?: Ts; readonly upto?: Ts; readonly limit?: number }): AsyncIterable<Entry>
  /**
   * Entries after a moment, in order, each once, then new ones as they are committed, until `signal` aborts. Throws
   * `ERR_AFTER_NOT_VISIBLE` at the call, `ERR_DENIED` once the right is gone, `ERR_CLOSED`, `ERR_TOO_MANY`.
   */
  watch(after: Ts | undefined, options: { readonly signal: AbortSignal }): AsyncIterable<Entry>
  /**
   * Appends and answers the timestamp, durable. Throws `ERR_CONFLICT` (details: `head`) when `expect` does not hold,
   * `ERR_DENIED` (details: `reason` of handle, revoked, expired, rights, path), `ERR_AFTER_NOT_VISIBLE`,
   * `ERR_TOO_LARGE`, `ERR_DATA_IO`, `ERR_CLOSED`.
   */
  write(data: Uint8Array, options?: WriteOptions): Promise<Ts>
  close(): Promise<void>
}

/** Appends to several logs at one timestamp, all or nothing. */
export interface Transaction {
  write(log: Log, data: Uint8Array, options?: { readonly expect?: Ts | undefined }): void
  /** Throws like {@link Log.write}; then nothing was written. */
  commit(options?: { readonly opId?: string }): Promise<Ts>
  abort(): void
}

/** Logs and grants. */
export interface Store extends AsyncDisposable {
  /** Random, made with the store. */
  readonly id: string
  /** The handle of everything, for the host itself. Never leaves the process. */
  readonly root: Handle
  /** A new log. Needs `grant` and `write` on the path. Throws `ERR_EXISTS`. A serialized log takes only writes with `expect`. */
  create(handle: Handle, path: string, options: { readonly serialized: boolean }): Promise<void>
  /** Paths of logs under a prefix, sorted. Needs `read` on the prefix. */
  list(handle: Handle, prefix: string): Promise<readonly string[]>
  /** A child grant. Needs `grant`. Throws `ERR_DENIED` when it would exceed its parent. */
  grant(handle: Handle, options: GrantOptions): Promise<Handle>
  /** Ends a grant and its whole subtree at one timestamp; no write under it gets a later one. */
  revoke(handle: Handle, target: Handle): Promise<Ts>
  /** Opens a log. Throws `ERR_NOT_FOUND` or `ERR_DENIED`. */
  open(handle: Handle, path: string): Promise<Log>
  /** Begins a transaction over open logs. */
  begin(...logs: readonly Log[]): Promise<Transaction>
  /** The timestamp that an operation got, or undefined if it never happened: settles a lost answer. */
  lookup(handle: Handle, path: string, opId: string): Promise<Ts | undefined>
}
