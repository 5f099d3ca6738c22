/**
 * Loading versions of one site into its processes and taking them out: each once, however many ask, never both at one
 * time, and one that failed not again at once.
 */

import { GroveError, toGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { SiteName, VersionNumber } from '../../core/names.ts'
import { setNewest } from '../../core/newest.ts'
import type { CodeContents, Codes } from './codes.ts'
import type { TenantProcess } from './tenant-process.ts'

/** What loads are made with. */
export interface VersionLoadsOptions {
  readonly site: SiteName
  readonly codes: Codes
  readonly isLive: (version: VersionNumber) => boolean
  /** Resolves when no front sends anything more to a version in a process. */
  readonly release: (process: TenantProcess, version: VersionNumber) => Promise<void>
  /** Told of each load that failed because of the code. */
  readonly failed: (version: VersionNumber, error: GroveError) => void
}

/** The loads of one site. */
export interface VersionLoads {
  /**
   * Resolves when a version is loaded in a process. Rejects with `ERR_SITE_CODE`, with what control says, and with
   * `ERR_CLOSED` when the process ends. `contents`: the version's code, where it is at hand.
   */
  load(process: TenantProcess, version: VersionNumber, contents?: CodeContents): Promise<void>
  /** Takes a version out of a process, once no front asks for it there; not one that is being loaded. Never rejects. */
  unload(process: TenantProcess, version: VersionNumber): Promise<void>
  /** Forgets failures: whatever was wrong may have changed. */
  forgive(): void
  /** Whether nothing is under way, and no failure has to be remembered. */
  isClean(nowMs: number): boolean
}

interface Failure {
  readonly error: GroveError
  readonly times: number
  readonly untilMs: number
}

/** Loads of which none is under way. */
export function createVersionLoads({ site, codes, isLive, release, failed }: VersionLoadsOptions): VersionLoads {
  /** Keyed by process and version. */
  const loading = new Map<string, Promise<void>>()
  const unloading = new Map<string, Promise<void>>()
  const failures = new Map<VersionNumber, Failure>()

  async function begin(process: TenantProcess, version: VersionNumber, contents?: CodeContents): Promise<void> {
    const failure = failures.get(version)
    const restMs = (failure?.untilMs ?? 0) - performance.now()
    if (failure && restMs > 0) throw again(failure.error, restMs)
    try {
      await unloading.get(keyOf(process, version))
      await makePlace(process)
      await process.load(contents ?? (await codes.get(site, version)))
      failures.delete(version)
    } catch (error) {
      const known = toGroveError(error)
      if (known.code !== 'ERR_SITE_CODE') throw known
      throw note(version, known)
    }
  }

  /** Remembers a failure of the code, for longer each time. */
  function note(version: VersionNumber, error: GroveError): GroveError {
    const times = (failures.get(version)?.times ?? 0) + 1
    const { firstBackOffMs, longestBackOffMs, remembered } = limits.sandboxProcess
    const restMs = Math.min(firstBackOffMs * 2 ** times, longestBackOffMs)
    setNewest(failures, version, { error, times, untilMs: performance.now() + restMs }, remembered)
    failed(version, error)
    return again(error, restMs)
  }

  /** Takes out what was loaded longest ago, until there is place for one more. */
  async function makePlace(process: TenantProcess): Promise<void> {
    const old = [...process.codes.keys()].filter((version) => !isLive(version) && !loading.has(keyOf(process, version)))
    const excess = process.codes.size + 1 - limits.sandboxTenant.codes
    for (const version of old.slice(0, Math.max(0, excess))) await unload(process, version)
  }

  async function giveUp(process: TenantProcess, version: VersionNumber): Promise<void> {
    await release(process, version)
    process.unload(version)
  }

  function unload(process: TenantProcess, version: VersionNumber): Promise<void> {
    const key = keyOf(process, version)
    const known = unloading.get(key)
    if (known) return known
    if (loading.has(key)) return Promise.resolve()
    const unload = giveUp(process, version).finally(() => unloading.delete(key))
    unloading.set(key, unload)
    return unload
  }

  return {
    load(process, version, contents) {
      const key = keyOf(process, version)
      const known = loading.get(key)
      if (known) return known
      if (process.codes.has(version) && !unloading.has(key)) return Promise.resolve()
      const load = begin(process, version, contents).finally(() => loading.delete(key))
      loading.set(key, load)
      return load
    },
    unload,
    forgive: () => failures.clear(),
    isClean(nowMs) {
      for (const [version, { untilMs, times }] of failures)
        if (nowMs - untilMs > limits.sandboxProcess.longestBackOffMs * times) failures.delete(version)
      return loading.size === 0 && unloading.size === 0 && failures.size === 0
    },
  }
}

const keyOf = (process: TenantProcess, version: VersionNumber) => `${process.id} ${version}`

function again(error: GroveError, restMs: number): GroveError {
  const details = { ...error.details, retryAfterMs: Math.ceil(restMs) }
  return new GroveError(error.code, error.message, { cause: error, details })
}
