/**
 * Every message between Grove's processes, one schema each; both ends of a channel check against it.
 *
 * Control with each front (over `<data>/fronts.sock`); the parent with control and with each front (over Node's
 * own channel to a child, which can carry listening sockets). Those of the supervisor of sandboxes: supervisor-start.ts.
 */

import { z } from 'zod'
import { challengeSetSchema } from './challenge-set.ts'
import { codeStateSchema } from './code-routes.ts'
import { plainErrorSchema } from './errors.ts'
import { limits } from './limits.ts'
import { blobHashSchema } from './names.ts'
import { revocationSchema } from './session.ts'
import { supervisorSettingsSchema } from './supervisor-start.ts'
import { usageListSchema } from './usage.ts'

const siteName = z.string()

/** What a site asks visitors for in the handshake (mutual TLS). */
export const clientRuleSchema = z.object({
  /** CAs whose certificates are taken, PEM. */
  roots: z.string(),
  /** Whether who has none is refused. */
  required: z.boolean(),
})
/** What a site asks visitors for in the handshake (mutual TLS). */
export type ClientRule = z.output<typeof clientRuleSchema>

/** What a front must know of one site. */
export const siteStateSchema = z.object({
  name: siteName,
  /** Every name that leads to the site, `<name>.<domain>` first. */
  authorities: z.array(z.string()),
  /** The live version and the compiled form of it; absent before the first publish. */
  live: z
    .object({ version: z.int().positive(), compiled: blobHashSchema, code: codeStateSchema.optional() })
    .optional(),
  /** Whether there is a live version that cannot be told now: a front goes on with the one that it has. */
  unavailable: z.boolean().optional(),
  /** Whether nothing is said of what is live: a front asks when a visitor comes, and goes on with what it has till then. */
  untold: z.boolean().optional(),
  upstreams: z.array(z.string()),
  timeoutMs: z.int(),
  bodyBytes: z.int(),
  /** Absent where visitors need no certificate. */
  clients: clientRuleSchema.optional(),
  /** Whether the site answers where CAs look whether a name is somebody's. */
  provesNames: z.boolean().optional(),
})
/** What a front must know of one site. */
export type SiteState = z.output<typeof siteStateSchema>

/** Keys that fronts hold: those of session cookies and tickets, and the one that signs `Grove-Identity`. */
export const keysSchema = z.object({
  session: z.array(z.object({ kid: z.string(), secret: z.string() })).min(1),
  /** 48 bytes, base64: TLS session tickets, the same in every front. */
  ticket: z.string(),
  /** Such keys that open tickets and seal none. */
  otherTickets: z
    .array(z.string())
    .max(limits.tickets.keys - 1)
    .optional(),
  /** Ed25519 private key as a JWK; its `kid` names it in `/.grove/jwks.json`. */
  identity: z.object({ kid: z.string(), jwk: z.record(z.string(), z.string()) }),
  /** Public JWKs of all identity keys that may still be in use. */
  identityPublic: z.array(z.record(z.string(), z.string())),
})
/** Keys that fronts hold. */
export type FrontKeys = z.output<typeof keysSchema>

/** Settings of a front that come from the config. */
export const frontSettingsSchema = z.object({
  /** Counts reloads; the same number is in {@link controlToFrontSchema} `prepare`. */
  generation: z.int(),
  domain: z.string(),
  /** The port that redirects lead to. */
  httpsPort: z.int(),
  /** The value of Strict-Transport-Security on answers over https; absent for none. */
  hsts: z.string().optional(),
  trustedProxies: z.array(z.string()),
  logLevel: z.enum(['silent', 'error', 'warn', 'info', 'debug']),
  accessLog: z.boolean(),
  /** Plugins that have routes, by name: `/.grove/<name>/` goes to control. */
  routed: z.array(z.string()),
  /** Whether any plugin has a `metered` hook: only then usage is counted. */
  metered: z.boolean(),
  /** The config file to import for plugins with `request` middleware; absent when there are none. */
  middlewareFrom: z.string().optional(),
})
/** Settings of a front that come from the config. */
export type FrontSettings = z.output<typeof frontSettingsSchema>

