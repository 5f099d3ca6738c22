/** Grants as people read them. */

import { type Grant, siteGrantPath } from '../core/grant-api.ts'
import { allRights } from '../store/grants/caveats.ts'
import type { Caveats, Right } from '../store/store.ts'
import { formatBytes, formatCount, formatTable, formatTime } from './human-text.ts'

const sitesPath = siteGrantPath('')

/** What a grant is for: the name of a site if it is for one as a whole, else its path. */
export function scopeText(path: string): string {
  const name = path.startsWith(sitesPath) ? path.slice(sitesPath.length) : ''
  return name === '' || name.includes('/') ? path : `site ${name}`
}

/** Rights in words. */
export function rightsText(rights: readonly Right[]): string {
  return allRights.filter((right) => rights.includes(right)).join(', ') || 'nothing'
}

/** What is used of a grant's quotas, and of how much. */
export function usedText({ usedBytes, maxBytes, usedWrites, maxWrites }: Grant): string {
  const bytes = `${formatBytes(usedBytes)}${maxBytes === undefined ? '' : ` of ${formatBytes(maxBytes)}`}`
  const writes = maxWrites === undefined ? formatCount(usedWrites, 'write') : `${usedWrites} of ${maxWrites} writes`
  return `${bytes}, ${writes}`
}

/** Grants as a table. */
export function grantTable(grants: readonly Grant[]): string[] {
  return formatTable(
    ['ID', 'LABEL', 'FOR', 'RIGHTS', 'UNTIL', 'USED', 'STATE'],
    grants.map((grant) => [
      grant.id,
      grant.label || '-',
      scopeText(grant.path),
      rightsText(grant.rights),
      formatTime(grant.untilMs),
      usedText(grant),
      grant.state,
    ]),
  )
}

/** One grant, a line for each thing that is known of it. */
export function grantLines(grant: Grant): string[] {
  const lines = [
    ['for', scopeText(grant.path)],
    ['rights', rightsText(grant.rights)],
    ['label', grant.label || '-'],
    ['made', `${formatTime(grant.madeAtMs)}${grant.parent === undefined ? '' : `, under ${grant.parent}`}`],
    ['until', formatTime(grant.untilMs)],
    ['used', usedText(grant)],
  ]
  return [`${grant.id} (${grant.state})`, ...lines.map(([name = '', value]) => `  ${name.padEnd(6)}  ${value}`)]
}

/** What a token was narrowed to, a line for each caveat; undefined ones are of a newer Grove. */
export function caveatLines(caveats: readonly (Caveats | undefined)[]): string[] {
  return caveats.map(
    (caveat) => `  narrowed to ${caveat ? caveatText(caveat) : 'something that this grove does not know'}`,
  )
}

function caveatText({ path, rights, untilMs, hash, bytes }: Caveats): string {
  if (path !== undefined) return scopeText(path)
  if (rights !== undefined) return rightsText(rights)
  if (untilMs !== undefined) return `until ${formatTime(untilMs)}`
  if (hash !== undefined) return `the content ${hash}`
  return `${formatBytes(bytes ?? 0)} in one write`
}
