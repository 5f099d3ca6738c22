/** `grove serve`: runs Grove in the foreground. */

import { isatty } from 'node:tty'
import type { Command } from 'commander'
import { findConfig } from '../../core/load-config.ts'
import { createLog } from '../../core/log.ts'
import { type CommandContext, wholeNumber, withCommon } from '../command-context.ts'
import { printLines } from '../terminal.ts'

interface Options {
  readonly data?: string
  readonly config?: string
  readonly httpsPort?: number
  readonly httpPort?: number
}

/** Adds the command. */
export function addServe(program: Command, context: CommandContext): void {
  const command = program
    .command('serve')
    .description('serve all sites until stopped with Ctrl-C or grove stop')
    .option(
      '--https-port <port>',
      'port for TLS, over that of the config (default there: 8443)',
      wholeNumber(0, 65_535),
    )
    .option('--http-port <port>', 'port that redirects to https (default there: 8080)', wholeNumber(0, 65_535))
  withCommon(command, 'grove serve --data /var/lib/grove --https-port 443 --http-port 80').addHelpText(
    'after',
    `
Without a config, sites are served at https://<name>.localhost:8443.
SIGTERM and Ctrl-C finish what is under way; a second one ends at once. SIGHUP reads the config again; when it comes because the terminal was closed, Grove stops.`,
  )
  command.action(async (options: Options) => {
    const { runParent } = await import('../parent.ts')
    const { stdout, cwd } = context.terminal
    const isOnTerminal = stdout.isTTY === true
    const log = createLog('serve', 'info', isOnTerminal)
    const source = {
      cwd,
      // Found once: a file that is gone at a reload, or when control is restarted, is a fault and not another config.
      file: findConfig({ cwd, file: options.config }),
      data: options.data,
      httpsPort: options.httpsPort,
      httpPort: options.httpPort,
    }
    context.exitCode = await runParent({
      source,
      log,
      hungUp: () => isOnTerminal && !isatty(process.stdout.fd),
      tell: (banner) => {
        if (isOnTerminal) printLines(stdout, banner)
        else for (const line of banner) if (line.trim() !== '') log.info(line.trim())
      },
    })
  })
}
