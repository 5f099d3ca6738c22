/** `grove site log`: who did what with a site, when, and under which grant. */

import type { Command } from 'commander'
import type { SiteLogEntry } from '../../core/grant-api.ts'
import { toSiteName, versionLabel } from '../../core/names.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  printResult,
  wholeNumber,
  withCommon,
} from '../command-context.ts'
import { readSiteLog } from '../grant-client.ts'
import { scopeText } from '../grant-text.ts'
import { formatCount, formatTable, formatTime } from '../human-text.ts'
import { type TokenOptions, withToken } from '../token.ts'

const mostEntries = 1_000

interface Options extends CommonOptions, TokenOptions {
  readonly limit: number
}

/** Adds the subcommand to `site`. */
export function addSiteLog(site: Command, context: CommandContext): void {
  const command = site
    .command('log')
    .argument('<name>')
    .description('show who did what with a site, newest first: publishes, rollbacks, tags, prunes, tokens, secrets')
    .option('--limit <count>', 'how many (default: 50)', wholeNumber(1, mostEntries), 50)
  withCommon(withToken(command), 'grove site log blog').action(async (name: string, options: Options) => {
    const site = toSiteName(name)
    using client = await connectAdmin(options, context)
    const { entries, more } = await readSiteLog(client, site, options.limit)
    const rows = entries.map((entry) => [formatTime(entry.atMs), byText(entry.by), entry.act, whatText(site, entry)])
    const lines =
      rows.length === 0 ? [`nothing was done with ${site} yet`] : formatTable(['WHEN', 'BY', 'ACT', 'WHAT'], rows)
    if (more) lines.push('and more before: --limit shows more')
    printResult(options, context, { entries, more }, lines)
  })
}

function byText({ id, label }: SiteLogEntry['by']): string {
  if (id === 'root') return 'operator'
  return label === '' ? `token ${id}` : `${label} (${id})`
}

/** What is known of an act, in the order in which people ask: which version, which name, how much, which token. */
function whatText(site: string, { details }: SiteLogEntry): string {
  const { version, name, message, added, changed, removed, pruned, id, label, path, revoked } = details
  const parts = [
    typeof version === 'number' ? versionLabel(site, version) : undefined,
    textOf(name),
    textOf(message)?.replaceAll('\n', ' '),
    typeof added === 'number' ? `+${added} ~${textOf(changed) ?? 0} -${textOf(removed) ?? 0}` : undefined,
    Array.isArray(pruned) ? formatCount(pruned.length, 'version') : undefined,
    textOf(label) ?? textOf(id),
    typeof path === 'string' ? `for ${scopeText(path)}` : undefined,
    typeof revoked === 'number' ? `ended ${revoked}` : undefined,
  ]
  return parts.filter((part) => part !== undefined && part !== '').join('  ')
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}
