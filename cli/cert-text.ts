/** Certificates as people read them. */

import type { CertificateRow, ShownCertificate } from '../core/cert-api.ts'
import { formatDuration, formatTable, formatTime } from './human-text.ts'

/** Certificates as a table, with a line under it for each error. */
export function certificateTable(rows: readonly CertificateRow[], nowMs: number): string[] {
  if (rows.length === 0) return ['no site has a name yet: grove site create <name>']
  const table = formatTable(
    ['NAME', 'ISSUER', 'STATE', 'UNTIL', 'NEXT'],
    rows.map((row) => [
      row.names.join(', '),
      row.issuer ?? '-',
      row.state,
      formatTime(row.notAfterMs),
      nextText(row, nowMs),
    ]),
  )
  const errors = rows.flatMap(({ names, lastError, tries = 0 }) =>
    lastError ? [`${names[0] ?? 'certs.files'}: ${lastError.message} (${whenText(lastError, tries)})`] : [],
  )
  return errors.length === 0 ? table : [...table, '', ...errors]
}

/** One certificate, a line for each thing that is known of it. */
export function certificateLines({ names, issuer, serial, notAfterMs }: ShownCertificate): string[] {
  return [
    `  names   ${names.join(', ')}`,
    `  issuer  ${issuer}`,
    `  serial  ${serial}`,
    `  until   ${formatTime(notAfterMs)}`,
  ]
}

function nextText({ nextTryAtMs, renewAtMs }: CertificateRow, nowMs: number): string {
  const [what, atMs] = nextTryAtMs === undefined ? ['renewal', renewAtMs] : ['try', nextTryAtMs]
  if (atMs === undefined) return '-'
  return atMs <= nowMs ? `${what} now` : `${what} in ${formatDuration(atMs - nowMs)}`
}

function whenText({ code, atMs }: NonNullable<CertificateRow['lastError']>, tries: number): string {
  return atMs === undefined ? code : `${code}, ${formatTime(atMs)}, try ${tries}`
}
