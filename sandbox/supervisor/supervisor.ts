/**
 * The supervisor of sandboxes: it starts a process for each site whose code is asked for, watches it, does for it what
 * it may ask of the host, and ends it. It has no store and no keys of TLS; secrets of sites it has, and their processes
 * get placeholders.
 */

import type { Logger } from 'pino'
import { GroveError } from '../../core/errors.ts'
import { nextRequestId } from '../../core/ids.ts'
import type { Layout } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import type { ControlToSupervisor, SupervisorStatus, SupervisorToControl } from '../../core/supervisor-messages.ts'
import { type Accounts, createAccounts } from './accounts.ts'
import { type ControlCalls, createCodes } from './codes.ts'
import { type Confinement, findConfinement } from './confinement.ts'
import { createFronts, type FrontMessage, type Fronts } from './fronts.ts'
import { createLauncher, type Launcher } from './launch.ts'
import type { Operations } from './operations.ts'
import { endCode, isKill, type ProcessEnd } from './process-end.ts'
import { type ProgramFiles, tenantFiles } from './program-files.ts'
import { createQuarantine, type Quarantine } from './quarantine.ts'
import { findResourceGroups } from './resources.ts'
import { type TenantEvents, TenantProcess } from './tenant-process.ts'
import { createTenantReports, type TakeSiteLine, type TenantReports } from './tenant-reports.ts'
import { createTenants, type Tenants, type TenantTimes } from './tenants.ts'
import { createWarmPool, type WarmPool } from './warm-pool.ts'

/** What a supervisor is made with. */
export interface SupervisorOptions {
  readonly layout: Layout
  readonly control: ControlCalls
  /** Does what tenants ask of the host, see host-operations.ts. */
  readonly operations: Operations
  /** Takes lines of sites' logs, see site-log.ts. */
  readonly siteLog: TakeSiteLine
  readonly log: Logger
  /** The guest's prelude, which every process gets, see isolated/prelude-bundle.ts. */
  readonly prelude: string
  /** The program of tenants, an absolute path, see program-files.ts. It must be there as long as the supervisor is. */
  readonly entry: string
  /** What that program consists of. @default that of Grove's own, as it lies in its folder */
  readonly files?: ProgramFiles
  /** Processes at one time. @default limits.sandboxProcess.processes */
  readonly processes?: number
  /** Of these, how many wait for a site. @default limits.sandboxProcess.spares */
  readonly spares?: number
  /** When what nobody asks for is given up. @default limits.sandboxProcess */
  readonly times?: Partial<TenantTimes>
  /** The first of the accounts that tenants get. @default where Grove finds some that nobody has */
  readonly firstUid?: number
  /** A control group that Grove was given, or `off`. @default what it finds */
  readonly group?: string
  /** What confines tenants, found out before. @default it is found out at start */
  readonly confinement?: Confinement
}

/** The supervisor. */
export interface Supervisor {
  /** Finds out what holds on this machine, and serves fronts. Throws `ERR_PORT`. */
  start(): Promise<void>
  /** Does what control asks for, and answers it. */
  receive(message: ControlToSupervisor): Promise<unknown>
  readonly status: SupervisorStatus
  /** What is said to control first, once it is known; also to one that has come back. */
  readonly hello: SupervisorToControl | undefined
  /** Ends all processes. */
  close(): Promise<void>
}

