/**
 * The JSON of every frame of the links with a tenant process; their frames are in sandbox-frames.ts. What comes from a
 * tenant may be anything: it is read by {@link readJson}, which answers undefined for what does not fit, and a frame
 * that does not fit ends its link. An unknown key is dropped.
 *
 * The channels of the supervisor with control and with the fronts are in supervisor-messages.ts.
 */

import { z } from 'zod'
import { mostHops } from './hops.ts'
import { limits } from './limits.ts'
import { sandboxBounds } from './sandbox-limits.ts'
import { sandboxLimitsSchema } from './sandbox-limits-schema.ts'

const code = limits.sandboxCode
const version = z.int().positive()
/** A request's id, as visitors and log lines show it. */
const requestId = z.string().max(64)
const url = z.string().max(code.urlChars)
const method = z.string().min(1).max(limits.http.methodBytes)
const name = z.string().min(1).max(128)

/** Flat headers: an even number of strings. Whether each may stand in a header is checked where it is put into one. */
export const flatHeadersSchema = z
  .array(z.string().max(code.headerChars))
  .max(code.headers * 2)
  .refine(isFlat, 'expected pairs of names and values, not too long in all')

function isFlat(list: readonly string[]): boolean {
  let chars = 0
  for (const text of list) chars += text.length
  return list.length % 2 === 0 && chars <= code.headerChars
}

/** Front to tenant, `request`. */
export const requestHeadSchema = z.object({
  id: requestId,
  version,
  method,
  /** Absolute: scheme, authority, target. */
  url,
  /** Flat, names in lower case. */
  headers: flatHeadersSchema,
  hasBody: z.boolean(),
  /** Whether it asks for a WebSocket. */
  isUpgrade: z.boolean(),
})
/** Front to tenant, `request`. */
export type RequestHead = z.output<typeof requestHeadSchema>

/** Tenant to front, `answer`. */
export const answerHeadSchema = z.object({
  /** 101 only where a WebSocket was asked for. */
  status: z.int().refine((status) => status === 101 || (status >= 200 && status <= 599), 'expected 101 or 200 to 599'),
  headers: flatHeadersSchema,
  hasBody: z.boolean(),
})
/** Tenant to front, `answer`. */
export type AnswerHead = z.output<typeof answerHeadSchema>

/** Why a request was not answered by the site's code, as visitors, logs and tests read it. */
export const failureCodes = [
  /** The handler threw. */
  'exception',
  /** What it gave is not a response that can be sent. */
  'bad-answer',
  /** A bound of the request: CPU, time, memory. */
  'cpu',
  'wall',
  'memory',
  /** Too many requests of the site are under way. */
  'busy',
  /** Another bound, which `reason` names. */
  'limit',
  /** The version is not loaded in this process (any more): ask for one that has it. */
  'not-loaded',
  /** The process is gone. */
  'killed',
  'crashed',
] as const
/** One of {@link failureCodes}. */
export type FailureCode = (typeof failureCodes)[number]

/** Tenant to front, `failed`: before the answer the front sends this status; after it the body is cut. */
export const requestFailedSchema = z.object({
  status: z.int().min(400).max(599),
  code: z.enum(failureCodes),
  /** For the log, one line: which limit, its value and the place. */
  reason: z.string().max(1_000),
  retryAfterSeconds: z.int().positive().max(3_600).optional(),
})
/** Tenant to front, `failed`. */
export type RequestFailed = z.output<typeof requestFailedSchema>

/** Both ways, `closeSocket`: how a WebSocket was closed (RFC 6455 section 7.4). */
export const closeSocketSchema = z.object({ code: z.int().min(0).max(4_999), reason: z.string().max(123) })
/** Both ways, `closeSocket`. */
export type CloseSocket = z.output<typeof closeSocketSchema>

/**
 * Supervisor to tenant, `load`. A body follows on its stream: the bundle, then each module, in pieces within the
 * stream's credit, and `end`.
 */
export const loadSchema = z.object({
  site: z.string(),
  version,
  limits: sandboxLimitsSchema,
  /** Variables, and a placeholder for each secret. Keyed by name. */
  env: z.record(z.string(), z.string()),
  bundleBytes: z.int().nonnegative().max(sandboxBounds.bundleBytes.most),
  wasm: z
    .array(z.object({ name, bytes: z.int().nonnegative().max(sandboxBounds.wasmModuleBytes.most) }))
    .max(code.modules),
  /** Whether there are `env.ASSETS` and `env.DATA`. */
  assets: z.boolean(),
  data: z.boolean(),
})
/** Supervisor to tenant, `load`. */
export type LoadHead = z.output<typeof loadSchema>

/** Tenant to supervisor, `loaded`. */
export const loadedSchema = z.object({
  version,
  /** CPU that the code's own start took. */
  startupCpuMs: z.number().nonnegative(),
  /** Names of the handlers that its default export has. */
  handlers: z.array(z.string().max(64)).max(16),
})
/** Tenant to supervisor, `loaded`. */
export type Loaded = z.output<typeof loadedSchema>

const errorText = z.string().max(limits.sandboxTenant.errorChars)

/** Tenant to supervisor, `failed` on the stream of a `load`. */
export const loadFailedSchema = z.object({
  reason: z.enum(['exception', 'cpu', 'memory', 'invalid']),
  message: errorText,
  stack: errorText,
})
/** Tenant to supervisor, `failed` on the stream of a `load`. */
export type LoadFailed = z.output<typeof loadFailedSchema>