/** Control to front. */
export const controlToFrontSchema = z.discriminatedUnion('kind', [
  /** Call: import the plugins of a new config; nothing changes until `state`. Answer `{}` or an error. */
  z.object({ kind: z.literal('prepare'), settings: frontSettingsSchema }),
  /** Call: everything, in place of what was known. Answer `{}` once it is in force. */
  z.object({
    kind: z.literal('state'),
    settings: frontSettingsSchema,
    keys: keysSchema,
    /** Names of all sites that have no settings of their own: they are served as {@link defaults} say. */
    names: z.array(siteName),
    /** How such sites are served, at `<name>.<domain>` each. */
    defaults: siteStateSchema.pick({ upstreams: true, timeoutMs: true, bodyBytes: true }),
    /** All sites with settings of their own, and of the others those whose live version the front has to know. */
    sites: z.array(siteStateSchema),
    revocations: z.array(revocationSchema),
    challenges: challengeSetSchema,
  }),
  /** Call: the challenges of CAs that are asked for, in place of those before. Answer `{}` once they are answered. */
  z.object({ kind: z.literal('challenges'), challenges: challengeSetSchema }),
  /**
   * Call: one site, in place of what was known of it. Answer `{}` once new requests see it. A front that has not loaded
   * the site, and has not asked for it, only keeps that it is there.
   */
  z.object({ kind: z.literal('site'), site: siteStateSchema }),
  /** Call: answers the names of the sites that it has loaded, {@link siteNamesSchema}. */
  z.object({ kind: z.literal('loaded') }),
  /** Call: a site is gone. */
  z.object({ kind: z.literal('gone'), name: siteName }),
  /** Call: resolves when no answer from an earlier version of the site is under way any more (or 10 s passed). */
  z.object({ kind: z.literal('settle'), name: siteName }),
  /** Call: sessions that ended before their time. */
  z.object({ kind: z.literal('revoke'), revocations: z.array(revocationSchema) }),
  /** Call: rotated keys. */
  z.object({ kind: z.literal('keys'), keys: keysSchema }),
  /** Call: forget the certificate of these names, the next handshake asks for a new one. */
  z.object({ kind: z.literal('forget-certificates'), names: z.array(z.string()) }),
  /** Call: answers {@link frontStatsSchema}. */
  z.object({ kind: z.literal('stats') }),
  /** Call: answers {@link usageListSchema}, what was counted since the last such call, and counts anew. */
  z.object({ kind: z.literal('usage') }),
])
/** Control to front. */
export type ControlToFront = z.output<typeof controlToFrontSchema>

/** Names of sites. */
export const siteNamesSchema = z.array(siteName)

/** Counters of one front. */
export const frontStatsSchema = z.object({
  pid: z.int(),
  connections: z.int(),
  requests: z.int(),
  webSockets: z.int(),
  cacheBytes: z.int(),
  memoryBytes: z.int(),
  uptimeSeconds: z.number(),
})
/** Counters of one front. */
export type FrontStats = z.output<typeof frontStatsSchema>

/** Front to control. */
export const frontToControlSchema = z.discriminatedUnion('kind', [
  /** First message of a front; control answers with a `state` call. */
  z.object({
    kind: z.literal('hello'),
    pid: z.int(),
    index: z.int(),
    /** Sites that it has loaded from the control before this one, or before the line broke. */
    loaded: z.array(siteName),
  }),
  /** Call: a site that a visitor asked for. Control tells it with a `site` call, and then answers `{}` or an error. */
  z.object({ kind: z.literal('site'), name: siteName }),
  /** Call: a certificate for a name that a client at an address asked for. Answer {@link leafSchema} or an error. */
  z.object({ kind: z.literal('certificate'), name: z.string(), address: z.string().optional() }),
  /** Call: a content that is not on the disk, or not whole. Answer `{}` once it is there, or an error. */
  z.object({ kind: z.literal('content'), site: siteName, hash: blobHashSchema, bytes: z.int() }),
  /**
   * A copy in another coding that is not on the disk, or not with these bytes. Nobody waits for it: visitors get the
   * content as it is until it was made again. `type` is the content's media type.
   */
  z.object({
    kind: z.literal('copy'),
    site: siteName,
    hash: blobHashSchema,
    coding: z.enum(['br', 'zstd', 'gzip']),
    bytes: z.int(),
    type: z.string(),
  }),
  /** Call: what a front that ends has counted since it was last asked. Answer `{}` once it is kept. */
  z.object({ kind: z.literal('usage'), usage: usageListSchema }),
])
/** Front to control. */
export type FrontToControl = z.output<typeof frontToControlSchema>

