/**
 * The plugin API: a plugin is plain data, a name and hooks, in the order of the config's array.
 *
 * Building one has no side effects. Plugins are trusted code of the operator; authors and visitors cannot bring any.
 * `request` runs in the fronts, all other hooks in control; none runs for a static hit.
 */

import type { Logger } from 'pino'
import type { HeaderList } from './headers.ts'
import type { Authority, BlobHash, SiteName, VersionNumber } from './names.ts'
import type { Session } from './session.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'
import type { Usage } from './usage.ts'

/** A value or a promise of it. */
export type Awaitable<T> = T | Promise<T>

/** A file of a version, as the `headers` hook sees it. */
export interface FileInfo {
  /** Path in the tree, no leading `/`: `docs/index.html`. */
  readonly path: string
  readonly hash: BlobHash
  readonly bytes: number
  /** Media type with charset. */
  readonly type: string
  /** A signed-in visitor must not get it from the static version. */
  readonly personal: boolean
}

/** A site, as plugins see it. */
export interface SiteInfo {
  readonly name: SiteName
  readonly authorities: readonly Authority[]
}

/** What a `routes` handler knows besides its request. */
export interface RouteContext {
  readonly site: SiteInfo
  readonly requestId: string
  readonly clientAddress: string
  /** The visitor's session, if signed in on this site. */
  readonly session: Session | undefined
  /**
   * Starts a session for a user whom the plugin has proven, and answers the `Set-Cookie` value to send.
   * `userId` is 1 to 256 characters.
   */
  signIn(userId: string): string
  /**
   * Ends the visitor's session everywhere and answers the `Set-Cookie` value that takes the cookie away. Resolves when
   * every front that is connected knows it.
   */
  signOut(): Promise<string>
}

/** Answers one request under `/.grove/<plugin>/`. A throw becomes a 500 with a request id. */
export type Handler = (request: Request, context: RouteContext) => Awaitable<Response>

/** What `request` middleware knows besides its request. */
export interface MiddlewareContext {
  readonly site: SiteInfo
  readonly requestId: string
  readonly clientAddress: string
  readonly session: Session | undefined
}

/** Stands before a site's upstream, for dynamic requests only. Calls `next` at most once. */
export type Middleware = (
  request: Request,
  next: (request: Request) => Promise<Response>,
  context: MiddlewareContext,
) => Awaitable<Response>

/** What happened to a site: one or more versions went live since the last delivered event. */
export interface PublishEvent {
  /** Unique and the same at every retry. */
  readonly id: string
  readonly site: SiteInfo
  /** The version that is live now; undefined when the site was deleted. */
  readonly version: VersionNumber | undefined
  /** Every version that this event covers, oldest first; of those that are not forgotten. */
  readonly versions: readonly VersionNumber[]
  /**
   * False when some of what happened since the last event is forgotten: then `changed` has every path that the site has
   * now, paths that are gone may be missing from `removed`, and whatever is known of the site has to be thrown away.
   */
  readonly complete: boolean
  /** Paths whose content differs, or differed meanwhile, from what was live before. Sorted. */
  readonly changed: readonly string[]
  /** Paths that were not there before. Sorted. */
  readonly added: readonly string[]
  /** Paths that are gone. Sorted. */
  readonly removed: readonly string[]
}

/** What a `published` hook did, kept beside the version and shown by `grove site show`. */
export interface Receipt {
  /** One word for people: `purged`, `notified`. */
  readonly action: string
  /** Plain JSON: counts, ids of the provider. At most 4 KiB. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** What happened to a certificate that a CA is asked for by ACME. */
export interface CertificateEvent {
  /**
   * `obtained`: the first of these names. `renewed`: another one is in use. `failed`: a try has failed, and there will be
   * others. `expires-soon`: less than a sixth of its life is left. `revoked`: it is used no more.
   */
  readonly kind: 'obtained' | 'renewed' | 'failed' | 'expires-soon' | 'revoked'
  /** Lower case, maybe `*.example.com`. */
  readonly names: readonly string[]
  /** The CA's directory; of the certificate there is, if there is one. */
  readonly issuer?: string
  /** When the certificate ends that there is, in milliseconds since 1970. */
  readonly notAfterMs?: number
  /** Why a try has failed. */
  readonly error?: { readonly code: string; readonly message: string }
  /** When it is tried again, in milliseconds since 1970. */
  readonly nextTryAtMs?: number
}

/** A handler on the control socket, for the CLI: `POST /plugins/<plugin>/<path>`. JSON in, JSON out. */
export type Command = (input: unknown) => Awaitable<unknown>

/** One log of records that belongs to a plugin; kept in the store. */
export interface PluginLog {
  /** All records, oldest first. */
  read(): Promise<readonly unknown[]>
  /** Appends one record of plain JSON, durable when it resolves. */
  append(record: unknown): Promise<void>
}

/** What the host gives a plugin at its start. */
export interface PluginHost {
  readonly log: Logger
  /** Opens (and makes, the first time) a log of this plugin. `name`: 1 to 63 of `a-z0-9-`. */
  openLog(name: string): Promise<PluginLog>
  /** Ends all sessions of a user that were issued until now. */
  revokeUser(userId: string): Promise<void>
  /** Makes a command reachable over the control socket. */
  command(path: string, run: Command): void
  sites(): readonly SiteInfo[]
}

/** A plugin: trusted code with a name and a few hooks. */
export interface Plugin {
  /** 1 to 63 of `a-z0-9-`; the prefix of its routes. */
  readonly name: string
  /**
   * What {@link options} have to be, as a schema of any library that speaks Standard Schema v1 (zod does). Checked
   * when the config is read: all faults are told with the config's own, and `grove validate` tells them too. It has
   * to answer at once: a promise is a fault.
   */
  readonly schema?: StandardSchemaV1
  /** The plugin's own options, as the operator wrote them. Faults tell where and what kind, never a value. */
  readonly options?: unknown
  /** Opens what the plugin needs, in control. A throw, or 10 s without an end, stops the boot and names the plugin. */
  start?(host: PluginHost): Awaitable<AsyncDisposable | undefined>
  /** Headers for a static file; called once per file when a version is built. */
  headers?(file: FileInfo, site: SiteInfo): HeaderList
  /** Keyed by method and path, `'POST /login'`; served at `/.grove/<plugin>/login` of every site. */
  readonly routes?: Readonly<Record<string, Handler>>
  /** Stands before upstreams, in the fronts. */
  readonly request?: Middleware
  /** After a publish is live on every front; at least once, in order per site, retried until it resolves. */
  published?(event: PublishEvent): Promise<Receipt>
  /**
   * What sites used, about each minute in which any was; at least once, in order, retried until it resolves. `batchId`
   * is the same at every retry, also after a restart, and greater (as a text) than those of all earlier batches. A
   * plugin gets what was counted since it first stood in the config.
   */
  metered?(batchId: string, usage: readonly Usage[]): Promise<void>
  /**
   * When something happened to a certificate from a CA: at most once, in no order, on the machine that did it, 10 s at
   * most. Nothing waits for it, and a throw is only logged.
   */
  certificate?(event: CertificateEvent): Promise<void>
}