/** Supervisor to tenant, `unload`. Requests that come within `graceMs` are still taken; those under way are finished. */
export const unloadSchema = z.object({ version, graceMs: z.int().nonnegative() })
/** Supervisor to tenant, `unload`. */
export type Unload = z.output<typeof unloadSchema>

const key = z.string().min(1).max(code.keyChars)
const tag = z.string().max(64)

/** What is asked of a site's bag of data. A value goes along as the body, of a `put` and of the answer to a `get`. */
export const dataCallSchema = z.discriminatedUnion('method', [
  z.object({ method: z.literal('get'), key }),
  z.object({
    method: z.literal('put'),
    key,
    /** Only if the value has this tag; null: only if there is none. Absent: whatever there is. */
    ifTag: tag.nullable().optional(),
    /** Small, the site's own: JSON text. */
    metadata: z.string().max(2_048).optional(),
    expiresAtMs: z.number().optional(),
  }),
  z.object({ method: z.literal('delete'), key, ifTag: tag.optional() }),
  z.object({
    method: z.literal('list'),
    prefix: z.string().max(code.keyChars),
    after: z.string().max(code.keyChars).optional(),
    limit: z.int().positive().max(code.listed),
  }),
])
/** What is asked of a site's bag of data. */
export type DataCall = z.output<typeof dataCallSchema>

/** Tenant to supervisor, `op`. `request` and `version` say for whom; with `hasBody` pieces and `end` follow. */
export const opSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('fetch'),
    request: requestId,
    version,
    method,
    /** Absolute, without fragment. */
    url,
    headers: flatHeadersSchema,
    redirect: z.enum(['follow', 'error', 'manual']),
    /** How often the visitor's request has passed through sites, see core/hops.ts. Absent: never. */
    hops: z.int().nonnegative().max(mostHops).optional(),
    hasBody: z.boolean(),
  }),
  z.object({
    kind: z.literal('asset'),
    request: requestId,
    version,
    method: z.enum(['GET', 'HEAD']),
    url,
    headers: flatHeadersSchema,
    hasBody: z.literal(false),
  }),
  z.object({ kind: z.literal('data'), request: requestId, version, call: dataCallSchema, hasBody: z.boolean() }),
])
/** Tenant to supervisor, `op`. */
export type Op = z.output<typeof opSchema>
/** Kinds of operations that a tenant asks its supervisor for. */
export type OpKind = Op['kind']

/** Supervisor to tenant, `answer` of an operation of `fetch` and `asset`. */
export const fetchAnswerSchema = z.object({
  status: z.int(),
  statusText: z.string(),
  headers: flatHeadersSchema,
  /** After redirects. */
  url: z.string(),
  redirected: z.boolean(),
  hasBody: z.boolean(),
})
/** Supervisor to tenant, `answer` of an operation of `fetch` and `asset`. */
export type FetchAnswer = z.output<typeof fetchAnswerSchema>

/** Supervisor to tenant, `answer` of an operation of `data`: of `get`, of `put` and `delete`, of `list`. */
export const dataAnswerSchema = z.union([
  z.object({
    found: z.boolean(),
    tag: tag.optional(),
    metadata: z.string().optional(),
    /** Whether the value follows as the body. */
    hasBody: z.boolean(),
  }),
  /** Whether it was done, and the tag of what is there now. */
  z.object({ done: z.boolean(), tag: tag.optional(), hasBody: z.literal(false) }),
  z.object({
    keys: z.array(z.object({ key, tag, bytes: z.int(), metadata: z.string().optional() })).max(code.listed),
    /** Where to go on, if there is more. */
    after: z.string().optional(),
    hasBody: z.literal(false),
  }),
])
/** Supervisor to tenant, `answer` of an operation of `data`. */
export type DataAnswer = z.output<typeof dataAnswerSchema>

/** Supervisor to tenant, `failed` of an operation: what the site's code gets as an error. */
export const opFailedSchema = z.object({
  /** `TypeError`, `RangeError`, or the name of a `DOMException`. */
  name: z.string().max(64),
  message: z.string().max(1_000),
})
/** Supervisor to tenant, `failed` of an operation. */
export type OpFailed = z.output<typeof opFailedSchema>

/** Tenant to supervisor, `log`. */
export const logSchema = z.object({
  version,
  /** Absent where no request is the cause. */
  request: requestId.optional(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  text: z.string().max(limits.sandboxTenant.logBytes),
})
/** Tenant to supervisor, `log`. */
export type LogLine = z.output<typeof logSchema>

/** Tenant to supervisor, `usage`: what one request has used, for the author's log. Billing counts by itself. */
export const requestUsageSchema = z.object({
  version,
  request: requestId,
  cpuMs: z.number().nonnegative(),
  wallMs: z.number().nonnegative(),
  /** The isolate's heap when the request ended. */
  heapBytes: z.number().nonnegative(),
  subrequests: z.int().nonnegative(),
  /** Of the answer, or of what the front was told to send. */
  status: z.int().optional(),
  /** Set where the request failed. */
  failure: z.enum(failureCodes).optional(),
})
/** Tenant to supervisor, `usage`. */
export type RequestUsage = z.output<typeof requestUsageSchema>

/** The JSON of a frame, or undefined if it is none, too long, or does not fit the schema. Never throws. */
export function readJson<T>(
  schema: z.ZodType<T>,
  payload: Buffer,
  maxBytes: number = limits.sandboxLink.headBytes,
): T | undefined {
  if (payload.length > maxBytes) return undefined
  try {
    const parsed = schema.safeParse(JSON.parse(payload.toString('utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}
