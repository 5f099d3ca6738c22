/**
 * Every message of the supervisor of sandboxes with the fronts (over `<data>/supervisor.sock`) and with control (over
 * `<data>/sandboxes.sock`, where control listens), one schema each; both ends of a channel check against it.
 */

import { z } from 'zod'
import { limits } from './limits.ts'
import { blobHashSchema } from './names.ts'
import { sandboxBounds } from './sandbox-limits.ts'
import { sandboxLimitsSchema } from './sandbox-limits-schema.ts'
import { dataCallSchema, flatHeadersSchema, requestUsageSchema } from './sandbox-messages.ts'

const siteName = z.string()
const version = z.int().positive()
const count = z.number().nonnegative()
/** Names one tenant process as long as the supervisor runs; never used again. */
const processId = z.string().max(64)

/** Front to supervisor. */
export const frontToSupervisorSchema = z.discriminatedUnion('kind', [
  /** First message of a front. */
  z.object({ kind: z.literal('hello'), pid: z.int() }),
  /**
   * Call: a request for a site's code has come. Answer {@link neededSchema}: a process that the front has a link with,
   * the code loaded in it; or an error, with `retryAfterMs` in its details where waiting helps. The answer is good
   * until `gone`.
   */
  z.object({ kind: z.literal('need'), site: siteName, version }),
  /** What the front has sent to processes since it last said so: at most once a second, about those that were used. */
  z.object({
    kind: z.literal('used'),
    processes: z
      .array(
        z.object({
          process: processId,
          /** Under way now. */
          underWay: z.int().nonnegative(),
          requests: z.int().nonnegative(),
          /** Bytes of bodies to the process and from it. */
          receivedBytes: count,
          sentBytes: count,
        }),
      )
      .max(limits.sandboxProcess.processes * 4),
  }),
  /** A process has sent what no tenant may send: the front has dropped its link. */
  z.object({ kind: z.literal('broken'), process: processId, reason: z.string().max(1_000) }),
])
/** Front to supervisor. */
export type FrontToSupervisor = z.output<typeof frontToSupervisorSchema>

/** The answer to `need`. */
export const neededSchema = z.object({ process: processId })

/** Supervisor to front. */
export const supervisorToFrontSchema = z.discriminatedUnion('kind', [
  /**
   * Call: a process is about to start. The front opens a connection to the same socket, writes a line of
   * {@link linkLineSchema} and then nothing until it needs the process; it answers `{}` once the line is written.
   */
  z.object({ kind: z.literal('link'), process: processId }),
  /**
   * Call: send nothing more to a process, or to one version in it; ask `need` anew. What is under way goes on. Answer
   * {@link releasedSchema}.
   */
  z.object({ kind: z.literal('gone'), process: processId, version: version.optional() }),
  /** A process has ended: its link is closed too; this says why, for what was under way. */
  z.object({
    kind: z.literal('ended'),
    process: processId,
    site: siteName.optional(),
    /** One of core/sandbox-messages.ts `failureCodes`. */
    code: z.enum(['cpu', 'memory', 'wall', 'killed', 'crashed']),
    reason: z.string(),
  }),
])
/** Supervisor to front. */
export type SupervisorToFront = z.output<typeof supervisorToFrontSchema>

/** The answer to `gone`. */
export const releasedSchema = z.object({ underWay: z.int().nonnegative() })

/** The first line of a connection that a front opens for a process. */
export const linkLineSchema = z.object({
  link: processId,
  /** The front's process id, as in its `hello`. */
  front: z.int(),
})

/** One thing that confines tenant processes, or would. */
export const capabilitySchema = z.object({
  /** `network`, `account`, `files`, … */
  name: z.string(),
  holds: z.boolean(),
  /** What it keeps a tenant from if it holds; what is missing, and what to do about it, if not. */
  why: z.string(),
})
/** One thing that confines tenant processes, or would. */
export type Capability = z.output<typeof capabilitySchema>

/**
 * Secrets of a site. With hosts the code sees a placeholder, and the value is put in where requests leave for one of them;
 * with none the code sees the value.
 */
export const siteSecretSchema = z.object({
  name: z.string().max(128),
  value: z.string().max(sandboxBounds.varBytes.most),
  hosts: z.array(z.string()).max(limits.sandboxCode.hosts),
})
/** A secret of a site. */
export type SiteSecret = z.output<typeof siteSecretSchema>

const content = z.object({ hash: blobHashSchema, bytes: z.int().nonnegative() })

/** The code of one version of a site, and all that its process has to know: the answer to `code`. */
export const siteCodeSchema = z.object({
  site: siteName,
  version,
  bundle: content,
  wasm: z.array(content.extend({ name: z.string() })).max(limits.sandboxCode.modules),
  vars: z.record(z.string(), z.string().max(sandboxBounds.varBytes.most)),
  secrets: z.array(siteSecretSchema).max(sandboxBounds.vars.most),
  /** Hosts that its fetch may ask; absent for all public ones. */
  allow: z.array(z.string()).max(limits.sandboxCode.hosts).optional(),
  limits: sandboxLimitsSchema,
  assets: z.boolean(),
  data: z.boolean(),
})
/** The code of one version of a site. */
export type SiteCode = z.output<typeof siteCodeSchema>

