/** The JSON that crosses the bridge: arguments and answers of operations, heads and errors. See bridge.ts. */

/** What the prelude is told before any code of the site runs. */
export interface LoadBegin {
  readonly site: string
  readonly version: number
  /** Variables and placeholders of secrets: `env.NAME`. Keyed by name. */
  readonly vars: Readonly<Record<string, string>>
  /** Whether `env.ASSETS` is there. */
  readonly assets: boolean
  /** Whether `env.DATA` is there. */
  readonly data: boolean
  /** Bounds that the prelude holds by itself; the host holds those that matter to others. */
  readonly limits: GuestLimits
}

/** Bounds that the prelude is told, see core/sandbox-limits.ts. */
export interface GuestLimits {
  readonly timers: number
  readonly operations: number
  readonly logLines: number
  readonly logLineChars: number
  readonly bufferedBodyBytes: number
  readonly responseHeaders: number
  readonly responseHeaderBytes: number
  readonly urlChars: number
  readonly waitUntilMs: number
}

/** The head of an answer, `ops.respond`. Just as it goes to the front. */
export interface AnswerHead {
  /** 200 to 599; 101 with `webSocket`. */
  readonly status: number
  /** Flat, names in lower case, valid. */
  readonly headers: readonly string[]
  readonly hasBody: boolean
}

/** An error of site code as plain text, serialised inside the isolate under guard; at most `bridgeLimits.errorChars` in all. */
export interface GuestError {
  readonly name: string
  readonly message: string
  readonly stack: string
}

/**
 * An error that the host tells the site. `name` is `TypeError`, `RangeError` or the name of a `DOMException` (`AbortError`,
 * `NetworkError`, `QuotaExceededError`, `OperationError`, …).
 */
export interface BridgeError {
  readonly name: string
  readonly message: string
}

/** Arguments of `operations.fetch`. */
export interface FetchArguments {
  readonly method: string
  /** Absolute, without fragment. */
  readonly url: string
  /** Flat, names in lower case. */
  readonly headers: readonly string[]
  readonly redirect: 'follow' | 'error' | 'manual'
  /** Whether a body follows with `send` and `end`; a whole one goes along as `bytes`. */
  readonly hasBody: boolean
}

/** What `operations.fetch` and `operations.asset` answer. */
export interface FetchAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: readonly string[]
  /** After redirects. */
  readonly url: string
  readonly redirected: boolean
  /** Whether more of the body is to be had with `pull`. */
  readonly hasBody: boolean
}

/** Arguments of `operations.asset`: GET or HEAD of a file of the site's own version. */
export interface AssetArguments {
  readonly method: 'GET' | 'HEAD'
  readonly url: string
  readonly headers: readonly string[]
}

/** Arguments of `operations.data`. A value goes along as `bytes`. */
export type DataArguments =
  | { readonly method: 'get'; readonly key: string }
  | {
      readonly method: 'put'
      readonly key: string
      /** Only if the key's value has this tag; `null`: only if the key has none. Absent: whatever it has. */
      readonly ifTag?: string | null
      /** Small, the site's own: JSON text. */
      readonly metadata?: string
      readonly expiresAtMs?: number
    }
  | { readonly method: 'delete'; readonly key: string; readonly ifTag?: string }
  | { readonly method: 'list'; readonly prefix: string; readonly after?: string; readonly limit: number }

/** What `operations.data` answers, by method. */
export type DataAnswer =
  /** `get`; the value as `bytes`, more of it with `pull` if `hasBody`. */
  | { readonly found: boolean; readonly tag?: string; readonly metadata?: string; readonly hasBody: boolean }
  /** `put`, `delete`: whether it was done; `tag` of what is there now. */
  | { readonly done: boolean; readonly tag?: string }
  /** `list`. */
  | {
      readonly keys: readonly {
        readonly key: string
        readonly tag: string
        readonly bytes: number
        readonly metadata?: string
      }[]
      /** Where to go on, if there is more. */
      readonly after?: string
    }

/**
 * Arguments of `operations.subtle`: a method of SubtleCrypto and its arguments as they are, with two kinds of values
 * written in another way, however deep: bytes as `{"$bytes": n}`, the n-th of `parts` (from 0), and a key as `{"$key": handle}`.
 */
export interface SubtleArguments {
  readonly method: string
  readonly args: readonly unknown[]
  /** Lengths of the byte strings that lie in `bytes` one after the other. */
  readonly parts: readonly number[]
}

/**
 * What `operations.subtle` answers: the result, written as arguments are; a new key as {@link SubtleKey}. A pair is an
 * object of two. A host that has forgotten a key (it keeps so many) answers an error with the name {@link forgottenKeyName}: the
 * prelude imports it again, if it can.
 */
export interface SubtleAnswer {
  readonly result: unknown
  readonly parts: readonly number[]
}

/** The name of the error for a key that the host does not keep any more. No site sees it. */
export const forgottenKeyName = 'ForgottenKeyError'

/** A key, as an answer tells it. */
export interface SubtleKey {
  readonly $key: number
  readonly type: 'secret' | 'private' | 'public'
  readonly extractable: boolean
  /** Its bytes (`publicExponent`) are written as `{"$bytes": n}`. */
  readonly algorithm: unknown
  readonly usages: readonly string[]
}

/** Arguments of `operations.compress`. */
export interface CompressArguments {
  readonly format: 'gzip' | 'deflate' | 'deflate-raw' | 'br'
  readonly direction: 'compress' | 'decompress'
}

/** How a WebSocket was closed (RFC 6455 section 7.4). */
export interface SocketClose {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
}
