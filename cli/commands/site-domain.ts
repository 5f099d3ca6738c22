/** `grove site domain`: domains that authors bring, proven by a record in their DNS. */

import { createInterface } from 'node:readline/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import type { SiteDomain } from '../../core/domain-api.ts'
import { GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type SiteName, toSiteName } from '../../core/names.ts'
import {
  type CommandContext,
  type CommonOptions,
  connectAdmin,
  exampleText,
  printResult,
  withCommon,
} from '../command-context.ts'
import { addDomain, listDomains, removeDomain, verifyDomain } from '../domain-client.ts'
import { domainLines, domainTable } from '../domain-text.ts'
import { parseDuration } from '../duration.ts'
import { printLines } from '../terminal.ts'
import { type TokenOptions, withToken } from '../token.ts'

interface ProveOptions extends CommonOptions, TokenOptions {
  /** How long to wait, in milliseconds; true for the default. */
  readonly wait?: number | true
  readonly takeOver?: boolean
}

/** Asks control once: to add the domain, or to look again. */
type Ask = (takeOver: boolean) => Promise<SiteDomain>

/** Adds the subcommands to `site`. */
export function addSiteDomain(site: Command, context: CommandContext): void {
  const domain = site.command('domain').description('domains of your own: add, verify, list and remove them')
  domain.addHelpText('after', exampleText('grove site domain add blog www.example.org --wait'))
  addAdd(domain, context)
  addVerify(domain, context)
  addList(domain, context)
  addRemove(domain, context)
}

function addAdd(domain: Command, context: CommandContext): void {
  const command = domain
    .command('add')
    .argument('<site>')
    .argument('<domain>', 'a domain whose DNS you can change, such as www.example.org')
    .description('add a domain: shows the DNS record that proves that it is yours, and takes it once that is there')
  withProof(command)
  withCommon(withToken(command), 'grove site domain add blog www.example.org --wait').action(
    async (name: string, text: string, options: ProveOptions) => {
      const site = toSiteName(name)
      using client = await connectAdmin(options, context)
      const added = await askToMove((takeOver) => addDomain(client, site, text, takeOver), options, context)
      const again: Ask = (takeOver) => verifyDomain(client, site, added.domain, takeOver)
      showProof(site, await untilProven(site, added, again, options, context), options, context)
    },
  )
}

function addVerify(domain: Command, context: CommandContext): void {
  const command = domain
    .command('verify')
    .argument('<site>')
    .argument('<domain>')
    .description('look for the DNS record of a domain that was added; exits 1 while it is not there')
  withProof(command)
  withCommon(withToken(command), 'grove site domain verify blog www.example.org --wait 10m').action(
    async (name: string, text: string, options: ProveOptions) => {
      const site = toSiteName(name)
      using client = await connectAdmin(options, context)
      const ask: Ask = (takeOver) => verifyDomain(client, site, text, takeOver)
      const seen = await untilProven(site, await askToMove(ask, options, context), ask, options, context)
      if (seen.state === 'pending') context.exitCode = 1
      showProof(site, seen, options, context)
    },
  )
}

function addList(domain: Command, context: CommandContext): void {
  const command = domain
    .command('list')
    .argument('<site>')
    .description('list the domains of a site: whether they are proven, and how their certificates stand')
  withCommon(withToken(command), 'grove site domain list blog').action(
    async (name: string, options: CommonOptions & TokenOptions) => {
      const site = toSiteName(name)
      using client = await connectAdmin(options, context)
      const domains = await listDomains(client, site)
      printResult(options, context, { domains }, domainTable(site, domains))
    },
  )
}

function addRemove(domain: Command, context: CommandContext): void {
  const command = domain
    .command('remove')
    .argument('<site>')
    .argument('<domain>')
    .description('take a domain away from a site: it is not served under it any more')
  withCommon(withToken(command), 'grove site domain remove blog www.example.org').action(
    async (name: string, domain: string, options: CommonOptions & TokenOptions) => {
      const site = toSiteName(name)
      using client = await connectAdmin(options, context)
      await removeDomain(client, site, domain)
      printResult(options, context, { removed: domain }, [
        `took ${domain} away from ${site}`,
        '  its record _grove-challenge proves nothing any more: remove it from the DNS',
      ])
    },
  )
}

function withProof(command: Command): void {
  command
    .option('--wait [time]', 'look again and again until the record is there (default: for 1h)', parseDuration)
    .option('--take-over', 'move the domain here when another site has it')
}

/** A domain of another site moves when somebody said so: by an option, or at the terminal. */
async function askToMove(ask: Ask, options: ProveOptions, { terminal }: CommandContext): Promise<SiteDomain> {
  const { takeOver = false, json } = options
  try {
    return await ask(takeOver)
  } catch (error) {
    const isTaken = isGroveError(error, 'ERR_CONFLICT') && error.details?.['reason'] === 'taken'
    if (!isTaken || json || terminal.stdin.isTTY !== true) throw error
    const asking = createInterface({ input: terminal.stdin, output: terminal.stderr })
    try {
      const answer = await asking.question('Another site has this domain. Move it here? (y/N): ')
      if (!/^y(es)?$/i.test(answer.trim())) throw error
    } finally {
      asking.close()
    }
    return ask(true)
  }
}

/** Looks again while a domain waits for its proof and there is time, less and less often. */
async function untilProven(
  site: SiteName,
  first: SiteDomain,
  ask: Ask,
  options: ProveOptions,
  context: CommandContext,
): Promise<SiteDomain> {
  const { wait, json } = options
  if (wait === undefined || first.state !== 'pending') return first
  if (!json) printLines(context.terminal.stderr, [...domainLines(site, first).slice(0, -1), 'waiting for the record …'])
  const untilMs = performance.now() + (wait === true ? limits.domains.waitMs : wait)
  let seen = first
  for (let ms: number = limits.domains.firstLookMs; seen.state === 'pending'; ms *= 2) {
    const leftMs = untilMs - performance.now()
    if (leftMs <= 0)
      throw new GroveError('ERR_TIMEOUT', `the record of ${seen.domain} is not there yet`, {
        details: { ...seen.record },
        hint: 'name servers may go on saying for hours that there is none; the domain stays added',
      })
    await pause(Math.min(ms, limits.domains.longestLookMs, leftMs))
    seen = await askToMove(ask, options, context)
  }
  return seen
}

function showProof(site: SiteName, domain: SiteDomain, options: CommonOptions, context: CommandContext): void {
  printResult(options, context, domain, domainLines(site, domain))
}
