/** `grove reload`: has a running Grove read its config again. */

import type { Command } from 'commander'
import { type CommandContext, type CommonOptions, connectAdmin, printResult, withCommon } from '../command-context.ts'

/** Adds the command. */
export function addReload(program: Command, context: CommandContext): void {
  const command = program
    .command('reload')
    .description('apply a changed config without a failed request; a bad one changes nothing')
  withCommon(command, 'grove reload --data /var/lib/grove')
  command.action(async (options: CommonOptions) => {
    using client = await connectAdmin(options, context)
    const answer = await client.reload()
    printResult(options, context, answer, [
      answer.changed ? `the config is in force (generation ${answer.generation})` : 'the config has not changed',
    ])
  })
}
