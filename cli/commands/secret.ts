/** `grove secret`: what the code of a site may use and nobody may read. */

import type { Command } from 'commander'
import { z } from 'zod'
import { secretInfoSchema } from '../../core/code-api.ts'
import { GroveError } from '../../core/errors.ts'
import { toSiteName } from '../../core/names.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  exampleText,
  printResult,
  withCommon,
} from '../command-context.ts'
import { formatTable, formatTime } from '../human-text.ts'
import { readSecretValue } from '../password.ts'
import { type TokenOptions, withToken } from '../token.ts'

interface Options extends CommonOptions, TokenOptions {
  readonly site: string
}

interface SetOptions extends Options {
  readonly host?: string[]
}

const nothing = z.object({})

/** Adds the command with its subcommands. */
export function addSecret(program: Command, context: CommandContext): void {
  const secret = program.command('secret').description('secrets of the code of sites: API keys, signing keys')
  secret.addHelpText('after', exampleText('grove secret set API_KEY --site blog --host api.example.com'))
  addSet(secret, context)
  addList(secret, context)
  addRemove(secret, context)
}

function addSet(secret: Command, context: CommandContext): void {
  const command = secret
    .command('set')
    .argument('<name>', 'how the code knows it: env.<name>')
    .description('set a secret; its value is asked for, or read from standard input')
    .requiredOption('--site <name>', 'the site')
    .option('--host <host...>', 'put the value in only in headers of requests to these hosts (https)')
  const example = 'grove secret set API_KEY --site blog --host api.example.com < key.txt'
  withCommon(withToken(command), example).addHelpText(
    'after',
    `
With --host the code never holds the value: env.<name> is a placeholder, and Grove puts the value in its place where a
request leaves for one of the hosts, in its headers. Code that was taken over cannot carry it away. Use it for API keys.
Without --host env.<name> is the value itself, for what the code has to work with: a key that it signs with.
Either way the value is in no log, and no command shows it. Whatever runs of the site starts anew with it.`,
  )
  command.action(async (name: string, options: SetOptions) => {
    const site = toSiteName(options.site)
    const value = await readSecretValue(context.terminal)
    using client = await connectAdmin(options, context)
    const hosts = options.host ?? []
    await client.ask('PUT', pathOf(site, name), { value, hosts }, nothing)
    const where = hosts.length === 0 ? 'the code gets its value' : `its value is put in for ${hosts.join(', ')}`
    printResult(options, context, { site, name, hosts }, [`set ${name} of ${site}; ${where}`])
  })
}

function addList(secret: Command, context: CommandContext): void {
  const command = secret
    .command('list')
    .description('list the secrets of a site: names and hosts, never a value')
    .requiredOption('--site <name>', 'the site')
  withCommon(withToken(command), 'grove secret list --site blog').action(async (options: Options) => {
    const site = toSiteName(options.site)
    using client = await connectAdmin(options, context)
    const list = z.object({ secrets: z.array(secretInfoSchema) })
    const { secrets } = await client.ask('GET', `/sites/${encodeURIComponent(site)}/secrets`, undefined, list)
    const rows = secrets.map(({ name, hosts, setAtMs }) => [
      name,
      hosts.join(' ') || '(the code gets the value)',
      formatTime(setAtMs),
    ])
    const none = [`${site} has no secrets; set one with: grove secret set <name> --site ${site}`]
    const lines = rows.length === 0 ? none : formatTable(['SECRET', 'HOSTS', 'SET'], rows)
    printResult(options, context, { secrets }, lines)
  })
}

function addRemove(secret: Command, context: CommandContext): void {
  const command = secret
    .command('remove')
    .argument('<name>')
    .description('take a secret away')
    .requiredOption('--site <name>', 'the site')
  const example = 'grove secret remove API_KEY --site blog'
  withCommon(withToken(command), example).action(async (name: string, options: Options) => {
    const site = toSiteName(options.site)
    using client = await connectAdmin(options, context)
    const answer = z.object({ removed: z.boolean() })
    const { removed } = await client.ask('DELETE', pathOf(site, name), undefined, answer)
    if (!removed)
      throw new GroveError('ERR_NOT_FOUND', `${site} has no secret ${JSON.stringify(name)}`, {
        hint: `grove secret list --site ${site} shows all`,
      })
    printResult(options, context, { removed }, [`took ${name} of ${site} away`])
  })
}

function pathOf(site: string, name: string): string {
  return `/sites/${encodeURIComponent(site)}/secrets/${encodeURIComponent(name)}`
}
