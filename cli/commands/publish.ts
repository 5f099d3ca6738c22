/** `grove publish`: makes a folder the live version of a site. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { PublishResult, VersionStatus } from '../../core/admin-api.ts'
import { toSiteName, versionLabel } from '../../core/names.ts'
import type { AdminClient } from '../admin-client.ts'
import { type CommandContext, type CommonOptions, connectAdmin, printResult, withCommon } from '../command-context.ts'
import { formatBytes, formatCount, formatDuration } from '../human-text.ts'
import { createProgress } from '../progress.ts'
import { type Published, publishFolder } from '../publish-folder.ts'
import { type TokenOptions, withToken } from '../token.ts'

interface Options extends CommonOptions, TokenOptions {
  readonly site: string
  readonly message: string
  readonly wait: boolean
}

/** Adds the command. */
export function addPublish(program: Command, context: CommandContext): void {
  const command = program
    .command('publish')
    .argument('<folder>', 'the folder whose files are the whole site')
    .description('publish a folder as the next version of a site, and make it live')
    .requiredOption('--site <name>', 'the site; it is made if there is none of that name')
    .option('--message <text>', 'a note that is kept with the version', '')
    .option('--no-wait', 'do not wait for plugins, such as a CDN purge, to confirm (at most 30 s)')
  const example = 'grove publish ./my-site --site blog --message "new front page"'
  withCommon(withToken(command), example).addHelpText(
    'after',
    `
Without a token it is done as the operator. In CI, put a token into the variable GROVE_TOKEN (grove grant create).
Only contents that Grove does not have are sent. All of it goes live in one step, or nothing does.
Names that begin with a dot (.git, .DS_Store, ._*) are left out, but for .well-known.
Site code that imports packages is bundled here, with those of its project, and sent as one file; a site with code is
sent without node_modules.
Refused, each with its name: links that lead out of the folder or to a folder, pipes and devices, names that
differ only by case or Unicode form, names with control characters or a backslash, and what is over the limits.`,
  )
  command.action((folder: string, options: Options) => publish(folder, options, context))
}

async function publish(folder: string, options: Options, context: CommandContext): Promise<void> {
  const site = toSiteName(options.site)
  const startedAtMs = performance.now()
  using client = await connectAdmin(options, context)
  const published = await withProgress(context, (progress) =>
    publishFolder(client, { folder: resolve(context.terminal.cwd, folder), site, message: options.message }, progress),
  )
  const durationMs = Math.round(performance.now() - startedAtMs)
  const state = await receipts(client, site, published.result, options.wait)
  const { result, ...sent } = published
  const { missing: _none, ...outcome } = result
  const notes = [...sent.notes, ...outcome.notes]
  printResult(
    options,
    context,
    { site, ...outcome, ...sent, notes, durationMs, receipts: state?.receipts ?? [], pending: state?.pending ?? [] },
    [...summary(site, published, durationMs), ...receiptLines(site, result, state)],
  )
}

async function withProgress<T>(
  { terminal }: CommandContext,
  run: (progress: ReturnType<typeof createProgress>) => Promise<T>,
): Promise<T> {
  using progress = createProgress(terminal)
  return await run(progress)
}

/** What the plugins say, once all have or control has waited long enough. */
async function receipts(
  client: AdminClient,
  site: string,
  { version, awaiting }: PublishResult,
  wait: boolean,
): Promise<VersionStatus | undefined> {
  if (!wait || awaiting.length === 0 || version === undefined) return undefined
  return await client.version(site, version, { wait: true })
}

function summary(site: string, published: Published, durationMs: number): string[] {
  const { result, skipped, files, bytes, sentContents, sentBytes } = published
  const { version, unchanged, added, changed, removed, urls, fronts, notes } = result
  const label = version === undefined ? site : versionLabel(site, version)
  const lines = [
    unchanged
      ? `${label} is live already with the same content: ${urls[0] ?? ''}`
      : `${label} is live: ${urls[0] ?? ''}`,
    `  ${added} added, ${changed} changed, ${removed} removed; ${formatCount(files, 'file')}, ${formatBytes(bytes)} in all`,
    `  sent ${formatCount(sentContents, 'content')}, ${formatBytes(sentBytes)}, in ${formatDuration(durationMs)}`,
  ]
  if (fronts && fronts.live < fronts.connected)
    lines.push(`  live on ${fronts.live} of ${fronts.connected} fronts so far; the others follow`)
  for (const note of [...published.notes, ...notes]) lines.push(`  note: ${note}`)
  if (skipped.length > 0) {
    const names = skipped.slice(0, 5).join(', ')
    lines.push(`  note: left out, since the name begins with a dot: ${names}${skipped.length > 5 ? ', …' : ''}`)
  }
  return lines
}

function receiptLines(site: string, { awaiting }: PublishResult, state: VersionStatus | undefined): string[] {
  if (!state) {
    return awaiting.length === 0 ? [] : [`  not waited for: ${awaiting.join(', ')}; see: grove site show ${site}`]
  }
  return [
    ...state.receipts.map(({ plugin, action }) => `  ${plugin}: ${action}`),
    ...state.pending.map(
      ({ plugin, error }) =>
        `  ${plugin}: not confirmed yet${error === undefined ? '' : ` (${error})`}; it is tried again, see: grove site show ${site}`,
    ),
  ]
}
