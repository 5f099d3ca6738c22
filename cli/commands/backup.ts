/** `grove backup`: a copy of the data folder while Grove runs. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { backupLineSchema } from '../../core/store-api.ts'
import { type CommandContext, type CommonOptions, connectAdmin, printResult, withCommon } from '../command-context.ts'
import { formatBytes, formatCount } from '../human-text.ts'
import { runLong } from '../long-run.ts'

/** Adds the command. */
export function addBackup(program: Command, context: CommandContext): void {
  const command = program
    .command('backup')
    .argument('<folder>', 'a folder that is empty or not there yet, best on another disk')
    .description('copy everything that Grove keeps, at one moment, while it runs')
    .option('--with-contents', 'also copy what lies in a bucket')
  withCommon(command, 'grove backup /mnt/backup/grove-monday').addHelpText(
    'after',
    `
The copy is a data folder: to go back, stop Grove and start it with --data <folder>, or copy it to its place.
It holds keys. Keep it as safe as the machine. With a bucket it is not started beside what came later: a machine that
is lost is replaced by an empty one, and a copy with contents is served without the bucket. docs/store.md says more.`,
  )
  command.action(async (folder: string, options: CommonOptions & { readonly withContents?: boolean }) => {
    const { terminal } = context
    using client = await connectAdmin(options, context)
    const result = await runLong(client, terminal, {
      path: '/backup',
      json: { folder: resolve(terminal.cwd, folder), withContents: options.withContents === true },
      line: backupLineSchema,
    })
    const lines = [
      `backed up to ${result.folder}: ${formatCount(result.objects, 'object')}, ${formatBytes(result.bytes)}`,
    ]
    if (result.inBucket)
      lines.push('  contents stay in the bucket and are not part of it; --with-contents takes them along')
    if (result.vaultElsewhere !== undefined)
      lines.push(
        `  certificates and accounts at CAs lie in ${result.vaultElsewhere} and are not part of it: copy that too`,
      )
    printResult(options, context, result, lines)
  })
}
