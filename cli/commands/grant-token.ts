/** `grove grant show|narrow`: what a token allows, and how its holder makes one that allows less. */

import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { siteGrantPath } from '../../core/grant-api.ts'
import { isBlobHash, toSiteName } from '../../core/names.ts'
import { allRights } from '../../store/grants/caveats.ts'
import { narrow, openFormOf } from '../../store/grants/handle.ts'
import type { Caveats, Handle, Right } from '../../store/store.ts'
import { type CommandContext, type CommonOptions, connectAdmin, printResult, withCommon } from '../command-context.ts'
import { parseDuration } from '../duration.ts'
import { showGrant } from '../grant-client.ts'
import { caveatLines, grantLines } from '../grant-text.ts'
import { parseMoment } from '../moment.ts'
import { parseSize } from '../size.ts'
import { findToken, type TokenOptions, tokenVariable, toToken, withToken } from '../token.ts'

/** Adds `grant show`. */
export function addShowGrant(grant: Command, context: CommandContext): void {
  const command: Command = grant
    .command('show')
    .argument('[id|token]', `what grant list shows, or a token (default: the one in ${tokenVariable})`)
    .description('show what a token allows, until when, and what was used of it')
  withCommon(withToken(command), 'grove grant show 3q2-7wAAEiM0RVZneImaqw').action(
    async (given: string | undefined, options: CommonOptions & TokenOptions) => {
      const target = given ?? (await findToken(options, context.terminal))
      if (target === undefined) command.error(`error: say which: an id, a token, or a token in ${tokenVariable}`)
      using client = await connectAdmin(options, context)
      const found = await showGrant(client, target)
      const caveats = openFormOf(target as Handle)?.caveats ?? []
      printResult(options, context, { ...found, caveats: caveats.map((caveat) => caveat ?? null) }, [
        ...grantLines(found),
        ...caveatLines(caveats),
      ])
    },
  )
}

interface NarrowOptions extends CommonOptions, TokenOptions {
  readonly site?: string
  readonly path?: string
  readonly rights?: readonly Right[]
  readonly for?: number
  readonly until?: number
  readonly hash?: string
  readonly bytes?: number
}

/** Adds `grant narrow`. */
export function addNarrow(grant: Command, context: CommandContext): void {
  const command: Command = grant
    .command('narrow')
    .argument('[token]', `the token (default: the one in ${tokenVariable})`)
    .description('make a token that allows less out of one; asks nobody, works anywhere')
    .option('--site <name>', 'only for this site')
    .option('--path <path>', 'only for this path and what lies under it')
    .option('--rights <list>', 'only these of read,write,grant', parseRights)
    .option('--for <time>', 'at most so long from now, such as 15m', parseDuration)
    .option('--until <time>', 'at most until then, such as 2027-01-31T18:00:00Z', parseMoment)
    .option('--hash <sha256>', 'only to upload this one content', parseHash)
    .option('--bytes <size>', 'at most so much in one write, such as 10MB', parseSize)
    .option('--json', 'print JSON for machines')
  withToken(command).addHelpText(
    'after',
    `
Example:
  GROVE_TOKEN=$(grove grant narrow --site blog --for 15m) sh ./deploy.sh

What is given can only take away, and cannot be taken back. It ends with the token that it was made from.`,
  )
  command.action(async (given: string | undefined, options: NarrowOptions) => {
    const { terminal } = context
    const token = given === undefined ? await findToken(options, terminal) : toToken(given, 'the argument')
    if (token === undefined) command.error(`error: say which token: as the argument, or in ${tokenVariable}`)
    const caveats = caveatsOf(options)
    if (caveats.length === 0) command.error('error: say what to take away: --site, --rights, --for …')
    const narrowed = caveats.reduce<Handle>(narrow, token)
    printResult(options, context, { token: narrowed }, [narrowed])
  })
}

/** Each option takes away for itself, so both of two that say the same hold. */
function caveatsOf({ site, path, rights, until, hash, bytes, ...options }: NarrowOptions): Caveats[] {
  return [
    ...(site === undefined ? [] : [{ path: siteGrantPath(toSiteName(site)) }]),
    ...(path === undefined ? [] : [{ path }]),
    ...(rights === undefined ? [] : [{ rights }]),
    ...(options.for === undefined ? [] : [{ untilMs: Date.now() + options.for }]),
    ...(until === undefined ? [] : [{ untilMs: until }]),
    ...(hash === undefined ? [] : [{ hash }]),
    ...(bytes === undefined ? [] : [{ bytes }]),
  ]
}

function parseRights(text: string): Right[] {
  const words = text.split(',')
  const rights = allRights.filter((right) => words.includes(right))
  if (rights.length === words.length) return rights
  throw new InvalidArgumentError('expected some of read, write and grant, with commas between them.')
}

function parseHash(text: string): string {
  if (isBlobHash(text)) return text
  throw new InvalidArgumentError('expected a SHA-256, 64 lower-case hex digits.')
}
