/**
 * What the store asks of its engine and what it answers: plain data, so that the engine can run in another thread.
 *
 * Requests travel in batches. A batch is one transaction, and so one fsync, however many writes are in it.
 */

import type { PlainError } from '../../core/errors.ts'
import type { Claim, GrantId, GrantInfo, GrantOptions, Handle, LogInfo, Right, Ts } from '../store.ts'
import type { EntryRecord } from './records.ts'

/** An append to one log, as asked for. */
export interface AppendPart {
  readonly path: string
  readonly handle: Handle
  readonly data: Uint8Array
  /** What the log's head has to be, if that was asked for. */
  readonly expect?: { readonly head: Ts | undefined } | undefined
  readonly covers?: { readonly lo: Ts; readonly hi: Ts } | undefined
  /** What of the log goes, covered by this very entry. */
  readonly trim?: { readonly from: Ts; readonly to: Ts } | undefined
}

/** What was appended. */
export interface Appended {
  readonly seq: number
  /** False for a repeat of an operation that had happened. */
  readonly isNew: boolean
  /** The grants under which it was written, one for each part. */
  readonly writers: readonly GrantId[]
  /** The moments of `after`, and the interval of each part. */
  readonly after: readonly number[]
  readonly covers: readonly { readonly lo: number; readonly hi: number }[]
}

/** A step of a read or a watch. */
export interface PageRange {
  readonly path: string
  readonly handle: Handle
  /** 0 for the oldest entry that is kept. */
  readonly afterSeq: number
  readonly uptoSeq: number
  readonly most: number
  /** Whether it is an error that something after `afterSeq` was trimmed. */
  readonly whole: boolean
}

/** What a handle was found to allow. */
export interface Verified {
  readonly untilMs: number
}

/** What is asked. Keyed by kind. */
export interface Requests {
  readonly append: {
    readonly parts: readonly AppendPart[]
    readonly opId: string | undefined
    readonly after: readonly Ts[]
  }
  readonly charge: { readonly handle: Handle; readonly path: string; readonly claim: Claim }
  readonly check: { readonly handle: Handle; readonly right: Right; readonly path: string; readonly claim: Claim }
  /** Is done by itself, after all others of its batch. */
  readonly copyTo: { readonly handle: Handle; readonly file: string }
  readonly create: { readonly handle: Handle; readonly path: string; readonly serialized: boolean }
  readonly dropKeys: { readonly handle: Handle }
  /** `id`: of the new grant, 128 random bits as base64url. */
  readonly grant: { readonly handle: Handle; readonly options: GrantOptions; readonly id: GrantId }
  readonly grants: { readonly handle: Handle; readonly prefix: string }
  readonly head: { readonly handle: Handle; readonly path: string }
  readonly list: { readonly handle: Handle; readonly prefix: string }
  readonly lookup: { readonly handle: Handle; readonly path: string; readonly opId: string }
  readonly open: { readonly handle: Handle; readonly path: string }
  readonly page: PageRange
  readonly revoke: { readonly handle: Handle; readonly target: Handle | GrantId }
  /** `key`: 32 random bytes. */
  readonly rotateKeys: { readonly handle: Handle; readonly key: Uint8Array }
  readonly show: { readonly handle: Handle; readonly target: Handle | GrantId }
  readonly stat: { readonly handle: Handle; readonly path: string }
  readonly trim: {
    readonly handle: Handle
    readonly path: string
    readonly from: Ts
    readonly to: Ts
    readonly by: Ts
  }
  readonly whoami: { readonly handle: Handle }
}

/** What is answered. Keyed by kind. */
export interface Answers {
  readonly append: Appended
  readonly charge: GrantInfo
  readonly check: GrantInfo
  readonly copyTo: undefined
  readonly create: undefined
  readonly dropKeys: number
  readonly grant: Handle
  readonly grants: readonly GrantInfo[]
  readonly head: number
  readonly list: readonly string[]
  readonly lookup: number | undefined
  /** `reader`: undefined when the handle may not read. */
  readonly open: { readonly head: number; readonly trimmedSeq: number; readonly reader: Verified | undefined }
  readonly page: { readonly entries: readonly EntryRecord[]; readonly reader: Verified }
  readonly revoke: { readonly seq: number; readonly revoked: number }
  readonly rotateKeys: { readonly kid: string }
  readonly show: GrantInfo
  readonly stat: LogInfo
  readonly trim: undefined
  readonly whoami: GrantInfo
}

/** What can be asked. */
export type RequestKind = keyof Requests

/** One request of a kind. */
export type RequestOf<Kind extends RequestKind> = { readonly kind: Kind } & Requests[Kind]

/** One request. */
export type Request = { [Kind in RequestKind]: RequestOf<Kind> }[RequestKind]

/** Requests that are done together. */
export interface Batch {
  /** The wall clock, in milliseconds since the epoch: what grants end by and entries are stamped with. */
  readonly nowMs: number
  readonly requests: readonly Request[]
}

/** What became of one request. */
export type Answer = { readonly value: unknown } | { readonly error: PlainError }

/** What a batch changed, for those who watch. */
export interface Changes {
  /** Logs that grew, and their new heads. */
  readonly grew: readonly (readonly [path: string, head: number])[]
  /** Logs that were trimmed, and the newest moment that is gone. */
  readonly trimmed: readonly (readonly [path: string, seq: number])[]
  /** Whether a grant was revoked or a key dropped: whoever had a right may have it no more. */
  readonly rights: boolean
}

/** What became of a batch. */
export interface BatchAnswer {
  /** In the order of the requests. */
  readonly answers: readonly Answer[]
  readonly changes: Changes
  /** The newest moment. */
  readonly lastSeq: number
}

/** What an engine tells when it starts. */
export interface Hello {
  readonly storeId: string
  readonly root: Handle
  readonly lastSeq: number
}

/** A way to an engine. */
export interface EngineLink {
  readonly hello: Hello
  /** Runs a batch; never two at once. Rejects when the engine is gone, which is for good. */
  run(batch: Batch): Promise<BatchAnswer>
  /** Ends the engine and frees its file. No call may follow. */
  close(): Promise<void>
}