/** A certificate with its key, as a front gets it. */
export const leafSchema = z.object({
  name: z.string(),
  /** PEM, the leaf first. */
  chain: z.string(),
  /** PEM, PKCS#8. */
  key: z.string(),
  /** The same for keys of other kinds, for clients that cannot check the first one's; the times are of all of them. */
  others: z
    .array(z.object({ chain: z.string(), key: z.string() }))
    .max(3)
    .optional(),
  notBeforeMs: z.number(),
  notAfterMs: z.number(),
  /** When to ask for the next one. */
  renewAtMs: z.number(),
})
/** A certificate with its key, as a front gets it. */
export type Leaf = z.output<typeof leafSchema>

/** The kinds of listener: TLS, the redirect to it, and plain HTTP for a proxy in front. */
export const listenerNames = ['https', 'http', 'plain'] as const
/** One kind of listener. */
export type ListenerName = (typeof listenerNames)[number]

/** One kind of listener at one port on some addresses. */
export const listenSpecSchema = z.object({
  name: z.enum(listenerNames),
  port: z.int(),
  addresses: z.array(z.string()),
})
/** One kind of listener at one port on some addresses. */
export type ListenSpec = z.output<typeof listenSpecSchema>

/** Control to parent. */
export const controlToParentSchema = z.discriminatedUnion('kind', [
  /**
   * Listen here with so many fronts. Sent at start and at each reload that changes it. The parent answers `applied`
   * with the same id; on an error everything is as it was.
   */
  z.object({
    kind: z.literal('apply'),
    id: z.int(),
    /** The data folder, absolute: fronts are told it when they start. */
    data: z.string(),
    listen: z.array(listenSpecSchema),
    fronts: z.int(),
    /** How the supervisor of sandboxes is started; absent where none is to run. */
    sandbox: supervisorSettingsSchema.optional(),
  }),
  /** Control serves its sockets; the parent may tell people. */
  z.object({ kind: z.literal('ready'), banner: z.array(z.string()) }),
  /** Control cannot start: the parent prints this and ends with 1. */
  z.object({ kind: z.literal('failed'), ...plainErrorSchema.shape }),
  /** Somebody asked over the control socket to stop everything. */
  z.object({ kind: z.literal('stop') }),
])
/** Control to parent. */
export type ControlToParent = z.output<typeof controlToParentSchema>

/** A process, as the parent sees it. */
export const processInfoSchema = z.object({
  kind: z.enum(['serve', 'control', 'front', 'supervisor']),
  index: z.int(),
  pid: z.int(),
  startedAtMs: z.number(),
  restarts: z.int(),
})
/** A process, as the parent sees it. */
export type ProcessInfo = z.output<typeof processInfoSchema>

/** Parent to control. */
export const parentToControlSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('applied'),
    id: z.int(),
    /** The real port of each listener, where 0 was asked for. */
    ports: z.partialRecord(z.enum(listenerNames), z.int()).optional(),
    error: plainErrorSchema.optional(),
  }),
  /** Read the config again (SIGHUP). */
  z.object({ kind: z.literal('reload') }),
  /** The processes, sent at each change. */
  z.object({ kind: z.literal('processes'), processes: z.array(processInfoSchema) }),
  /** Finish what is under way and exit 0. */
  z.object({ kind: z.literal('stop') }),
])
/** Parent to control. */
export type ParentToControl = z.output<typeof parentToControlSchema>

/** Parent to front. `listen` comes with the listening socket as the handle. */
export const parentToFrontSchema = z.discriminatedUnion('kind', [
  /** Accept connections from the handle that comes with this message. `key` names this one socket. */
  z.object({ kind: z.literal('listen'), name: z.enum(listenerNames), key: z.string() }),
  /** Accept no more from a socket; connections that are open go on. */
  z.object({ kind: z.literal('unlisten'), key: z.string() }),
  /** Accept nothing more, finish what is under way within `withinMs`, exit 0. */
  z.object({ kind: z.literal('drain'), withinMs: z.int() }),
])
/** Parent to front. */
export type ParentToFront = z.output<typeof parentToFrontSchema>

/** Front to parent. */
export const frontToParentSchema = z.discriminatedUnion('kind', [
  /** It has its state from control and can be given sockets. */
  z.object({ kind: z.literal('ready') }),
  /** It accepts connections from the socket of this key. */
  z.object({ kind: z.literal('listening'), key: z.string() }),
])
/** Front to parent. */
export type FrontToParent = z.output<typeof frontToParentSchema>
