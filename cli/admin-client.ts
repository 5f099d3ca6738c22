/**
 * The client of the control socket: what core/admin-api.ts says, with every answer checked.
 *
 * Control may be started again at any moment while the fronts go on. A client that has once been answered waits for it
 * to come back, so that a publish outlives it; one that never was says at once that Grove is not running.
 */

import { Agent, type IncomingMessage, request as sendRequest } from 'node:http'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import {
  type PruneRequest,
  type PruneResult,
  type PublishFile,
  type PublishRequest,
  type PublishResult,
  pinSchema,
  pruneResultSchema,
  publishFileSchema,
  publishResultSchema,
  type SiteDetail,
  type SiteSummary,
  type Status,
  siteDetailSchema,
  siteSummarySchema,
  statusSchema,
  type VersionDiff,
  type VersionStatus,
  versionDiffSchema,
  versionStatusSchema,
} from '../core/admin-api.ts'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName, VersionNumber } from '../core/names.ts'
import type { Handle } from '../store/store.ts'
import { explain, isAway, isRefused } from './admin-faults.ts'
import { failureIn, valuesOf } from './admin-lines.ts'

/** Talks to a running Grove. Every call rejects with control's own error, or `ERR_NOT_RUNNING`, `ERR_TIMEOUT`. */
export interface AdminClient extends Disposable {
  /** Where it connects. */
  readonly socket: string
  status(): Promise<Status>
  reload(): Promise<{ changed: boolean; generation: number }>
  stop(): Promise<void>
  /** The first of all sites by name, and how many there are. */
  sites(): Promise<{ readonly sites: SiteSummary[]; readonly count: number }>
  createSite(name: SiteName): Promise<SiteSummary>
  site(name: SiteName): Promise<SiteDetail>
  deleteSite(name: SiteName): Promise<void>
  /** Makes a version live: by default the one before the live one. */
  rollback(name: SiteName, version?: VersionNumber): Promise<PublishResult>
  /** Sends a content for a publish to come. `open` is called again when the sending has to start anew. */
  putBlob(site: SiteName, hash: BlobHash, bytes: number, open: () => Promise<Readable>): Promise<void>
  publish(name: SiteName, request: PublishRequest): Promise<PublishResult>
  /** A version's state; `wait` holds the answer until all receipts are there, 30 s at most. */
  version(name: SiteName, version: VersionNumber, options: { readonly wait: boolean }): Promise<VersionStatus>
  /** The number of the live version; undefined when there is none, or no such site. */
  liveVersion(name: SiteName): Promise<VersionNumber | undefined>
  /** All files of a version. */
  files(name: SiteName, version: VersionNumber): Promise<PublishFile[]>
  /** What differs between two versions; without `from` against nothing. */
  diff(name: SiteName, from: VersionNumber | undefined, to: VersionNumber): Promise<VersionDiff>
  pins(name: SiteName): Promise<Pin[]>
  /** Sets a pin of a version, or moves it. */
  setPin(name: SiteName, pin: Pin): Promise<void>
  /** Takes a pin away; false when there was none. */
  removePin(name: SiteName, pin: string): Promise<boolean>
  prune(name: SiteName, request: PruneRequest): Promise<PruneResult>
  /** Asks anything else; `answer` is the schema of what is said. */
  ask<T>(method: Call['method'], path: string, json: unknown, answer: z.ZodType<T>): Promise<T>
  /** Runs something long: what it says, line by line. */
  lines<T>(path: string, json: unknown, line: z.ZodType<T>): AsyncIterable<T>
  /** Reads what comes line by line, as it comes. */
  watch<T>(path: string, line: z.ZodType<T>): AsyncIterable<T>
  /** Runs a plugin's command; `answer` is the schema of what it says. */
  plugin<T>(plugin: string, command: string, input: unknown, answer: z.ZodType<T>): Promise<T>
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly json?: unknown
  readonly body?: { readonly bytes: number; readonly open: () => Promise<Readable> }
  /** Whether it may take long, as it brings much to the disk or a bucket before it is answered. */
  readonly isLong?: boolean
}

