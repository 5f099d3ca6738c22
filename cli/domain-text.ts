/** Domains of authors as people read them. */

import type { SiteDomain } from '../core/domain-api.ts'
import { formatTable, formatTime } from './human-text.ts'

/** Domains of a site as a table, with a line under it for each error of a certificate. */
export function domainTable(site: string, domains: readonly SiteDomain[]): string[] {
  if (domains.length === 0)
    return [`${site} has no domains of its own; add one with: grove site domain add ${site} <domain>`]
  const table = formatTable(
    ['DOMAIN', 'STATE', 'SINCE', 'CERTIFICATE', 'UNTIL'],
    domains.map(({ domain, state, addedAtMs, provenAtMs, certificate }) => [
      domain,
      state,
      formatTime(provenAtMs ?? addedAtMs),
      certificate?.state ?? '-',
      formatTime(certificate?.notAfterMs),
    ]),
  )
  const errors = domains.flatMap(({ domain, certificate }) =>
    certificate?.lastError === undefined ? [] : [`${domain}: ${certificate.lastError}`],
  )
  return errors.length === 0 ? table : [...table, '', ...errors]
}

/** One domain: that it is proven, or what is to be done. */
export function domainLines(site: string, domain: SiteDomain): string[] {
  const { domain: name, state, problem } = domain
  if (state === 'overruled') return [`${name} is proven, but the operator's config leads it elsewhere`]
  if (state === 'proven')
    return [`${site} has ${name}: https://${name}/`, ...(problem === undefined ? [] : [`  note: ${problem}`])]
  return pendingLines(site, domain)
}

function pendingLines(site: string, { domain, record, isElsewhere, found = [], problem }: SiteDomain): string[] {
  return [
    `${domain} waits for its proof. Make this record in the domain's DNS:`,
    '',
    `  ${record.name}.  TXT  "${record.value}"`,
    '',
    ...found.map((value) => `found there instead: "${value}"`),
    ...(problem === undefined ? [] : [problem]),
    ...(isElsewhere ? ['another site has the domain now; once the record is there, --take-over moves it'] : []),
    `Then: grove site domain verify ${site} ${domain}`,
  ]
}
