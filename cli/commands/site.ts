/** `grove site`: sites and their versions. */

import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { SiteDetail, SiteSummary, VersionStatus } from '../../core/admin-api.ts'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { toSiteName, versionLabel } from '../../core/names.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  exampleText,
  printResult,
  wholeNumber,
  withCommon,
} from '../command-context.ts'
import { formatBytes, formatCount, formatTable, formatTime } from '../human-text.ts'
import { withToken } from '../token.ts'
import { addSiteDomain } from './site-domain.ts'
import { addSiteLog } from './site-log.ts'
import { addSiteRelease } from './site-release.ts'
import { addSiteVersions } from './site-versions.ts'

/** How many versions `site show` lists; `site versions` lists all that control tells. */
const shownVersions = 10

/** Adds the command with its subcommands. */
export function addSite(program: Command, context: CommandContext): void {
  const site = program
    .command('site')
    .description('make, list, show, roll back, tag, prune and delete sites; their domains')
  site.addHelpText('after', exampleText('grove site show blog'))
  addCreate(site, context)
  addList(site, context)
  addShow(site, context)
  addVersions(site, context)
  addRollback(site, context)
  addSiteVersions(site, context)
  addSiteDomain(site, context)
  addSiteLog(site, context)
  addSiteRelease(site, context)
  addDelete(site, context)
}

function addCreate(site: Command, context: CommandContext): void {
  const command = site.command('create').argument('<name>').description('make a site; publish makes one by itself too')
  withCommon(command, 'grove site create blog').action(async (name: string, options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const made = await client.createSite(toSiteName(name))
    printResult(options, context, made, [`made ${made.name}: ${made.urls.join(' ')}`])
  })
}

function addList(site: Command, context: CommandContext): void {
  const command = site.command('list').description('list all sites')
  withCommon(withToken(command), 'grove site list --json').action(async (options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const { sites, count } = await client.sites()
    printResult(
      options,
      context,
      { sites, count },
      count === 0 ? noSites : [...siteTable(sites), ...moreSites(sites, count)],
    )
  })
}

const noSites = ['no sites yet; make one with: grove publish <folder> --site <name>']

/** What is said of sites that were not listed. */
export function moreSites(listed: readonly SiteSummary[], count: number): string[] {
  return count > listed.length ? [`and ${count - listed.length} more`] : []
}

/** Sites as a table for people. */
export function siteTable(sites: readonly SiteSummary[]): string[] {
  return formatTable(
    ['SITE', 'LIVE', 'VERSIONS', 'FROM', 'UPSTREAMS', 'URL'],
    sites.map(({ name, live, versions, from, upstreams, urls, problem }) => [
      name,
      live === undefined ? '-' : versionLabel(name, live),
      String(versions),
      from,
      upstreams.join(' ') || '-',
      problem ?? urls.join(' '),
    ]),
  )
}

function addShow(site: Command, context: CommandContext): void {
  const command = site
    .command('show')
    .argument('<name>')
    .description('show a site: when each version was committed, live on every front, and confirmed by plugins')
  withCommon(withToken(command), 'grove site show blog').action(async (name: string, options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const detail = await client.site(toSiteName(name))
    printResult(options, context, detail, showLines(detail))
  })
}

function showLines({ history, ...summary }: SiteDetail): string[] {
  const lines = siteTable([summary])
  for (const version of history.slice(0, shownVersions)) lines.push('', ...versionLines(summary.name, version))
  if (history.length > shownVersions)
    lines.push('', `and ${history.length - shownVersions} older ones: grove site versions ${summary.name}`)
  return lines
}

function versionLines(site: string, status: VersionStatus): string[] {
  const { version, message, files, bytes, added, changed, removed } = status
  return [
    `${versionLabel(site, version)}${status.live ? ' (live)' : ''}${message === '' ? '' : `  ${message.replaceAll('\n', ' ')}`}`,
    `  ${formatCount(files, 'file')}, ${formatBytes(bytes)}; ${added} added, ${changed} changed, ${removed} removed`,
    `  committed  ${formatTime(status.committedAtMs)}`,
    `  live       ${formatTime(status.liveAtMs)}`,
    ...status.receipts.map(({ plugin, action, atMs }) => `  ${action.padEnd(9)}  ${formatTime(atMs)}  by ${plugin}`),
    ...status.pending.map(
      ({ plugin, attempts, error }) =>
        `  pending    ${plugin}, ${formatCount(attempts, 'attempt')}${error === undefined ? '' : `: ${error}`}`,
    ),
  ]
}

function addVersions(site: Command, context: CommandContext): void {
  const command = site
    .command('versions')
    .argument('<name>')
    .description(`list the versions of a site, newest first, at most ${limits.admin.history}`)
  withCommon(withToken(command), 'grove site versions blog').action(async (name: string, options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const { history } = await client.site(toSiteName(name))
    const rows = history.map(({ version, live, pins, committedAtMs, files, bytes, message }) => [
      String(version),
      [...(live ? ['live'] : []), ...pins].join(' '),
      formatTime(committedAtMs),
      String(files),
      formatBytes(bytes),
      message.replaceAll('\n', ' '),
    ])
    const lines = formatTable(['VERSION', '', 'COMMITTED', 'FILES', 'SIZE', 'MESSAGE'], rows)
    printResult(options, context, { versions: history }, history.length === 0 ? [`${name} has no versions yet`] : lines)
  })
}

function addRollback(site: Command, context: CommandContext): void {
  const command = site
    .command('rollback')
    .argument('<name>')
    .description('make an earlier version live; also the way forward again')
    .option('--to <version>', 'the version (default: the one before the live one)', wholeNumber(1, 2 ** 31))
  withCommon(withToken(command), 'grove site rollback blog --to 41').action(
    async (name: string, options: CommonOptions & { readonly to?: number }) => {
      using client = await connectAdmin(options, context)
      const { missing: _none, ...result } = await client.rollback(toSiteName(name), options.to)
      const label = result.version === undefined ? name : versionLabel(name, result.version)
      printResult(options, context, result, [
        `${label} is live: ${result.urls[0] ?? ''}`,
        `  ${result.added} added, ${result.changed} changed, ${result.removed} removed`,
      ])
    },
  )
}

function addDelete(site: Command, context: CommandContext): void {
  const command = site
    .command('delete')
    .argument('<name>')
    .description('delete a site and all its versions')
    .option('--yes', 'do not ask')
  withCommon(command, 'grove site delete blog --yes').action(
    async (name: string, options: CommonOptions & { readonly yes?: boolean }) => {
      const site = toSiteName(name)
      if (!options.yes) await confirm(site, context, command)
      using client = await connectAdmin(options, context)
      await client.deleteSite(site)
      printResult(options, context, { deleted: site }, [`deleted ${site}`])
    },
  )
}

async function confirm(site: string, { terminal }: CommandContext, command: Command): Promise<void> {
  if (terminal.stdin.isTTY !== true) command.error('error: deleting is for ever; say --yes where nobody can be asked')
  const asking = createInterface({ input: terminal.stdin, output: terminal.stderr })
  try {
    const answer = await asking.question(`This deletes ${site} and all its versions. Type its name to go on: `)
    if (answer.trim() !== site) throw new GroveError('ERR_BAD_REQUEST', 'the name was not typed: nothing was deleted')
  } finally {
    asking.close()
  }
}