/** Makes a supervisor, which does nothing yet. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  return new SandboxSupervisor(options)
}

class SandboxSupervisor implements Supervisor {
  readonly #options: SupervisorOptions
  readonly #log: Logger
  readonly #accounts: Accounts = createAccounts()
  readonly #reports: TenantReports
  readonly #events: TenantEvents
  readonly #quarantine: Quarantine = createQuarantine()
  /** Every process that is not gone. Keyed by its id. */
  readonly #processes = new Map<string, TenantProcess>()
  readonly #fronts: Fronts
  readonly #pool: WarmPool
  readonly #tenants: Tenants
  #launcher: Launcher | undefined
  #capabilities: SupervisorStatus['capabilities'] = []
  #watchTimer: NodeJS.Timeout | undefined
  #sweepTimer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: SupervisorOptions) {
    const { layout, log, control } = options
    this.#options = options
    this.#log = log
    this.#reports = createTenantReports({ siteLog: options.siteLog, accounts: this.#accounts, log })
    this.#events = {
      ...this.#reports,
      over: (tenant, end) => this.#over(tenant, end),
      gone: (tenant, errors, stragglers) => this.#gone(tenant, errors, stragglers),
    }
    this.#fronts = createFronts({
      socket: layout.supervisorSocket,
      receive: (front, message) => this.#fromFront(front, message),
      changed: () => this.#frontsChanged(),
      log,
    })
    this.#pool = createWarmPool({
      start: () => this.#start(),
      isCurrent: ({ fronts }) => [...this.#fronts.current].every((front) => fronts.has(front)),
      hasRoom: () => this.#fronts.current.size > 0 && this.#processes.size + this.#pool.pending < this.#most,
      spares: options.spares ?? limits.sandboxProcess.spares,
      log,
    })
    this.#tenants = createTenants({
      fronts: this.#fronts,
      pool: this.#pool,
      codes: createCodes(control, layout),
      quarantine: this.#quarantine,
      processes: this.#processes,
      mostProcesses: this.#most,
      times: { ...limits.sandboxProcess, ...options.times },
      loadFailed: this.#reports.loadFailed,
    })
  }

  async start(): Promise<void> {
    const { entry, files = tenantFiles(), layout, firstUid, group } = this.#options
    const confinement =
      this.#options.confinement ??
      (await findConfinement({ ...files, secret: [layout.root], ...(firstUid !== undefined && { firstUid }) }))
    const groups = findResourceGroups({ group })
    this.#capabilities = [...confinement.rows, groups.row]
    for (const { name, holds, why } of this.#capabilities)
      this.#log[holds ? 'info' : 'warn']({ holds }, `sandboxes: ${name}: ${why}`)
    // Processes that are dying still have their accounts.
    const accounts = this.#most * 2 + limits.sandboxProcess.starting
    this.#launcher = createLauncher({ plan: confinement.plan, groups, entry, readable: files.readable, accounts })
    await this.#fronts.listen()
    this.#watchTimer = setInterval(() => this.#watch(), limits.sandboxProcess.watchMs)
    this.#sweepTimer = setInterval(() => this.#tenants.sweep(performance.now()), limits.sandboxProcess.sweepMs)
    if (this.hello) this.#options.control.send(this.hello)
  }

  get hello(): SupervisorToControl | undefined {
    if (!this.#launcher) return undefined
    return { kind: 'hello', pid: process.pid, capabilities: [...this.#capabilities] }
  }

  async receive(message: ControlToSupervisor): Promise<unknown> {
    switch (message.kind) {
      case 'live':
        await this.#tenants.live(message.site, message.version)
        return {}
      case 'changed':
        this.#tenants.changed(message.site)
        return {}
      case 'deleted':
        this.#tenants.deleted(message.site)
        return {}
      case 'release':
        this.#quarantine.release(message.site)
        return {}
      case 'status':
        return this.status
      case 'usage':
        return this.#accounts.take()
    }
  }

  get status(): SupervisorStatus {
    return {
      pid: process.pid,
      capabilities: this.#capabilities,
      processes: [...this.#processes.values()].map((tenant) => tenant.info),
      quarantined: this.#quarantine.list(),
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#watchTimer)
    clearInterval(this.#sweepTimer)
    this.#isClosed = true
    this.#pool.close()
    const all = [...this.#processes.values()]
    for (const tenant of all) tenant.stop({ reason: 'stopped', detail: 'the supervisor ends' })
    await this.#fronts.close()
    await Promise.all(all.map(({ gone }) => gone))
  }

  get #most(): number {
    return this.#options.processes ?? limits.sandboxProcess.processes
  }

  async #start(): Promise<TenantProcess> {
    const launcher = this.#launcher
    if (!launcher) throw new Error('the supervisor has not started')
    const id = nextRequestId()
    const links = await this.#fronts.connect(id)
    if (this.#isClosed) {
      for (const link of links.values()) link.destroy()
      throw new GroveError('ERR_CLOSED', 'the supervisor ends')
    }
    const { operations, prelude } = this.#options
    const tenant = new TenantProcess({ id, launcher, prelude, links, operations, events: this.#events })
    this.#processes.set(id, tenant)
    return tenant
  }

  #watch(): void {
    const nowMs = performance.now()
    for (const tenant of this.#processes.values()) tenant.look(nowMs)
  }

  async #fromFront(front: number, message: FrontMessage): Promise<unknown> {
    switch (message.kind) {
      case 'need': {
        const { id } = await this.#tenants.need(front, message.site, message.version)
        return { process: id }
      }
      case 'used':
        for (const used of message.processes) this.#used(front, used)
        return {}
      case 'broken':
        this.#processes.get(message.process)?.stop({ reason: 'protocol', detail: message.reason.slice(0, 300) })
        return {}
    }
  }

  #used(front: number, used: Extract<FrontMessage, { kind: 'used' }>['processes'][number]): void {
    const tenant = this.#processes.get(used.process)
    if (!tenant) return
    if (used.underWay > 0) tenant.underWay.set(front, used.underWay)
    else tenant.underWay.delete(front)
    if (used.requests > 0 || used.underWay > 0) tenant.usedAtMs = performance.now()
    const { requests, receivedBytes, sentBytes } = used
    if (tenant.site !== undefined) this.#accounts.add(tenant.site, { requests, receivedBytes, sentBytes })
  }

  #frontsChanged(): void {
    for (const tenant of this.#processes.values())
      for (const front of tenant.underWay.keys()) if (!this.#fronts.current.has(front)) tenant.underWay.delete(front)
    this.#pool.refresh()
  }

  #gone(tenant: TenantProcess, errors: string, stragglers: number): void {
    const { id, site, end } = tenant
    this.#processes.delete(id)
    this.#options.operations.ended?.(id)
    if (stragglers > 0) this.#log.error({ site, process: id, stragglers }, 'a sandbox has left processes behind')
    if (end && isKill(end) && errors !== '')
      this.#log.debug({ site, process: id, errors: errors.slice(-2_000) }, 'last words of a sandbox')
  }

  #over(tenant: TenantProcess, end: ProcessEnd): void {
    const { id, site } = tenant
    this.#pool.drop(tenant)
    this.#tenants.over(tenant)
    const told = site === undefined ? {} : { site }
    this.#fronts.tell({ kind: 'ended', process: id, ...told, code: endCode(end), reason: end.detail })
    this.#log[isKill(end) ? 'warn' : 'debug']({ process: id, pid: tenant.pid, ...told, ...end }, 'sandbox has ended')
    if (!isKill(end) || site === undefined) return
    this.#accounts.add(site, { kills: 1 })
    const { restMs, isQuarantine } = this.#quarantine.killed(site, end.reason)
    this.#reports.tell(site, 'error', `the process of the site's code was ended: ${end.detail}`)
    if (isQuarantine)
      this.#reports.tell(site, 'error', `too many ends: the code rests for ${Math.round(restMs / 1_000)} s`)
  }
}
