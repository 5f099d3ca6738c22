/** `grove user`: accounts of the login-password plugin. */

import type { Command } from 'commander'
import { z } from 'zod'
import { GroveError, isGroveError } from '../../core/errors.ts'
import { userListSchema, userSchema } from '../../plugins/login-password/commands.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  exampleText,
  printResult,
  withCommon,
} from '../command-context.ts'
import { formatTable, formatTime } from '../human-text.ts'
import { readPassword } from '../password.ts'

const plugin = 'login-password'
const doneSchema = z.object({ userId: z.string() })

interface PasswordOptions extends CommonOptions {
  readonly passwordStdin?: boolean
  readonly site?: string[]
}

/** Adds the command with its subcommands. */
export function addUser(program: Command, context: CommandContext): void {
  const user = program.command('user').description('accounts of visitors (plugin login-password)')
  user.addHelpText('after', exampleText('grove user add ada'))
  addAdd(user, context)
  addList(user, context)
  addPasswd(user, context)
  addRemove(user, context)
}

function addAdd(user: Command, context: CommandContext): void {
  const command = user
    .command('add')
    .argument('<name>')
    .description('add an account; the password is asked for, or read from standard input')
    .option('--site <name...>', 'only for these sites (default: all)')
    .option('--password-stdin', 'read the password from standard input')
  withCommon(command, 'grove user add ada --site blog').action(async (userId: string, options: PasswordOptions) => {
    const password = await readPassword(context.terminal, options.passwordStdin === true)
    const input = { userId, password, ...(options.site && { sites: options.site }) }
    const made = await callPlugin(options, context, 'add', input, userSchema)
    printResult(options, context, made, [
      `added ${made.userId}, who can sign in on ${made.sites?.join(', ') ?? 'all sites'}`,
    ])
  })
}

function addList(user: Command, context: CommandContext): void {
  const command = user.command('list').description('list all accounts')
  withCommon(command, 'grove user list').action(async (options: CommonOptions) => {
    const list = await callPlugin(options, context, 'list', {}, userListSchema)
    const rows = list.users.map(({ userId, sites, createdAtMs, changedAtMs }) => [
      userId,
      sites?.join(' ') ?? 'all',
      formatTime(createdAtMs),
      formatTime(changedAtMs),
    ])
    const table = formatTable(['USER', 'SITES', 'ADDED', 'PASSWORD SET'], rows)
    printResult(
      options,
      context,
      list,
      rows.length === 0 ? ['no accounts yet; add one with: grove user add <name>'] : table,
    )
  })
}

function addPasswd(user: Command, context: CommandContext): void {
  const command = user
    .command('passwd')
    .argument('<name>')
    .description("set an account's password and end all its sessions")
    .option('--password-stdin', 'read the password from standard input')
  withCommon(command, 'grove user passwd ada').action(async (userId: string, options: PasswordOptions) => {
    const password = await readPassword(context.terminal, options.passwordStdin === true)
    const done = await callPlugin(options, context, 'passwd', { userId, password }, doneSchema)
    printResult(options, context, done, [`the password of ${done.userId} is set, and all its sessions have ended`])
  })
}

function addRemove(user: Command, context: CommandContext): void {
  const command = user.command('remove').argument('<name>').description('remove an account and end all its sessions')
  withCommon(command, 'grove user remove ada').action(async (userId: string, options: CommonOptions) => {
    const done = await callPlugin(options, context, 'remove', { userId }, doneSchema)
    printResult(options, context, done, [`removed ${done.userId}, and all its sessions have ended`])
  })
}

async function callPlugin<T>(
  options: CommonOptions,
  context: CommandContext,
  command: string,
  input: unknown,
  answer: z.ZodType<T>,
): Promise<T> {
  using client = await connectAdmin(options, context)
  try {
    return await client.plugin(plugin, command, input, answer)
  } catch (error) {
    if (!isGroveError(error, 'ERR_NOT_FOUND')) throw error
    throw new GroveError('ERR_NOT_FOUND', `the plugin ${plugin} is not in the config of the grove that runs`, {
      cause: error,
      hint: 'add loginPassword() to plugins in the config, then: grove reload',
    })
  }
}
