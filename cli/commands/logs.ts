/** `grove logs`: what the code of a site says. */

import type { Command } from 'commander'
import { outputLineSchema } from '../../core/code-api.ts'
import { limits } from '../../core/limits.ts'
import { toSiteName } from '../../core/names.ts'
import type { SiteLogLine } from '../../core/supervisor-messages.ts'
import { type CommandContext, type CommonOptions, connectAdmin, wholeNumber, withCommon } from '../command-context.ts'
import { formatTime } from '../human-text.ts'
import { printLines } from '../terminal.ts'
import { type TokenOptions, withToken } from '../token.ts'

interface Options extends CommonOptions, TokenOptions {
  readonly site: string
  readonly follow?: boolean
  readonly lines: number
  readonly requests?: boolean
}

const { linesDefault, linesListed } = limits.siteOutput

/** Adds the command. */
export function addLogs(program: Command, context: CommandContext): void {
  const command = program
    .command('logs')
    .description("show what a site's code says: console, errors, limits that it reached")
    .requiredOption('--site <name>', 'the site')
    .option('-f, --follow', 'go on with what comes, until Ctrl-C')
    .option('--requests', 'also a line for each request: status, time, CPU')
    .option(
      '--lines <count>',
      `how many lines of before (default: ${linesDefault})`,
      wholeNumber(0, linesListed),
      linesDefault,
    )
  withCommon(withToken(command), 'grove logs --site blog --follow').addHelpText(
    'after',
    `
The last one to two megabytes are kept for each site. With --json each line is one JSON text.`,
  )
  command.action((options: Options) => showLogs(options, context))
}

async function showLogs(options: Options, context: CommandContext): Promise<void> {
  const site = toSiteName(options.site)
  const { stdout } = context.terminal
  using client = await connectAdmin(options, context)
  const wanted = `lines=${options.lines}${options.follow ? '&follow=1' : ''}${options.requests ? '&requests=1' : ''}`
  const path = `/sites/${encodeURIComponent(site)}/output?${wanted}`
  for await (const line of client.watch(path, outputLineSchema)) {
    if ('beat' in line) continue
    if (options.json) stdout.write(`${escapeControls(JSON.stringify(line))}\n`)
    else printLines(stdout, [textOf(line)])
  }
}

/** One line as people read it. Whatever the site says, it cannot begin a line that looks like another one's. */
function textOf({ atMs, level, from, request, text }: SiteLogLine): string {
  const who = from === 'grove' ? 'grove' : level
  const [first = '', ...rest] = text.split('\n')
  const head = `${formatTime(atMs)}  ${who.padEnd(5)}  ${request ?? '-'}  ${first}`
  return [head, ...rest.map((line) => `    ${line}`)].join('\n')
}

/** JSON leaves some characters as they are that a terminal obeys (C1, RFC 8259 section 7). */
function escapeControls(json: string): string {
  return json.replace(/[\x7f-\x9f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
