/** `grove store`: what is done to the store as a whole. */

import type { Command } from 'commander'
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

/** Adds the command with its subcommands. */
export function addStore(program: Command, context: CommandContext): void {
  const store = program.command('store').description('check the store, move sites, remove what has no use')
  store.addHelpText('after', exampleText('grove store verify'))
  addCollect(store, context)
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
    const done = await client.collect(options.grace)
    const { objects, waiting, removed, removedBytes } = done
    printResult(options, context, done, [
      `removed ${formatCount(removed, 'object')}, ${formatBytes(removedBytes)}, of ${objects}`,
      ...(waiting > 0
        ? [`  ${formatCount(waiting, 'object')} without a use will go when they are found so again`]
        : []),
    ])
  })
}
