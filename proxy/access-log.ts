/**
 * The access line: one per request, for operators, and one for what was refused before it was a request. Cookies, authorization and queries never stand in it, since all
 * three carry secrets.
 */

import type { Logger } from 'pino'
import type { Exchange, ExchangeNote, Outcome } from '../core/exchange.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import type { Session } from '../core/session.ts'
import type { Rejection } from './transport.ts'

/** A note for an exchange that begins now. */
export function beginNote(site?: SiteName, version?: VersionNumber): ExchangeNote {
  return {
    startedMs: performance.now(),
    site,
    version,
    how: 'error',
    userId: undefined,
    error: undefined,
  }
}

/** Notes that a site's upstream answers. */
export function noteUpstream({ note }: Exchange, session: Session | undefined): void {
  if (!note) return
  note.how = 'upstream'
  note.userId = session?.userId
}

/** Writes the access line of an exchange that has ended. 5xx are errors, the rest is information. */
export function logAccess(log: Logger, exchange: Exchange, outcome: Outcome): void {
  const { note } = exchange
  const line = {
    request: exchange.id,
    site: note?.site,
    version: note?.version,
    method: exchange.method,
    authority: exchange.authority,
    path: exchange.target.slice(0, exchange.target.length - exchange.query.length),
    status: outcome.status,
    bytes: outcome.bodyBytes,
    durationMs: note ? Math.round((performance.now() - note.startedMs) * 1000) / 1000 : undefined,
    client: exchange.clientAddress,
    protocol: exchange.httpVersion,
    how: note?.how,
    user: note?.userId,
    complete: outcome.complete ? undefined : false,
    error: note?.error,
  }
  if (outcome.status >= 500) log.error(line, 'request')
  else log.info(line, 'request')
}

/** Writes the line of what was refused before an exchange existed, under the names that access lines use. */
export function logRejection(log: Logger, { requestId, status, reason, clientAddress }: Rejection): void {
  log.info({ request: requestId, status, client: clientAddress, how: 'error', error: reason }, 'request refused')
}
