/**
 * The whole way of a request to site code, in one test process: the front's real links, the real supervisor with control's
 * real bags of data, an egress with a web of the test's own, and tenant processes that are confined as the machine
 * allows. Beside the site that attacks there is a neighbour, who is asked all the time and has to answer.
 */

import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pino } from 'pino'
import type { Test } from 'tap'
import { SiteBags } from '../../../control/site-bags.ts'
import { GroveError, toGroveError } from '../../../core/errors.ts'
import type { HeaderList } from '../../../core/headers.ts'
import { blobFile, type Layout, layoutOf } from '../../../core/layout.ts'
import { defaultSandboxLimits, type SandboxLimits } from '../../../core/sandbox-limits.ts'
import type { SiteCode, SiteLogLine, SupervisorStatus, SupervisorToControl } from '../../../core/supervisor-messages.ts'
import type { OpenVisitorSocket } from '../../../proxy/code-socket-ends.ts'
import { createCodeUpstream } from '../../../proxy/code-upstream.ts'
import { SupervisorLink } from '../../../proxy/supervisor-link.ts'
import type { Bundle } from '../../../sandbox/bundle/bundle.ts'
import { createAddressCheck } from '../../../sandbox/egress/addresses.ts'
import { buildPrelude } from '../../../sandbox/isolated/prelude-bundle.ts'
import { createRedactor, type Redactor } from '../../../sandbox/secrets.ts'
import type { ControlCalls, LoadedCode } from '../../../sandbox/supervisor/codes.ts'
import { findConfinement } from '../../../sandbox/supervisor/confinement.ts'
import { createEgressOperations } from '../../../sandbox/supervisor/egress-operations.ts'
import { createHostOperations } from '../../../sandbox/supervisor/host-operations.ts'
import type { LaunchPlan } from '../../../sandbox/supervisor/launch-line.ts'
import { openTenantProgram } from '../../../sandbox/supervisor/program-files.ts'
import { createSupervisor } from '../../../sandbox/supervisor/supervisor.ts'
import { openMemoryStore } from '../../../store/drivers/memory.ts'
import { shortFolder } from '../../control/fixtures/short-folder.ts'
import { silentLog } from '../../control/fixtures/silent-log.ts'
import { bundleFiles, type Files } from '../bundle/fixtures/site.ts'
import { type Names, publicAddress, startNames } from '../egress/fixtures/web.ts'

const mebibyte = 2 ** 20
/** A neighbour that is slower than this while others attack is disturbed. Wide, because machines that test are busy. */
const neighbourMs = 5_000
const neighbourSite = 'neighbour'
/** How long a line of a log may take. */
const lineMs = 5_000

/** What a visitor gets. */
export interface Seen {
  readonly status: number
  readonly headers: HeaderList
  readonly body: string
  /** Of the failure, where the code did not answer: one of `failureCodes`, or a code of an error. */
  readonly failed?: string
  readonly reason?: string
  /** The answer broke off. */
  readonly isCut?: true
}

/** What differs from a GET of `/`. */
export interface Visit {
  readonly version?: number
  readonly method?: string
  readonly path?: string
  readonly headers?: HeaderList
  readonly body?: Readable | string
  readonly upgrade?: OpenVisitorSocket
  readonly signal?: AbortSignal
}

/** How a site is published. */
export interface Publication extends Partial<Omit<SiteCode, 'limits' | 'bundle'>> {
  readonly limits?: Partial<SandboxLimits>
}

/** The ground on which sites attack. */
export interface Ground {
  readonly layout: Layout
  readonly plan: LaunchPlan
  /** Lines of sites' logs, without their secrets. */
  readonly lines: SiteLogLine[]
  /** What Grove itself has logged. */
  readonly ownLog: string[]
  /** What every tenant asked control for. */
  readonly asked: SupervisorToControl[]
  /** Publishes code: the text of `_worker.js`, files, or a bundle. */
  publish(site: string, code: string | Files | Bundle, more?: Publication): Promise<number>
  ask(site: string, visit?: Visit): Promise<Seen>
  /** Lines of a site's log that match, once there is one. Answers undefined when none has come for long. */
  line(site: string, pattern: RegExp): Promise<string | undefined>
  status(): SupervisorStatus
  pidOf(site: string): number | undefined
  /** Lets a site out of its rest. */
  release(site: string): Promise<void>
  deleteSite(site: string): Promise<void>
  /** What must hold when attacks are over; the ground is closed then. */
  endsWell(t: Test): Promise<void>
}

/** What differs on a ground. */
export interface GroundOptions {
  /** Ports that sites may reach beside 80 and 443. */
  readonly ports?: readonly number[]
  readonly ca?: string
  /** Records of names, beside those of `*.example`. */
  readonly names?: Names
  readonly neighbour?: { readonly code?: string } & Publication
  readonly asset?: (message: Extract<SupervisorToControl, { kind: 'asset' }>) => unknown
}

