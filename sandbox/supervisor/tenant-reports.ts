/** What happens in tenant processes, as the author of a site reads it and as it is counted. */

import type { Logger } from 'pino'
import { type GroveError, toGroveError } from '../../core/errors.ts'
import type { SiteName, VersionNumber } from '../../core/names.ts'
import type { SiteLogLine } from '../../core/supervisor-messages.ts'
import type { Accounts } from './accounts.ts'
import type { LoadedCode } from './codes.ts'
import type { TenantEvents } from './tenant-process.ts'

/** Takes a line of a site's log; `code` has the secrets that must not be in it, where the line is of one code. */
export type TakeSiteLine = (line: SiteLogLine, code: LoadedCode | undefined) => void

/** What reports are made with. */
export interface TenantReportsOptions {
  readonly siteLog: TakeSiteLine
  readonly accounts: Accounts
  readonly log: Logger
}

/** Reports. */
export interface TenantReports
  extends Pick<TenantEvents, 'log' | 'logLost' | 'usage' | 'spent' | 'counted' | 'failed'> {
  /** Says something about a site to its author. */
  tell(site: SiteName | undefined, level: 'warn' | 'error', text: string): void
  /** Says that a code does not load. */
  loadFailed(site: SiteName, version: VersionNumber, error: GroveError): void
}

/** Makes what reports. A line of a version that the process has never had is nobody's, and left out. */
export function createTenantReports({ siteLog, accounts, log }: TenantReportsOptions): TenantReports {
  const tell: TenantReports['tell'] = (site, level, text) => {
    if (site !== undefined) siteLog({ atMs: Date.now(), site, level, text, from: 'grove' }, undefined)
  }
  return {
    tell,
    loadFailed(site, version, error) {
      const { stack } = (error.details ?? {}) as { stack?: unknown }
      const text = typeof stack === 'string' && stack !== '' ? `${error.message}\n${stack}` : error.message
      siteLog({ atMs: Date.now(), site, version, level: 'error', text, from: 'grove' }, undefined)
    },
    log(tenant, { version, request, level, text }) {
      const code = tenant.codeOf(version)
      if (!code) return
      const line = { atMs: Date.now(), site: code.site, version, level, text, from: 'code' as const }
      siteLog({ ...line, ...(request !== undefined && { request }) }, code)
    },
    logLost: ({ site }, lines) => tell(site, 'warn', `${lines} lines were left out: more than the log takes`),
    usage(tenant, usage) {
      const { version, request } = usage
      const code = tenant.codeOf(version)
      if (!code) return
      const text = `${usage.status ?? '-'} in ${Math.round(usage.wallMs)} ms, ${usage.cpuMs.toFixed(1)} ms of CPU`
      siteLog({ atMs: Date.now(), site: code.site, version, request, level: 'debug', text, from: 'grove', usage }, code)
    },
    spent({ site }, cpuMs, rssBytes) {
      if (site !== undefined) accounts.add(site, { cpuMs, memoryPeakBytes: rssBytes })
    },
    counted({ site }, kind, begun, outBytes, inBytes) {
      if (site === undefined || kind !== 'fetch') return
      accounts.add(site, { subrequests: begun, egressBytes: outBytes, ingressBytes: inBytes })
    },
    failed: ({ site }, error, { kind, request }) =>
      log.warn({ err: toGroveError(error), site, request, kind }, 'an operation for site code failed'),
  }
}
