/** What clients ask of sites and their versions, as it stands in the history. Contents are named, trees are maps. */

/** Files of a tree: names of contents, keyed by path. */
export type Files = Readonly<Record<string, string>>

/** What a publish changes: names of contents, keyed by path; null for a path that goes. */
export type FileChange = Readonly<Record<string, string | null>>

/** Which versions a prune keeps at least. */
export interface AskedKeep {
  readonly versions: number
  readonly ms: number
}

/** One question. */
export type SiteAsk =
  | { readonly call: 'open store' }
  | { readonly call: 'upload'; readonly content: string; readonly way: 'here' | 'bucket' }
  | { readonly call: 'list'; readonly site: string }
  | { readonly call: 'tree'; readonly site: string; readonly version: number }
  | { readonly call: 'read'; readonly site: string; readonly version: number }
  | { readonly call: 'diff'; readonly site: string; readonly from: number; readonly to: number }
  | {
      readonly call: 'publish'
      readonly site: string
      /** Unique for each thing that a client wants to have done, the same for a repeat. */
      readonly name: string
      /** The whole site, or a change since a version. */
      readonly wanted: { readonly files: Files } | { readonly base: number; readonly change: FileChange }
    }
  | { readonly call: 'activate'; readonly site: string; readonly version: number; readonly name: string }
  | {
      readonly call: 'pin'
      readonly site: string
      readonly pin: string
      readonly version: number
      readonly name: string
    }
  | { readonly call: 'unpin'; readonly site: string; readonly pin: string; readonly name: string }
  | { readonly call: 'prune'; readonly site: string; readonly keep: AskedKeep; readonly name: string }
  | { readonly call: 'checkpoint'; readonly site: string }
  | { readonly call: 'collect' }
  | { readonly call: 'evict' }
  | { readonly call: 'changes'; readonly site: string; readonly after?: string }
  | { readonly call: 'verify' }
  /** Another machine with an empty disk starts from the bucket as it is. */
  | { readonly call: 'cold start' }

/** A version as a list shows it. */
export interface SeenVersion {
  readonly version: number
  /** The name of the publish that made it. */
  readonly name: string
  readonly parent: number | null
  readonly ts: string
}

/** A site as a list shows it. */
export interface SeenSite {
  readonly live: number | null
  readonly versions: readonly SeenVersion[]
  readonly pins: readonly { readonly name: string; readonly version: number }[]
}

/** A change of what a site serves, as told. */
export interface SeenChange {
  readonly ts: string
  readonly kind: string
  readonly version: number | null
  readonly put: readonly string[]
  readonly del: readonly string[]
}

/** What is answered, keyed by call. */
export interface SiteAnswers {
  readonly 'open store': { readonly storeId: string }
  readonly upload: null
  readonly list: SeenSite
  readonly tree: { readonly files: Files }
  /** The files of a version with what their bytes are. */
  readonly read: { readonly files: Files }
  readonly diff: { readonly change: FileChange }
  readonly publish: {
    readonly version: number
    readonly unchanged: boolean
    readonly rebased: boolean
    /** When it went live; null when it was the live one already. */
    readonly ts: string | null
  }
  readonly activate: { readonly ts: string }
  readonly pin: null
  readonly unpin: { readonly was: boolean }
  readonly prune: { readonly pruned: readonly number[] }
  readonly checkpoint: null
  readonly collect: { readonly removed: number; readonly uploads: number }
  readonly evict: null
  readonly changes: { readonly changes: readonly SeenChange[] }
  readonly verify: { readonly faults: readonly string[] }
  readonly 'cold start': {
    readonly sites: Readonly<Record<string, SeenSite & { readonly trees: Readonly<Record<string, Files>> }>>
  }
}

/** A question of a kind. */
export type SiteAskOf<Kind extends SiteAsk['call']> = Extract<SiteAsk, { call: Kind }>