/** How control is reached. */
interface Way {
  readonly socket: string
  readonly agent: Agent
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>>
  /** How long an answer may keep silent, in milliseconds. */
  readonly answerMs: number
}

const nothing = z.object({})
const pinsSchema = z.object({ pins: z.array(pinSchema) })

/** What keeps a version from being pruned. */
export type Pin = z.output<typeof pinSchema>
const segment = encodeURIComponent

/**
 * A client of the control socket at `socket`, as the operator or with a token. Connects when it is first used.
 * `answerMs`: how long an answer may keep silent, by default `limits.cli.answerMs`; what may take long has an hour.
 */
export function createAdminClient(
  socket: string,
  { token, answerMs = limits.cli.answerMs }: { readonly token?: Handle | undefined; readonly answerMs?: number } = {},
): AdminClient {
  const way: Way = {
    socket,
    agent: new Agent({ keepAlive: true, maxSockets: limits.cli.parallelSends }),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    answerMs,
  }
  const disposed = new AbortController()
  const call = createCaller(way, disposed.signal)
  const site = (name: SiteName) => `/sites/${segment(name)}`
  async function* lines<T>(what: Call, line: z.ZodType<T>): AsyncGenerator<T> {
    const response = await send(way, what).catch((error) => {
      throw explain(error, socket)
    })
    if ((response.statusCode ?? 500) >= 400) throw failureIn(await readJson(response), response.statusCode)
    for await (const value of valuesOf(response)) yield checkAnswer(value, line)
  }
  return {
    socket,
    status: () => call({ method: 'GET', path: '/status' }, statusSchema),
    reload: () =>
      call({ method: 'POST', path: '/reload', json: {} }, z.object({ changed: z.boolean(), generation: z.int() })),
    stop: async () => void (await call({ method: 'POST', path: '/stop', json: {} }, nothing)),
    sites: async () =>
      await call({ method: 'GET', path: '/sites' }, z.object({ sites: z.array(siteSummarySchema), count: z.int() })),
    createSite: (name) => call({ method: 'POST', path: '/sites', json: { name } }, siteSummarySchema),
    site: (name) => call({ method: 'GET', path: site(name) }, siteDetailSchema),
    deleteSite: async (name) => void (await call({ method: 'DELETE', path: site(name) }, nothing)),
    rollback: (name, version) =>
      call(
        // The id makes a retry after a lost answer go back one version, not two.
        {
          method: 'POST',
          path: `${site(name)}/rollback`,
          json: { opId: randomId(), ...(version && { version }) },
          isLong: true,
        },
        publishResultSchema,
      ),
    putBlob: async (name, hash, bytes, open) =>
      void (await call(
        { method: 'PUT', path: `/blobs/${hash}?site=${segment(name)}`, body: { bytes, open } },
        nothing,
      )),
    publish: (name, request) =>
      call({ method: 'POST', path: `${site(name)}/versions`, json: request, isLong: true }, publishResultSchema),
    version: (name, version, { wait }) =>
      call(
        { method: 'GET', path: `${site(name)}/versions/${version}${wait ? '?wait=purged' : ''}` },
        versionStatusSchema,
      ),
    liveVersion: async (name) => {
      const found = await call({ method: 'GET', path: `${site(name)}/live` }, z.object({ version: z.int().optional() }))
      return found.version
    },
    files: async (name, version) => {
      const listed = lines({ method: 'GET', path: `${site(name)}/versions/${version}/files` }, publishFileSchema)
      return await Array.fromAsync(listed)
    },
    diff: (name, from, to) =>
      call(
        { method: 'GET', path: `${site(name)}/diff?${from === undefined ? '' : `from=${from}&`}to=${to}` },
        versionDiffSchema,
      ),
    pins: async (name) => (await call({ method: 'GET', path: `${site(name)}/pins` }, pinsSchema)).pins,
    setPin: async (name, { name: pin, ...json }) =>
      void (await call({ method: 'PUT', path: `${site(name)}/pins/${segment(pin)}`, json }, nothing)),
    removePin: async (name, pin) =>
      (await call({ method: 'DELETE', path: `${site(name)}/pins/${segment(pin)}` }, z.object({ removed: z.boolean() })))
        .removed,
    prune: (name, request) =>
      call({ method: 'POST', path: `${site(name)}/prune`, json: request, isLong: true }, pruneResultSchema),
    ask: (method, path, json, answer) => call({ method, path, json }, answer),
    lines: (path, json, line) => lines({ method: 'POST', path, json }, line),
    watch: (path, line) => lines({ method: 'GET', path }, line),
    plugin: (plugin, command, input, answer) =>
      call({ method: 'POST', path: `/plugins/${segment(plugin)}/${segment(command)}`, json: input }, answer),
    [Symbol.dispose]() {
      disposed.abort()
      way.agent.destroy()
    },
  }
}

