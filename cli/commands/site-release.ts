/** `grove site release`: lets the code of a site run again that rests after it had to be ended again and again. */

import type { Command } from 'commander'
import { z } from 'zod'
import { toSiteName } from '../../core/names.ts'
import { type CommandContext, type CommonOptions, connectAdmin, printResult, withCommon } from '../command-context.ts'
import { type TokenOptions, withToken } from '../token.ts'

const nothing = z.object({})

/** Adds the subcommand to `site`. */
export function addSiteRelease(site: Command, context: CommandContext): void {
  const command = site
    .command('release')
    .argument('<name>')
    .description('let the code of a site run again that rests after crashes; grove status tells which do')
  withCommon(withToken(command), 'grove site release blog').action(
    async (name: string, options: CommonOptions & TokenOptions) => {
      const site = toSiteName(name)
      using client = await connectAdmin(options, context)
      await client.ask('POST', `/sites/${encodeURIComponent(site)}/release`, undefined, nothing)
      printResult(options, context, { site }, [
        `the code of ${site} may run again; what it says is in: grove logs --site ${site}`,
      ])
    },
  )
}