const neighbourCode = `export default { fetch: () => new Response('well') }`

/** Lays a ground out. Everything ends after the test. */
export async function layGround(t: Test, options: GroundOptions = {}): Promise<Ground> {
  const layout = layoutOf(shortFolder(t))
  const store = await openMemoryStore()
  const bags = new SiteBags({ store, now: Date.now, log: silentLog })
  const codes = new Map<string, SiteCode>()
  const lines: SiteLogLine[] = []
  const asked: SupervisorToControl[] = []
  const ownLog: string[] = []
  const log = pino({ level: 'trace' }, { write: (line: string) => void ownLog.push(line) })
  const redactors = new WeakMap<LoadedCode, Redactor>()
  const dns = await startNames(t, options.names)
  const program = await openTenantProgram()
  const confinement = await findConfinement({ ...program, secret: [layout.root] })
  const control: ControlCalls = { send: () => {}, call: answer }
  const fetches = createEgressOperations({
    check: createAddressCheck({ alsoPublic: [publicAddress] }),
    servers: [dns.server],
    ports: options.ports ?? [],
    ca: options.ca,
  })
  const supervisor = createSupervisor({
    layout,
    control,
    operations: createHostOperations({ fetch: fetches, control, layout }),
    siteLog: (said, code) => lines.push({ ...said, text: redactorOf(code).text(said.text) }),
    log,
    prelude: await buildPrelude(),
    entry: program.entry,
    files: program,
    spares: 1,
    group: 'off',
    confinement,
  })
  await supervisor.start()
  const links = new SupervisorLink({ socket: layout.supervisorSocket, log })

  async function answer(message: SupervisorToControl): Promise<unknown> {
    asked.push(message)
    switch (message.kind) {
      case 'code': {
        const code = codes.get(`${message.site}@${message.version}`)
        if (!code) throw new GroveError('ERR_NOT_FOUND', `${message.site}@${message.version} has no code`)
        return structuredClone(code)
      }
      case 'data': {
        const value = message.value === undefined ? undefined : Buffer.from(message.value, 'base64')
        const reply = await bags.answer(message.site, message.call, value)
        return { answer: reply.answer, ...(reply.value && { value: Buffer.from(reply.value).toString('base64') }) }
      }
      case 'asset':
        return options.asset?.(message) ?? { status: 404, headers: [] }
      default:
        throw new GroveError('ERR_NOT_FOUND', `no ${message.kind}`)
    }
  }

  function redactorOf(code: LoadedCode | undefined): Redactor {
    if (!code) return createRedactor([])
    const known = redactors.get(code) ?? createRedactor(code.secrets)
    redactors.set(code, known)
    return known
  }

  async function publish(site: string, code: string | Files | Bundle, more: Publication = {}): Promise<number> {
    const { version = 1, limits, ...rest } = more
    const bundle = isBundle(code) ? code : await bundleFiles(typeof code === 'string' ? { '_worker.js': code } : code)
    const contents = [Buffer.from(bundle.code), ...bundle.wasm.map(({ bytes }) => Buffer.from(bytes))]
    const [own, ...modules] = contents.map((content) => keep(layout, content))
    codes.set(`${site}@${version}`, {
      site,
      version,
      bundle: own as SiteCode['bundle'],
      wasm: modules.map((content, index) => ({ ...content, name: bundle.wasm[index]?.name ?? '' })),
      vars: {},
      secrets: [],
      assets: false,
      data: false,
      limits: { ...defaultSandboxLimits, cpuBucketMs: 30_000, ...limits },
      ...rest,
    })
    return version
  }

  async function ask(site: string, visit: Visit = {}): Promise<Seen> {
    const { version = 1, method = 'GET', path = '/', headers = [], body, upgrade, signal } = visit
    const upstream = createCodeUpstream(site, version, links)
    visits += 1
    try {
      const answered = await upstream.send(
        {
          id: `v-${visits}`,
          method,
          authority: `${site}.localhost`,
          target: path,
          headers,
          body: typeof body === 'string' ? Readable.from([Buffer.from(body)]) : body,
          signal: signal ?? new AbortController().signal,
          timeoutMs: 30_000,
        },
        upgrade,
      )
      return { status: answered.status, headers: answered.headers, ...(await readBody(answered.body)) }
    } catch (thrown) {
      const { code, message, details } = toGroveError(thrown)
      const { status = 0, code: failed = code } = (details ?? {}) as { status?: number; code?: string }
      return { status, headers: [], body: '', failed, reason: message }
    }
  }

  const pidOf = (site: string) =>
    supervisor.status.processes.findLast((each) => each.site === site && each.state === 'serving')?.pid

  async function line(site: string, pattern: RegExp): Promise<string | undefined> {
    const has = () => lines.find((each) => each.site === site && pattern.test(each.text))?.text
    for (const endAt = performance.now() + lineMs; has() === undefined && performance.now() < endAt; ) await pause(10)
    return has()
  }

  const { code: ofNeighbour = neighbourCode, ...publication } = options.neighbour ?? {}
  await publish(neighbourSite, ofNeighbour, publication)
  const first = await ask(neighbourSite)
  t.equal(first.body, 'well', `the neighbour is well before anything begins: ${JSON.stringify(first)}`)
  const neighbourPid = pidOf(neighbourSite) ?? 0
  const watch = watchNeighbour(
    () => ask(neighbourSite),
    () => supervisor.status,
  )
  const ownBefore = process.memoryUsage.rss()

  let closing: Promise<void> | undefined
  async function closeAll(): Promise<void> {
    await watch.stop()
    links[Symbol.dispose]()
    await supervisor.close()
    await bags[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  }
  const close = () => {
    closing ??= closeAll()
    return closing
  }
  t.teardown(close)

  return {
    plan: confinement.plan,
    layout,
    lines,
    ownLog,
    asked,
    publish,
    ask,
    line,
    pidOf,
    status: () => supervisor.status,
    release: async (site) => void (await supervisor.receive({ kind: 'release', site })),
    deleteSite: async (site) => void (await supervisor.receive({ kind: 'deleted', site })),
    async endsWell(t) {
      const { answered, slowestMs, failed, peakBytes } = watch
      t.same(failed, [], 'the neighbour was never refused')
      t.ok(answered > 0 && slowestMs < neighbourMs, `it answered ${answered} times, within ${Math.round(slowestMs)} ms`)
      t.equal(pidOf(neighbourSite), neighbourPid, 'by one process all the time')
      t.ok(rssOf(neighbourPid) < 200 * mebibyte, `which has ${toMiB(rssOf(neighbourPid))}`)
      t.ok(peakBytes < 768 * mebibyte, `no process was ever larger than ${toMiB(peakBytes)}`)
      const grown = process.memoryUsage.rss() - ownBefore
      t.ok(grown < 400 * mebibyte, `front and supervisor together have grown by ${toMiB(grown)}`)
      for (const { rssBytes, pid } of supervisor.status.processes)
        t.ok(rssOf(pid) < 320 * mebibyte, `what runs is within its bound: ${toMiB(rssBytes)}`)
      const known = () => supervisor.status.processes.map(({ pid }) => pid)
      for (const endAt = performance.now() + lineMs; !isWithin(tenantPids(), known()) && performance.now() < endAt; )
        await pause(20)
      t.ok(isWithin(tenantPids(), known()), 'no process lives that the supervisor does not know')
      await close()
      t.same(tenantPids(), [], 'and none when it has ended')
    },
  }
}

/** Asks the neighbour again and again, and looks how large every process is. */
function watchNeighbour(ask: () => Promise<Seen>, status: () => SupervisorStatus) {
  const watch = { answered: 0, slowestMs: 0, failed: [] as string[], peakBytes: 0, stop }
  let isOver = false
  const over = run()

  async function run(): Promise<void> {
    while (!isOver) {
      const startedAt = performance.now()
      const seen = await ask()
      if (isOver) return
      if (seen.body === 'well') watch.answered += 1
      else watch.failed.push(JSON.stringify(seen))
      watch.slowestMs = Math.max(watch.slowestMs, performance.now() - startedAt)
      for (const { pid } of status().processes) watch.peakBytes = Math.max(watch.peakBytes, rssOf(pid))
      await pause(25)
    }
  }

  async function stop(): Promise<void> {
    isOver = true
    await over
  }

  return watch
}

async function readBody(body: Readable | Uint8Array | undefined): Promise<{ body: string; isCut?: true }> {
  if (body instanceof Uint8Array) return { body: Buffer.from(body).toString('utf8', 0, 100_000) }
  let text = ''
  try {
    for await (const piece of body ?? []) if (text.length < 100_000) text += (piece as Buffer).toString('utf8')
    return { body: text }
  } catch {
    return { body: text, isCut: true }
  }
}

/** Resident bytes of a process; 0 for one that is gone. */
export function rssOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

/** Tenant processes that this process has started and that are not gone. */
export function tenantPids(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1]
      const isTenant = readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('--permission')
      return isTenant && Number(parent) === process.pid ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

const isBundle = (code: string | Files | Bundle): code is Bundle => typeof code === 'object' && 'inputs' in code
const isWithin = (some: readonly number[], all: readonly number[]) => some.every((each) => all.includes(each))
const toMiB = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Puts a content where the supervisor finds it. */
function keep(layout: Layout, content: Buffer): SiteCode['bundle'] {
  const hash = createHash('sha256').update(content).digest('hex')
  const file = blobFile(layout, hash)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
  return { hash, bytes: content.length }
}

let visits = 0
