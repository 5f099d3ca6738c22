/** `grove dev`: serves a site of a folder on this machine, while it is written. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { type CommandContext, exampleText, wholeNumber } from '../command-context.ts'

interface Options {
  readonly port: number
  readonly reload: boolean
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const examples = `grove dev ./my-site                  # http://localhost:8787
grove dev ./my-site --port 0         # any free port
grove dev . --no-reload              # open pages stay as they are`

/** Adds the command. */
export function addDev(program: Command, context: CommandContext): void {
  program
    .command('dev')
    .argument('[folder]', 'the folder of the site', '.')
    .description('serve a site on this machine while it is written, its code in a sandbox')
    .option('--port <port>', 'port on localhost; 0 for any that is free', wholeNumber(0, 65_535), 8_787)
    .option('--no-reload', 'do not have open pages reload when something changes')
    .addHelpText(
      'after',
      `${exampleText(examples)}

Files are served as they would be when published, and code (_worker.js, _worker.ts, or "code" in grove.json) runs in a
process of its own, with the limits of a published site and the packages of the project. Errors are shown with the lines
of your own source, here and in the browser.
Data (env.DATA) is kept in .grove-dev in the folder; remove it to begin anew. Secrets are lines NAME=value in .dev.vars
there, which belongs into .gitignore. Neither is ever published.`,
    )
    .action(async (folder: string, { port, reload }: Options) => {
      const { startDev } = await import('../dev/dev.ts')
      const { terminal } = context
      const ended = Promise.withResolvers<void>()
      let isEnding = false
      const end = () => {
        // Who says it twice does not want to wait: sandboxes end with this process, however it ends.
        if (isEnding) process.exit(1)
        isEnding = true
        ended.resolve()
      }
      for (const signal of signals) process.on(signal, end)
      try {
        await using _dev = await startDev({ folder: resolve(terminal.cwd, folder), port, reload, terminal })
        await ended.promise
      } finally {
        for (const signal of signals) process.off(signal, end)
      }
    })
}