function createCaller(way: Way, disposed: AbortSignal): <T>(call: Call, answer: z.ZodType<T>) => Promise<T> {
  const { firstRetryMs, longestRetryMs } = limits.cli
  let wasAnswered = false
  return async (call, answer) => {
    let untilMs: number | undefined
    for (let waitMs: number = firstRetryMs; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
      try {
        const value = await callOnce(way, call)
        wasAnswered = true
        return checkAnswer(value, answer)
      } catch (error) {
        // A socket that nobody answers may be that of a control that is being started again.
        const patienceMs = wasAnswered ? limits.cli.reconnectMs : isRefused(error) ? limits.cli.firstAnswerMs : 0
        untilMs ??= performance.now() + patienceMs
        if (!isAway(error) || performance.now() > untilMs || disposed.aborted) throw explain(error, way.socket)
        await pause(waitMs, undefined, { signal: disposed })
      }
    }
  }
}

function checkAnswer<T>(value: unknown, answer: z.ZodType<T>): T {
  const parsed = answer.safeParse(value)
  if (parsed.success) return parsed.data
  throw new GroveError('ERR_CHANNEL', 'control answered what this command does not understand', {
    cause: parsed.error,
    hint: 'is the grove that runs of another version? stop it and start it again',
  })
}

async function callOnce(way: Way, call: Call): Promise<unknown> {
  const response = await send(way, call)
  const value = await readJson(response)
  if ((response.statusCode ?? 500) < 400) return value
  throw failureIn(value, response.statusCode)
}

async function send(way: Way, { method, path, json, body, isLong }: Call): Promise<IncomingMessage> {
  const { socket: socketPath, agent } = way
  const timeout = isLong ? limits.admin.requestTimeoutMs : way.answerMs
  const payload = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
  const source = await body?.open()
  const headers = {
    ...way.headers,
    ...(payload && { 'content-type': 'application/json', 'content-length': payload.length }),
    ...(body && { 'content-type': 'application/octet-stream', 'content-length': body.bytes }),
  }
  return await new Promise<IncomingMessage>((resolve, reject) => {
    const request = sendRequest({ socketPath, agent, method, path, headers, timeout })
    request.on('response', resolve)
    request.on('error', reject)
    request.on('timeout', () =>
      request.destroy(
        new GroveError('ERR_TIMEOUT', `control did not answer within ${timeout / 1_000} s`, {
          hint: 'it may be busy or stuck, and may do it yet: look at grove status and the log before you send it again',
        }),
      ),
    )
    request.on('close', () => source?.destroy())
    if (!source) return request.end(payload)
    source.on('error', (error) => request.destroy(error))
    return source.pipe(request)
  })
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > limits.admin.jsonBytes)
      throw new GroveError('ERR_TOO_LARGE', `answer of more than ${limits.admin.jsonBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new GroveError('ERR_CHANNEL', 'control answered something else than JSON', { cause: error })
  }
}
