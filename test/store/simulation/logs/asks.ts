/** What clients ask of logs and grants, as it stands in the history. Grants are named by their labels. */

/** One append of a write or a transaction. */
export interface AskedPart {
  readonly log: string
  /** What the entry is known by: unique for each thing that a client wants to have done, the same for a repeat. */
  readonly name: string
  /** Names of entries that it stands for. */
  readonly holds?: readonly string[]
  /** Of the data. */
  readonly bytes: number
  /** Timestamp, or null for an empty log. Not given: no expectation. */
  readonly expect?: string | null
  readonly covers?: { readonly lo: string; readonly hi: string }
  readonly trim?: { readonly from: string; readonly to: string }
}

/** One question. Timestamps are plain texts. */
export type LogAsk =
  | { readonly call: 'open store' }
  | { readonly call: 'create'; readonly path: string; readonly serialized: boolean }
  | {
      readonly call: 'append'
      readonly grant: string
      readonly parts: readonly AskedPart[]
      readonly opId?: string
      readonly after?: readonly string[]
    }
  | { readonly call: 'head'; readonly log: string; readonly grant: string }
  | {
      readonly call: 'read'
      readonly log: string
      readonly grant: string
      readonly after?: string
      readonly limit?: number
    }
  | { readonly call: 'watch'; readonly log: string; readonly grant: string; readonly after?: string }
  | { readonly call: 'lookup'; readonly log: string; readonly opId: string }
  | { readonly call: 'trim'; readonly log: string; readonly from: string; readonly to: string; readonly by: string }
  | { readonly call: 'grant'; readonly by: string; readonly label: string; readonly options: AskedGrant }
  | { readonly call: 'revoke'; readonly by: string; readonly target: string }
  | { readonly call: 'charge'; readonly grant: string; readonly path: string; readonly bytes: number }

/** A grant as it was asked for. */
export interface AskedGrant {
  readonly path: string
  readonly untilMs: number
  readonly read: boolean
  readonly write: boolean
  readonly grant: boolean
  readonly maxWrites?: number
  readonly maxBytes?: number
}

/** An entry as somebody was shown it. */
export interface SeenEntry {
  readonly ts: string
  readonly lo: string
  readonly hi: string
  readonly name: string
  readonly holds?: readonly string[]
  readonly bytes: number
  /** Id of the grant. */
  readonly writer: string
  readonly opId?: string
}

/** What a watcher was told. */
export type LogTold =
  | { readonly kind: 'entry'; readonly entry: SeenEntry }
  | { readonly kind: 'progress'; readonly ts: string }
  | { readonly kind: 'reset'; readonly cover: string }

/** What is answered, keyed by call. */
export interface LogAnswers {
  readonly 'open store': { readonly storeId: string }
  readonly create: null
  readonly append: { readonly ts: string }
  readonly head: { readonly ts: string | null }
  readonly read: { readonly entries: readonly SeenEntry[] }
  readonly watch: null
  readonly lookup: { readonly ts: string | null }
  readonly trim: null
  readonly grant: { readonly id: string }
  readonly revoke: { readonly ts: string; readonly revoked: number }
  readonly charge: null
}