/** A line of a site's log, on its way to its author. */
export const siteLogLineSchema = z.object({
  atMs: z.number(),
  site: siteName,
  version: version.optional(),
  request: z.string().optional(),
  level: z.enum(['debug', 'info', 'warn', 'error']),
  text: z.string(),
  /** Who says it: the site's code, or Grove about it. */
  from: z.enum(['code', 'grove']),
  usage: requestUsageSchema.optional(),
})
/** A line of a site's log. */
export type SiteLogLine = z.output<typeof siteLogLineSchema>

/** What one site's code has used since it was last asked. */
export const siteUsageSchema = z.object({
  site: siteName,
  cpuMs: count,
  /** The largest resident size of any of its processes. */
  memoryPeakBytes: count,
  requests: count,
  /** Requests that its code has made: fetch. */
  subrequests: count,
  /** Bytes of bodies from visitors and to them, and of subrequests to servers and from them. */
  receivedBytes: count,
  sentBytes: count,
  egressBytes: count,
  ingressBytes: count,
  kills: count,
})
/** What one site's code has used. */
export type SiteUsage = z.output<typeof siteUsageSchema>

/** One tenant process, for `grove status`. */
export const tenantInfoSchema = z.object({
  process: processId,
  pid: z.int(),
  /** Absent for one that waits for a site. */
  site: siteName.optional(),
  versions: z.array(version),
  state: z.enum(['starting', 'spare', 'serving', 'draining']),
  startedAtMs: z.number(),
  rssBytes: count,
  cpuMs: count,
})
/** One tenant process, for `grove status`. */
export type TenantInfo = z.output<typeof tenantInfoSchema>

/** A site that rests after kills. */
export const quarantineSchema = z.object({ site: siteName, untilMs: z.number(), kills: z.int(), reason: z.string() })
/** A site that rests after kills. */
export type Quarantined = z.output<typeof quarantineSchema>

/** The answer to `status`. */
export const supervisorStatusSchema = z.object({
  pid: z.int(),
  capabilities: z.array(capabilitySchema),
  processes: z.array(tenantInfoSchema),
  quarantined: z.array(quarantineSchema),
})
/** The answer to `status`. */
export type SupervisorStatus = z.output<typeof supervisorStatusSchema>

/** Control to supervisor. */
export const controlToSupervisorSchema = z.discriminatedUnion('kind', [
  /** Call: a version is live. Answer `{}` once its code is loaded, if the site has a process; at once if not. */
  z.object({ kind: z.literal('live'), site: siteName, version }),
  /** Variables, secrets, hosts or limits have changed: whatever runs of the site is loaded anew when it is next needed. */
  z.object({ kind: z.literal('changed'), site: siteName }),
  /** The site is deleted: whatever runs of it ends at once. */
  z.object({ kind: z.literal('deleted'), site: siteName }),
  /** Call: answers {@link supervisorStatusSchema}. */
  z.object({ kind: z.literal('status') }),
  /** Call: answers {@link siteUsageListSchema}, and counts anew. */
  z.object({ kind: z.literal('usage') }),
  /** Call: lets a site out of quarantine. Answer `{}`. */
  z.object({ kind: z.literal('release'), site: siteName }),
])
/** Control to supervisor. */
export type ControlToSupervisor = z.output<typeof controlToSupervisorSchema>

/** The answer to `usage`. */
export const siteUsageListSchema = z.array(siteUsageSchema).max(limits.sandboxProcess.remembered)

/** Supervisor to control. */
export const supervisorToControlSchema = z.discriminatedUnion('kind', [
  /** First message of a supervisor. */
  z.object({ kind: z.literal('hello'), pid: z.int(), capabilities: z.array(capabilitySchema) }),
  /** Call: the code of a version. Answer {@link siteCodeSchema}, or `ERR_NOT_FOUND` where it has none. */
  z.object({ kind: z.literal('code'), site: siteName, version }),
  /** Call: a content that is not on the disk, or not whole. Answer `{}` once it is there, or an error. */
  z.object({ kind: z.literal('content'), site: siteName, hash: blobHashSchema, bytes: z.int() }),
  /** Call: an operation on a site's bag of data, the value in base64. Answer {@link dataReplySchema}. */
  z.object({ kind: z.literal('data'), site: siteName, call: dataCallSchema, value: z.base64().optional() }),
  /** Call: a file of a version, as a visitor would get it. Answer {@link assetReplySchema}. */
  z.object({
    kind: z.literal('asset'),
    site: siteName,
    version,
    method: z.enum(['GET', 'HEAD']),
    url: z.string(),
    headers: flatHeadersSchema,
  }),
  /** Lines of sites' logs, at most so often as a batch is full or 100 ms have passed. */
  z.object({ kind: z.literal('log'), lines: z.array(siteLogLineSchema).max(1_000) }),
])
/** Supervisor to control. */
export type SupervisorToControl = z.output<typeof supervisorToControlSchema>

/** The answer to `data`: the answer of sandbox-messages.ts, and the value in base64. */
export const dataReplySchema = z.object({ answer: z.unknown(), value: z.base64().optional() })

/** The answer to `asset`: what to answer, and the content that is its body, which is on the disk. */
export const assetReplySchema = z.object({
  status: z.int(),
  headers: flatHeadersSchema,
  content: content.optional(),
})
