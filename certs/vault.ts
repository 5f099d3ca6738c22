/**
 * The vault: small secret records that several machines share, and leases on what only one of them may do at a time.
 * Certificates with their keys, accounts, orders under way, answers to challenges, keys of session tickets.
 */

/** One record as it was read. */
export interface VaultRecord {
  readonly text: string
  /** Its place in the order of the writes of its key; what {@link Vault.write} expects. Grows, not by one. At least 1. */
  readonly number: number
}

/** One record as a list tells it. */
export interface VaultEntry extends Pick<VaultRecord, 'number'> {
  readonly key: string
}

/**
 * Records by key. A key is words of `a-z0-9_-`, one to five with slashes between, each at most 96 characters: fixed
 * words, hashes and numbers, never something that a stranger chose. Calls reject with `ERR_BAD_REQUEST` for other keys,
 * and with what the disk or the bucket says: `ERR_DATA_IO`, `ERR_OBJECTS`.
 */
export interface Vault extends AsyncDisposable {
  /**
   * The newest record of a key, as all machines see it; undefined when there is none. When the newest is damaged, the
   * text of the one before. Rejects with `ERR_CERT` when there is a record and none of them is whole. `listed`: its number
   * as {@link Vault.entries} has told it; that record is answered then, if it is still there and whole, which is quicker.
   */
  read(key: string, listed?: number): Promise<VaultRecord | undefined>
  /**
   * The record as this machine has it, without a question to the bucket when it has one: it may be older than what
   * {@link Vault.read} finds, and may be one that another machine removed. For handshakes. Without a bucket the same.
   */
  readNear(key: string): Promise<VaultRecord | undefined>
  /**
   * Writes a record, if the newest one has the number `expect`; 0: if there is none. Answers its number; durable then.
   * Rejects with `ERR_CERT_RACED` when somebody else wrote, `ERR_TOO_LARGE` over `limits.cert.recordBytes`.
   */
  write(key: string, text: string, expect: number): Promise<number>
  /** Removes a record, whoever wrote it. One that is not there counts as removed. */
  remove(key: string): Promise<void>
  /** All keys that have a record and begin with a prefix, which is `''` or ends with a slash. Reads no record. No order. */
  list(prefix: string): AsyncIterable<string>
  /** The same, each with the number of its newest record. */
  entries(prefix: string): AsyncIterable<VaultEntry>
  /**
   * Takes a lease on a name, of the form of a key. Undefined when another one has it, also one in this process. That one
   * counts as dead only when several calls, over at least `limits.cert.leaseDeadMs`, have found no sign of life: so
   * whoever wants it asks every few seconds. Rejects with the signal's reason when that aborts first.
   */
  lease(name: string, signal?: AbortSignal): Promise<Lease | undefined>
  /**
   * Removes for good what is left of records that were removed long ago, and of processes that are gone; call it daily.
   * Answers how many files or objects that were. Takes its time, so that it is in nobody's way. Rejects with the signal's
   * reason when that aborts.
   */
  sweep(signal?: AbortSignal): Promise<number>
}

/**
 * A right that one holder has at a time, with a number that is above that of every holder before. Disposing of it lets
 * the next one take it at once.
 */
export interface Lease extends AsyncDisposable {
  readonly name: string
  readonly number: number
  /** Aborts when the lease is lost or disposed of: another one may have it. Work under the lease has to stop then. */
  readonly signal: AbortSignal
  /**
   * Writes a record, whatever was there. Fenced: once a later holder has written to the key, an earlier one's write
   * counts for nothing, however late it comes. Keys that are written under leases are written under those of one name.
   * Rejects with `ERR_CERT_RACED` when the lease is known to be lost.
   */
  write(key: string, text: string): Promise<number>
  /** Removes a record, fenced in the same way. */
  remove(key: string): Promise<void>
}
