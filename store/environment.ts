/**
 * What the store takes from the world: time, randomness and files. Everything in `store/` gets it from outside, so a
 * test can run a whole store under a clock, a disk and a fate of its own; the linter forbids the globals there.
 */

/** Time, randomness and files. */
export interface Environment {
  /** The wall clock, in milliseconds since the epoch. It may jump. */
  now(): number
  /** A clock that only goes on, in milliseconds from anywhere. */
  monotonic(): number
  /** Bytes that nobody can guess. */
  randomBytes(count: number): Buffer
  /** Resolves after a time. Rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Lets others run: resolves in a later turn of the event loop. */
  turn(): Promise<void>
  readonly files: Files
}

/** What is known of a file without reading it. */
export interface FileStat {
  readonly bytes: number
  /** Last change or {@link Files.touch}, in milliseconds since the epoch. */
  readonly modifiedMs: number
  /** Last read, where the disk keeps that; often only roughly. */
  readonly accessedMs?: number
  readonly isFolder: boolean
}

/**
 * Files and folders. Calls reject with the system's error (`code` of ENOENT, ENOSPC, EIO …) unless said otherwise. What
 * was written is on the disk after {@link FileWriter.sync}; a name is on the disk after {@link Files.syncFolder}.
 */
export interface Files {
  /** A whole file. */
  read(path: string): Promise<Buffer>
  /** A part of a file; shorter where the file ends. */
  readRange(path: string, offset: number, length: number): Promise<Buffer>
  /** A file piece by piece, of at most 64 KiB to 1 MiB each. */
  stream(path: string): AsyncIterable<Buffer>
  /** Undefined when there is none. */
  stat(path: string): Promise<FileStat | undefined>
  /** A new file, mode 0600. Rejects with EEXIST when there is one. */
  create(path: string): Promise<FileWriter>
  /** Gives a file another name, in one step; one that has the name already is replaced. */
  rename(from: string, to: string): Promise<void>
  /** Gives a file a second name. Rejects with EEXIST when the name is taken. */
  link(from: string, to: string): Promise<void>
  /** Removes a file. Answers false when there was none. */
  remove(path: string): Promise<boolean>
  /** Names in a folder, in no order; none for a folder that is not there. */
  list(folder: string): Promise<string[]>
  /** Makes a folder and those above it, mode 0700. One that is there stays as it is. */
  makeFolder(path: string): Promise<void>
  /** Removes a folder with all in it; fine when there is none. */
  removeFolder(path: string): Promise<void>
  /** Sets the time of the last change to now. */
  touch(path: string): Promise<void>
  /** Puts on the disk what a file holds, whoever wrote it. */
  syncFile(path: string): Promise<void>
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>
}

/** A file being written, from its beginning on. */
export interface FileWriter {
  write(bytes: Uint8Array): Promise<void>
  /** Resolves when all that was written is on the disk. */
  sync(): Promise<void>
  /** Frees it; what was not synced may be lost. Fine when called twice. */
  close(): Promise<void>
}
