/** `grove status`: what a running Grove does. */

import type { Command } from 'commander'
import type { Status } from '../../core/admin-api.ts'
import { versionLabel } from '../../core/names.ts'
import { type CommandContext, type CommonOptions, connectAdmin, printResult, withCommon } from '../command-context.ts'
import { formatBytes, formatCount, formatDuration, formatTable, formatTime } from '../human-text.ts'
import { moreSites, siteTable } from './site.ts'

/** Adds the command. */
export function addStatus(program: Command, context: CommandContext): void {
  const command = program.command('status').description('show processes, sites, connections and the outbox')
  withCommon(command, 'grove status --json').action(async (options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const status = await client.status()
    printResult(options, context, status, statusLines(status, Date.now()))
  })
}

function certificatesLine({ valid, waiting, failed }: Status['certificates']): string {
  const more = [
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(failed > 0 ? [`${failed} failed (grove cert list)`] : []),
  ]
  return [`${valid} valid`, ...more].join(', ')
}

/** What confines site code on this machine and what does not, in plain words, and the processes that it runs in. */
function sandboxLines(sandboxes: Status['sandboxes'], nowMs: number): string[] {
  if (!sandboxes) return []
  const { enabled, running, capabilities, processes, quarantined } = sandboxes
  if (!enabled) return ['sandboxes  off: code of sites does not run (sandbox.enabled)', '']
  const lines = running ? [] : ['sandboxes  away: the process that runs code of sites does not answer', '']
  if (capabilities.length > 0)
    lines.push(
      ...formatTable(
        ['SANDBOXES', 'HOLDS', ''],
        capabilities.map(({ name, holds, why }) => [name, holds ? 'yes' : 'NO', why]),
      ),
      '',
    )
  if (processes.length > 0)
    lines.push(
      ...formatTable(
        ['SANDBOX', 'PID', 'SITE', 'STATE', 'UP', 'CPU', 'MEMORY'],
        processes.map(({ process, pid, site, versions, state, startedAtMs, cpuMs, rssBytes }) => [
          process,
          String(pid),
          site === undefined ? '-' : versions.map((version) => versionLabel(site, version)).join(' ') || site,
          state,
          formatDuration(nowMs - startedAtMs),
          formatDuration(cpuMs),
          formatBytes(rssBytes),
        ]),
      ),
      '',
    )
  for (const { site, untilMs, kills, reason } of quarantined)
    lines.push(
      `resting    ${site} until ${formatTime(untilMs)}: ended ${formatCount(kills, 'time')}, last: ${reason}`,
      '',
    )
  return lines
}

function statusLines(status: Status, nowMs: number): string[] {
  const { data, config, generation, startedAtMs, processes, fronts, sites, siteCount, plugins, outbox } = status
  const { listen, certificates } = status
  const frontOf = new Map(fronts.map((front) => [front.pid, front]))
  const lines = [
    `data     ${data}`,
    `config   ${config ?? 'none: all is default'} (generation ${generation})`,
    `listen   ${listen.map(({ name, port }) => `${name} ${port}`).join(', ')}`,
    `plugins  ${plugins.join(', ') || 'none'}`,
    `certs    ${certificatesLine(certificates)}`,
    `up       ${formatDuration(nowMs - startedAtMs)}`,
    '',
    ...formatTable(
      ['PROCESS', 'PID', 'UP', 'RESTARTS', 'CONNECTIONS', 'REQUESTS', 'WEBSOCKETS', 'CACHE', 'MEMORY'],
      processes.map(({ kind, index, pid, startedAtMs, restarts }) => {
        const front = frontOf.get(pid)
        return [
          kind === 'front' ? `front ${index}` : kind,
          String(pid),
          formatDuration(nowMs - startedAtMs),
          String(restarts),
          ...(front
            ? [
                String(front.connections),
                String(front.requests),
                String(front.webSockets),
                formatBytes(front.cacheBytes),
                formatBytes(front.memoryBytes),
              ]
            : ['', '', '', '', '']),
        ]
      }),
    ),
    '',
    ...sandboxLines(status.sandboxes, nowMs),
    ...(siteCount === 0 ? ['no sites yet'] : [...siteTable(sites), ...moreSites(sites, siteCount)]),
    '',
  ]
  if (outbox.length === 0) lines.push('outbox   empty')
  for (const { plugin, site, usageFromMs, versions, attempts, error } of outbox) {
    const usage = `usage since ${formatTime(usageFromMs)}`
    const which = versions.map((version) => `${site}@${version}`).join(', ') || (site ?? usage)
    lines.push(
      `outbox   ${plugin}: ${which}, ${formatCount(attempts, 'attempt')}${error === undefined ? '' : `, last: ${error}`}`,
    )
  }
  return lines
}
