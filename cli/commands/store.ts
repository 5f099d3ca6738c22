/** `grove store`: what is done to the store as a whole. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { verifyStopped } from '../../control/verify-stopped.ts'
import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { loadConfig } from '../../core/load-config.ts'
import { toSiteName } from '../../core/names.ts'
import {
  collectLineSchema,
  exportLineSchema,
  importLineSchema,
  type VerifyResult,
  verifyLineSchema,
} from '../../core/store-api.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  exampleText,
  printResult,
  withCommon,
} from '../command-context.ts'
import { parseDuration } from '../duration.ts'
import { formatBytes, formatCount } from '../human-text.ts'
import { runLong } from '../long-run.ts'
import { createTally } from '../progress.ts'

/** Adds the command with its subcommands. */
export function addStore(program: Command, context: CommandContext): void {
  const store = program.command('store').description('check the store, move sites, remove what has no use')
  store.addHelpText('after', exampleText('grove store verify'))
  addVerify(store, context)
  addExport(store, context)
  addImport(store, context)
  addCollect(store, context)
}

function addVerify(store: Command, context: CommandContext): void {
  const command = store
    .command('verify')
    .description('read every hash and every reference, and say what is wrong; changes nothing')
  withCommon(command, 'grove store verify --json').addHelpText(
    'after',
    `
Works while Grove runs and, with the store's file itself, while it does not. Ends with 1 when something is wrong.`,
  )
  command.action(async (options: CommonOptions) => {
    const report = await verify(options, context)
    if (report.faultCount > 0) context.exitCode = 1
    printResult(options, context, report, verifyLines(report))
  })
}

async function verify(options: CommonOptions, context: CommandContext): Promise<VerifyResult> {
  const { terminal } = context
  try {
    using client = await connectAdmin(options, context)
    return await runLong(client, terminal, { path: '/store/verify', json: {}, line: verifyLineSchema })
  } catch (error) {
    if (!isGroveError(error, 'ERR_NOT_RUNNING')) throw error
  }
  using tally = createTally(terminal)
  const source = { cwd: terminal.cwd, file: options.config, ...(options.data !== undefined && { data: options.data }) }
  const { counts, faults, faultCount } = await verifyStopped((await loadConfig(source)).config, tally.show)
  return { counts: { ...counts }, faults: [...faults], faultCount }
}

function verifyLines({ counts, faults, faultCount }: VerifyResult): string[] {
  const { sites = 0, versions = 0, segments = 0, bytes = 0, unreferenced = 0 } = counts
  const seen = `${formatCount(sites, 'site')}, ${formatCount(versions, 'version')}, ${formatCount(segments, 'segment')}`
  const lines = [
    `${faultCount === 0 ? 'all is well' : formatCount(faultCount, 'fault')}: ${seen}; ${formatBytes(bytes)} read`,
  ]
  if (unreferenced > 0) lines.push(`  ${formatCount(unreferenced, 'object')} without a use: removed in time`)
  for (const { where, problem, hint } of faults.slice(0, limits.cli.namesShown))
    lines.push(`  ${where}: ${problem}`, `    ${hint}`)
  if (faultCount > limits.cli.namesShown)
    lines.push(`  and ${faultCount - limits.cli.namesShown} more: --json lists them`)
  return lines
}

function addExport(store: Command, context: CommandContext): void {
  const command = store
    .command('export')
    .argument('<site>', 'the site')
    .argument('<file>', 'a file that is not there yet')
    .description('write a site with all its versions into a plain tar file')
  withCommon(command, 'grove store export blog blog.tar').action(
    async (name: string, file: string, options: CommonOptions) => {
      const { terminal } = context
      const site = toSiteName(name)
      using client = await connectAdmin(options, context)
      const result = await runLong(client, terminal, {
        path: `/sites/${site}/export`,
        json: { file: resolve(terminal.cwd, file) },
        line: exportLineSchema,
      })
      printResult(options, context, result, [`exported ${site} to ${result.file}: ${formatBytes(result.bytes)}`])
    },
  )
}

function addImport(store: Command, context: CommandContext): void {
  const command = store
    .command('import')
    .argument('<file>', 'a file that grove store export wrote')
    .description('make a site of an export, with all its versions')
    .requiredOption('--site <name>', 'its name; no site may have it')
  withCommon(command, 'grove store import blog.tar --site blog').action(
    async (file: string, options: CommonOptions & { readonly site: string }) => {
      const { terminal } = context
      const site = toSiteName(options.site)
      using client = await connectAdmin(options, context)
      const result = await runLong(client, terminal, {
        path: `/sites/${site}/import`,
        json: { file: resolve(terminal.cwd, file) },
        line: importLineSchema,
      })
      const { from, versions, live } = result
      const was = from === site ? '' : `, which was ${from}`
      printResult(options, context, { site, ...result }, [
        `imported ${site}${was}: ${formatCount(versions.length, 'version')}, ${live === undefined ? 'none live' : `${site}@${live} is live`}`,
      ])
    },
  )
}

function addCollect(store: Command, context: CommandContext): void {
  const command = store
    .command('collect')
    .description('remove objects that nothing needs; Grove does this once a day by itself')
    .option('--grace <time>', 'how long something must have had no use, such as 1h (default: a day)', parseDuration)
  withCommon(command, 'grove store collect --grace 1h').addHelpText(
    'after',
    `
What is without a use is noted at first, and removed when it is found so again after that time.`,
  )
  command.action(async (options: CommonOptions & { readonly grace?: number }) => {
    using client = await connectAdmin(options, context)
    const done = await runLong(client, context.terminal, {
      path: '/store/collect',
      json: { graceMs: options.grace },
      line: collectLineSchema,
    })
    const { objects, waiting, removed, removedBytes } = done
    printResult(options, context, done, [
      `removed ${formatCount(removed, 'object')}, ${formatBytes(removedBytes)}, of ${objects}`,
      ...(waiting > 0
        ? [`  ${formatCount(waiting, 'object')} without a use will go when they are found so again`]
        : []),
    ])
  })
}
