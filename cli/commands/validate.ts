/** `grove validate`: checks the config. Binds no port and writes nothing. */

import type { Command } from 'commander'
import { loadConfig } from '../../core/load-config.ts'
import { type CommandContext, type CommonOptions, printResult, withCommon } from '../command-context.ts'
import { formatCount } from '../human-text.ts'

/** Adds the command. */
export function addValidate(program: Command, context: CommandContext): void {
  const command = program.command('validate').description('check the config and tell all faults, without serving')
  withCommon(command, 'grove validate --config /etc/grove/grove.config.ts')
  command.action(async (options: CommonOptions) => {
    const { config, file } = await loadConfig({ cwd: context.terminal.cwd, file: options.config, data: options.data })
    const sites = Object.keys(config.sites)
    const plugins = config.plugins.map(({ name }) => name)
    const { domain, data, listen } = config
    printResult(options, context, { valid: true, file, domain, data, listen, sites, plugins }, [
      `${file ?? 'the default config'} is valid: ${formatCount(sites.length, 'site')}, ${formatCount(plugins.length, 'plugin')}, data in ${data}`,
    ])
  })
}
