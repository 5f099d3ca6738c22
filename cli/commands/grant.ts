/** `grove grant`: tokens for authors, deploys and CI. */

import type { Command } from 'commander'
import { siteGrantPath } from '../../core/grant-api.ts'
import { limits } from '../../core/limits.ts'
import { toSiteName } from '../../core/names.ts'
import type { Right } from '../../store/store.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  exampleText,
  printResult,
  wholeNumber,
  withCommon,
} from '../command-context.ts'
import { parseDuration } from '../duration.ts'
import { createGrant, listGrants, revokeGrant, rotateKeys } from '../grant-client.ts'
import { grantTable, rightsText, scopeText } from '../grant-text.ts'
import { formatCount, formatTime } from '../human-text.ts'
import { parseMoment } from '../moment.ts'
import { parseSize } from '../size.ts'
import { type TokenOptions, withToken } from '../token.ts'
import { addNarrow, addShowGrant } from './grant-token.ts'

const { grantsListed } = limits.store

/** How long a token is good when nothing is said: 90 days. */
const defaultLifeMs = 90 * 86_400_000

interface ScopeOptions extends CommonOptions, TokenOptions {
  readonly site?: string
  readonly path?: string
}

interface CreateOptions extends ScopeOptions {
  readonly read?: boolean
  readonly write?: boolean
  readonly grant?: boolean
  readonly for?: number
  readonly until?: number
  readonly label?: string
  readonly maxBytes?: number
  readonly maxWrites?: number
}

/** Adds the command with its subcommands. */
export function addGrant(program: Command, context: CommandContext): void {
  const grant = program.command('grant').description('tokens for authors, deploys and CI: make, list, narrow, revoke')
  grant.addHelpText('after', exampleText('grove grant create --site blog --for 30d --label "CI of the blog"'))
  addCreate(grant, context)
  addList(grant, context)
  addShowGrant(grant, context)
  addRevoke(grant, context)
  addNarrow(grant, context)
  addRotateKeys(grant, context)
}

function addCreate(grant: Command, context: CommandContext): void {
  const command = grant
    .command('create')
    .description('make a token; it is shown this once')
    .option('--site <name>', 'for everything of a site')
    .option('--path <path>', 'for a path of the store instead, such as /sites/operator')
    .option('--read', 'it may read: list, show, compare')
    .option('--write', 'it may publish, roll back, tag, pin and prune (default, with --read)')
    .option('--grant', 'it may make tokens, none that allow more than it does')
    .option('--for <time>', 'how long it is good, such as 12h or 30d (default: 90d)', parseDuration)
    .option('--until <time>', 'until when it is good, such as 2027-01-31', parseMoment)
    .option('--label <text>', 'who or what has it; shown wherever it was used')
    .option('--max-bytes <size>', 'how much may be written with it in all, such as 1GB', parseSize)
    .option('--max-writes <count>', 'how many writes; each content that is sent is one', wholeNumber(0, 1e12))
  withCommon(withToken(command), 'grove grant create --site blog --for 30d --label "CI of the blog"').addHelpText(
    'after',
    `
Keep the token as a secret of the job and give it to grove publish in the variable GROVE_TOKEN. Whoever has it can do
what it allows until it ends or is revoked. docs/grants.md says more.`,
  )
  command.action((options: CreateOptions) => create(options, command, context))
}

async function create(options: CreateOptions, command: Command, context: CommandContext): Promise<void> {
  const path = scopeOf(options, command)
  if (path === undefined) command.error('error: say what the token is for: --site <name> or --path <path>')
  if (options.for !== undefined && options.until !== undefined)
    command.error('error: --for and --until say the same: give one')
  const { label, maxBytes, maxWrites } = options
  using client = await connectAdmin(options, context)
  const { token, grant } = await createGrant(client, {
    path,
    rights: rightsOf(options),
    untilMs: options.until ?? Date.now() + (options.for ?? defaultLifeMs),
    ...(label !== undefined && { label }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(maxWrites !== undefined && { maxWrites }),
  })
  const until = formatTime(grant.untilMs)
  printResult(options, context, { token, grant }, [
    `made a token for ${scopeText(grant.path)}: ${rightsText(grant.rights)}, until ${until}`,
    `  id     ${grant.id}`,
    '  token, shown this once:',
    token,
  ])
}

/** Reading and writing is what publishing takes, so that is what a token is for unless something is said. */
function rightsOf({ read, write, grant }: CreateOptions): Right[] {
  const chosen: Right[] = [...(read ? ['read' as const] : []), ...(write ? ['write' as const] : [])]
  if (chosen.length === 0 && !grant) return ['read', 'write']
  return grant ? [...chosen, 'grant'] : chosen
}

function scopeOf({ site, path }: ScopeOptions, command: Command): string | undefined {
  if (site !== undefined && path !== undefined) command.error('error: --site and --path say the same: give one')
  return site === undefined ? path : siteGrantPath(toSiteName(site))
}

function addList(grant: Command, context: CommandContext): void {
  const command = grant
    .command('list')
    .description('list tokens, newest first')
    .option('--site <name>', 'only those for this site')
    .option('--path <path>', 'only those for this path and what lies under it')
    .option('--all', 'also those that have ended')
  withCommon(withToken(command), 'grove grant list --site blog').action(
    async (options: ScopeOptions & { readonly all?: boolean }) => {
      const path = scopeOf(options, command) ?? '/'
      using client = await connectAdmin(options, context)
      const all = await listGrants(client, path)
      const grants = options.all ? all : all.filter(({ state }) => state === 'alive')
      const hidden = all.length - grants.length
      const lines =
        grants.length === 0 ? ['no tokens; make one with: grove grant create --site <name>'] : grantTable(grants)
      if (hidden > 0) lines.push(`and ${formatCount(hidden, 'token')} that ended: --all shows them`)
      if (all.length === grantsListed)
        lines.push(`only the newest ${grantsListed} are looked at; --site and --path look closer`)
      printResult(options, context, { grants }, lines)
    },
  )
}

function addRevoke(grant: Command, context: CommandContext): void {
  const command = grant
    .command('revoke')
    .argument('<id|token>', 'what grant list shows, or the token itself')
    .description('end a token at once, and all that were made with it')
  withCommon(withToken(command), 'grove grant revoke 3q2-7wAAEiM0RVZneImaqw').action(
    async (target: string, options: CommonOptions & TokenOptions) => {
      using client = await connectAdmin(options, context)
      const done = await revokeGrant(client, target)
      const line =
        done.revoked === 0
          ? `${done.id} had ended before`
          : `revoked ${done.id}: ended ${formatCount(done.revoked, 'token')}`
      printResult(options, context, done, [line])
    },
  )
}

function addRotateKeys(grant: Command, context: CommandContext): void {
  const command = grant
    .command('rotate-keys')
    .description('sign new tokens with a new key; old tokens stay good')
    .option('--drop-old', 'forget the old keys: every token that was made before ends now')
  withCommon(command, 'grove grant rotate-keys').action(
    async (options: CommonOptions & { readonly dropOld?: boolean }) => {
      using client = await connectAdmin(options, context)
      const keys = await rotateKeys(client, options.dropOld === true)
      const dropped = options.dropOld
        ? `, and ${formatCount(keys.dropped, 'older key')} forgotten with all their tokens`
        : ''
      printResult(options, context, keys, [`new tokens are signed with key ${keys.kid}${dropped}`])
    },
  )
}
