/** `grove site tag|pin|prune|diff`: what is kept of a site's versions, and how two differ. */

import type { Command } from 'commander'
import type { PruneRequest, VersionDiff } from '../../core/admin-api.ts'
import { GroveError } from '../../core/errors.ts'
import { toSiteName, versionLabel } from '../../core/names.ts'
import type { Pin } from '../admin-client.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  printResult,
  wholeNumber,
  withCommon,
} from '../command-context.ts'
import { parseDuration } from '../duration.ts'
import { formatCount, formatTable, formatTime } from '../human-text.ts'
import { withToken } from '../token.ts'

const tagPrefix = 'tag:'
const someVersion = wholeNumber(1, 2 ** 31)

interface PinOptions extends CommonOptions {
  readonly to?: number
  readonly delete?: boolean
  readonly for?: number
}

/** Adds the subcommands to `site`. */
export function addSiteVersions(site: Command, context: CommandContext): void {
  addTag(site, context)
  addPin(site, context)
  addPrune(site, context)
  addDiff(site, context)
}

function addTag(site: Command, context: CommandContext): void {
  const command = site
    .command('tag')
    .argument('<name>')
    .argument('[tag]', 'the tag; without it, all tags are listed')
    .description('give a version a name, which keeps it from being pruned')
    .option('--to <version>', 'the version (default: the live one)', someVersion)
    .option('--delete', 'take the tag away')
  withCommon(withToken(command), 'grove site tag blog before-redesign --to 41').action(
    (name: string, tag: string | undefined, options: PinOptions) => pin(name, tag, { ...options, tag: true }, context),
  )
}

function addPin(site: Command, context: CommandContext): void {
  const command = site
    .command('pin')
    .argument('<name>')
    .argument('[pin]', 'a name for the pin; without it, all pins are listed')
    .description('keep a version from being pruned, for a while or until the pin is taken away')
    .option('--to <version>', 'the version (default: the live one)', someVersion)
    .option('--for <time>', 'how long, such as 12h or 30d (default: until it is taken away)', parseDuration)
    .option('--delete', 'take the pin away')
  withCommon(withToken(command), 'grove site pin blog review --to 41 --for 14d').action(
    (name: string, pinName: string | undefined, options: PinOptions) =>
      pin(name, pinName, { ...options, tag: false }, context),
  )
}

async function pin(
  name: string,
  given: string | undefined,
  options: PinOptions & { readonly tag: boolean },
  context: CommandContext,
): Promise<void> {
  const site = toSiteName(name)
  const what = options.tag ? 'tag' : 'pin'
  using client = await connectAdmin(options, context)
  if (given === undefined) {
    const pins = (await client.pins(site)).filter(({ name }) => !options.tag || name.startsWith(tagPrefix))
    printResult(options, context, { pins }, pins.length === 0 ? [`${site} has no ${what}s`] : pinTable(pins))
    return
  }
  const pinName = options.tag ? `${tagPrefix}${given}` : given
  if (options.delete) {
    const removed = await client.removePin(site, pinName)
    if (!removed) throw new GroveError('ERR_NOT_FOUND', `${site} has no ${what} "${given}"`)
    printResult(options, context, { removed: pinName }, [`took ${what} ${given} away from ${site}`])
    return
  }
  const version = options.to ?? (await client.liveVersion(site))
  if (version === undefined)
    throw new GroveError('ERR_VERSION_UNKNOWN', `${site} has no live version`, { hint: 'name a version with --to' })
  const made: Pin = {
    name: pinName,
    version,
    ...(options.for !== undefined && { untilMs: Date.now() + options.for }),
  }
  await client.setPin(site, made)
  const until = made.untilMs === undefined ? '' : ` until ${formatTime(made.untilMs)}`
  printResult(options, context, made, [`${versionLabel(site, version)} is kept as ${what} ${given}${until}`])
}

function pinTable(pins: readonly Pin[]): string[] {
  return formatTable(
    ['NAME', 'VERSION', 'UNTIL'],
    pins.map(({ name, version, untilMs }) => [
      name,
      String(version),
      untilMs === undefined ? '-' : formatTime(untilMs),
    ]),
  )
}

interface PruneOptions extends CommonOptions {
  readonly keep?: number
  readonly days?: number
  readonly dryRun?: boolean
}

function addPrune(site: Command, context: CommandContext): void {
  const command = site
    .command('prune')
    .argument('<name>')
    .description('forget old versions; the live one, the newest, tagged and pinned ones stay')
    .option('--keep <count>', 'how many of the newest stay (default: as the config says)', wholeNumber(1, 1_000_000))
    .option('--days <days>', 'versions younger than this stay (default: as the config says)', wholeNumber(0, 36_500))
    .option('--dry-run', 'only say which would go')
  withCommon(withToken(command), 'grove site prune blog --keep 5 --days 7 --dry-run').action(
    async (name: string, { keep, days, dryRun, ...options }: PruneOptions) => {
      const site = toSiteName(name)
      const request: PruneRequest = {
        ...(keep !== undefined && { versions: keep }),
        ...(days !== undefined && { days }),
        ...(dryRun && { dryRun }),
      }
      using client = await connectAdmin(options, context)
      const result = await client.prune(site, request)
      const count = formatCount(result.pruned.length, 'version')
      const listed = result.pruned.length === 0 ? '' : `: ${result.pruned.join(', ')}`
      printResult(options, context, result, [`${dryRun ? 'would forget' : 'forgot'} ${count} of ${site}${listed}`])
    },
  )
}

function addDiff(site: Command, context: CommandContext): void {
  const command = site
    .command('diff')
    .argument('<name>')
    .argument('<from>', 'a version', someVersion)
    .argument('[to]', 'another one (default: the live one)', someVersion)
    .description('list the files that differ between two versions')
  withCommon(withToken(command), 'grove site diff blog 41 42').action(
    async (name: string, from: number, to: number | undefined, options: CommonOptions) => {
      const site = toSiteName(name)
      using client = await connectAdmin(options, context)
      const target = to ?? (await client.liveVersion(site))
      if (target === undefined) throw new GroveError('ERR_VERSION_UNKNOWN', `${site} has no live version`)
      const diff = await client.diff(site, from, target)
      printResult(options, context, diff, diffLines(site, diff))
    },
  )
}

function diffLines(site: string, { from, to, added, changed, removed }: VersionDiff): string[] {
  const title = `${from === undefined ? 'nothing' : versionLabel(site, from)} to ${versionLabel(site, to)}: `
  const counts = `${added.length} added, ${changed.length} changed, ${removed.length} removed`
  const marked = [
    ...added.map((path) => ({ mark: '+', path })),
    ...changed.map((path) => ({ mark: '~', path })),
    ...removed.map((path) => ({ mark: '-', path })),
  ]
  marked.sort((a, b) => (a.path < b.path ? -1 : 1))
  return [title + counts, ...marked.map(({ mark, path }) => `  ${mark} ${path}`)]
}
