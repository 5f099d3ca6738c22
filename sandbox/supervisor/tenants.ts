/**
 * Which process serves which site: started when the site is first asked for, replaced when other fronts run or the
 * site's settings change, ended when nobody asks for it, and never given to another site.
 */

import { performance } from 'node:perf_hooks'
import { GroveError, isGroveError, toGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { SiteName, VersionNumber } from '../../core/names.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import type { Codes } from './codes.ts'
import type { Fronts } from './fronts.ts'
import type { ProcessEnd } from './process-end.ts'
import type { Quarantine } from './quarantine.ts'
import { busy, findVictim, untilGone } from './room.ts'
import type { TenantProcess } from './tenant-process.ts'
import { createVersionLoads, type VersionLoads } from './version-loads.ts'
import type { WarmPool } from './warm-pool.ts'

/** When tenants give up what they have; see `limits.sandboxProcess`. */
export interface TenantTimes {
  readonly codeIdleMs: number
  readonly supersededMs: number
  readonly idleMs: number
  readonly drainMs: number
  readonly quietMs: number
  readonly roomQuietMs: number
}

/** What tenants are made with. */
export interface TenantsOptions {
  readonly fronts: Pick<Fronts, 'release'>
  readonly pool: WarmPool
  readonly codes: Codes
  readonly quarantine: Quarantine
  /** Every process that is not gone. */
  readonly processes: ReadonlyMap<string, TenantProcess>
  readonly mostProcesses: number
  readonly times: TenantTimes
  /** Told when a code does not load, once for each try. */
  readonly loadFailed: (site: SiteName, version: VersionNumber, error: GroveError) => void
}

/** A site with code, as long as anything is known of it. */
interface Tenant {
  readonly site: SiteName
  current: TenantProcess | undefined
  starting: Promise<TenantProcess> | undefined
  /** The newest version that control has said is live, and the work of following it. */
  live: VersionNumber | undefined
  liveAtMs: number
  following: Promise<void> | undefined
  loads: VersionLoads
}

/** Which process serves which site. */
export interface Tenants {
  /**
   * The process in which a version is loaded and that a front has a link with. Rejects with `ERR_SITE_RESTING`,
   * `ERR_SITE_CODE`, `ERR_SANDBOX_BUSY`, and with what control says of the code.
   */
  need(front: number, site: SiteName, version: VersionNumber): Promise<TenantProcess>
  /** A version is live. Resolves once it is loaded, if the site has a process. Rejects when it does not load. */
  live(site: SiteName, version: VersionNumber): Promise<void>
  /** A site's settings have changed: its process is replaced at the next request. */
  changed(site: SiteName): void
  /** A site is deleted: its processes end. */
  deleted(site: SiteName): void
  /** A process is over. */
  over(process: TenantProcess): void
  /** Ends what nobody needs any more. To be called about once a second. */
  sweep(nowMs: number): void
}

/** Sites without processes. */
export function createTenants(options: TenantsOptions): Tenants {
  return new SiteTenants(options)
}

class SiteTenants implements Tenants {
  readonly #options: TenantsOptions
  readonly #tenants = new Map<SiteName, Tenant>()
  /** One looks for room at a time, so that two do not find the same. */
  readonly #room = createTurnstile({ most: limits.sandboxProcess.waiting, what: 'sites that wait for a process' })

  constructor(options: TenantsOptions) {
    this.#options = options
  }

  async need(front: number, site: SiteName, version: VersionNumber): Promise<TenantProcess> {
    for (let tries = 0; ; tries++) {
      await this.#options.quarantine.pass(site)
      const tenant = this.#tenantOf(site)
      // Before a process is taken for it: that there is such a code at all.
      const contents = isServed(tenant, front) ? undefined : await this.#options.codes.get(site, version)
      const process = await this.#processFor(tenant, front)
      process.usedAtMs = performance.now()
      try {
        await tenant.loads.load(process, version, contents)
        if (process.end) throw new GroveError('ERR_CLOSED', `the process has ended: ${process.end.detail}`)
        // Settings that have changed meanwhile: what was loaded may be of before.
        if (tenant.current !== process && process.drainUntilMs !== undefined) continue
        return process
      } catch (error) {
        // It ended under the load, which need not be the load's fault: its siblings may have done it.
        if (!isGroveError(error, 'ERR_CLOSED') || tries > 0) throw toBusy(error)
      }
    }
  }

  async live(site: SiteName, version: VersionNumber): Promise<void> {
    // What is new may be right: it gets a chance at once.
    this.#options.quarantine.release(site)
    const tenant = this.#tenants.get(site)
    if (!tenant) return
    tenant.live = version
    tenant.liveAtMs = performance.now()
    tenant.loads.forgive()
    tenant.following ??= this.#follow(tenant).finally(() => {
      tenant.following = undefined
    })
    await tenant.following
  }

  changed(site: SiteName): void {
    this.#options.quarantine.release(site)
    const tenant = this.#tenants.get(site)
    if (!tenant) return
    tenant.loads.forgive()
    const process = tenant.current
    tenant.current = undefined
    if (process) this.#drain(process)
  }

  deleted(site: SiteName): void {
    this.#tenants.delete(site)
    this.#options.quarantine.release(site)
    for (const process of this.#options.processes.values())
      if (process.site === site) process.stop({ reason: 'stopped', detail: 'the site is deleted' })
  }

  over(process: TenantProcess): void {
    const tenant = process.site === undefined ? undefined : this.#tenants.get(process.site)
    if (tenant?.current === process) tenant.current = undefined
  }

  sweep(nowMs: number): void {
    const { codeIdleMs, idleMs, quietMs } = this.#options.times
    for (const process of this.#options.processes.values()) {
      if (process.site === undefined || process.end) continue
      const quietForMs = process.isBusy ? 0 : nowMs - process.usedAtMs
      if (process.drainUntilMs !== undefined) {
        if (quietForMs > quietMs || nowMs > process.drainUntilMs) process.stop(drained)
      } else if (quietForMs > idleMs) this.#retire(process)
      else if (quietForMs > codeIdleMs) this.#unload(process.site, process)
      else this.#unloadSuperseded(process.site, process, nowMs)
    }
    for (const [site, tenant] of this.#tenants)
      if (!tenant.current && !tenant.starting && !tenant.following && tenant.loads.isClean(nowMs))
        this.#tenants.delete(site)
  }

  #tenantOf(site: SiteName): Tenant {
    const known = this.#tenants.get(site)
    if (known) return known
    const tenant: Tenant = {
      site,
      current: undefined,
      starting: undefined,
      live: undefined,
      liveAtMs: 0,
      following: undefined,
      loads: createVersionLoads({
        site,
        codes: this.#options.codes,
        isLive: (version) => tenant.live === version,
        release: (process, version) => this.#options.fronts.release(process.id, version),
        failed: (version, error) => this.#options.loadFailed(site, version, error),
      }),
    }
    this.#tenants.set(site, tenant)
    return tenant
  }

  async #processFor(tenant: Tenant, front: number): Promise<TenantProcess> {
    // One that was being started when the front came has no link with it; the next one has.
    for (let tries = 0; tries < 2; tries += 1) {
      if (isServed(tenant, front)) return tenant.current
      tenant.starting ??= this.#acquire(tenant).finally(() => {
        tenant.starting = undefined
      })
      const process = await tenant.starting
      if (process.fronts.has(front)) return process
    }
    throw busy('this front is not connected to the sandboxes yet')
  }

  async #acquire(tenant: Tenant): Promise<TenantProcess> {
    const { pool, processes, mostProcesses } = this.#options
    const taking = await this.#room.run(async () => {
      while (!pool.hasSpare && processes.size + pool.pending >= mostProcesses) await this.#makeRoom()
      // Counted from now on; the promise is not waited for here.
      return { process: pool.take() }
    })
    const process = await taking.process
    if (this.#tenants.get(tenant.site) !== tenant) {
      process.stop({ reason: 'stopped', detail: 'the site is deleted' })
      throw new GroveError('ERR_SITE_UNKNOWN', `there is no site "${tenant.site}"`)
    }
    process.site = tenant.site
    process.usedAtMs = performance.now()
    const before = tenant.current
    tenant.current = process
    if (before && !before.end) this.#drain(before)
    return process
  }

  /** Ends a process that can end for another. Rejects with `ERR_SANDBOX_BUSY` when there is none. */
  async #makeRoom(): Promise<void> {
    const { processes, pool, fronts, times, mostProcesses } = this.#options
    const victim = findVictim(processes.values(), times.roomQuietMs)
    if (!victim) {
      const dying = [...processes.values()].find((process) => process.end)
      if (dying) return untilGone(dying)
      // It may be a spare, which is as good as room.
      if (pool.pending > 0) return pool.untilStarted()
      throw busy(`all ${mostProcesses} processes for site code are in use`)
    }
    this.over(victim)
    await fronts.release(victim.id)
    // Somebody was quicker: it finishes that, and another is looked for.
    if (victim.isBusy) return this.#drain(victim)
    victim.stop({ reason: 'idle', detail: 'another site needed its place' })
    await untilGone(victim)
  }

  #drain(process: TenantProcess): void {
    process.drainUntilMs ??= performance.now() + this.#options.times.drainMs
    void this.#options.fronts.release(process.id)
  }

  /** Ends a process that nobody asks for; as a replaced one, because somebody may ask right now. */
  #retire(process: TenantProcess): void {
    this.over(process)
    process.usedAtMs = performance.now()
    this.#drain(process)
  }

  /** Takes every version out of a process, but `except`. */
  #unload(site: SiteName, process: TenantProcess, except?: VersionNumber): void {
    const { loads } = this.#tenantOf(site)
    for (const version of process.codes.keys()) if (version !== except) void loads.unload(process, version)
  }

  /** Takes out what was live before. Fronts hear of a new version after the supervisor, and ask for the old one till then. */
  #unloadSuperseded(site: SiteName, process: TenantProcess, nowMs: number): void {
    const tenant = this.#tenants.get(site)
    if (tenant?.live === undefined || process.codes.size < 2) return
    if (nowMs - tenant.liveAtMs > this.#options.times.supersededMs) this.#unload(site, process, tenant.live)
  }

  /** Loads what is live into the site's process. */
  async #follow(tenant: Tenant): Promise<void> {
    for (;;) {
      const { current, live } = tenant
      if (!current || current.end || live === undefined) return
      try {
        await tenant.loads.load(current, live)
      } catch (error) {
        if (tenant.live === live) throw error
      }
      if (tenant.live === live) return
    }
  }
}

/** Whether a site has a process that a front has a link with. */
function isServed(tenant: Tenant, front: number): tenant is Tenant & { current: TenantProcess } {
  return tenant.current !== undefined && !tenant.current.end && tenant.current.fronts.has(front)
}

const drained: ProcessEnd = { reason: 'drained', detail: 'it has finished what it had' }

/** A process that ends while it is needed is a reason to come again. */
function toBusy(error: unknown): GroveError {
  const known = toGroveError(error)
  return known.code === 'ERR_CLOSED' ? busy(known.message) : known
}
