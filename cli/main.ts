/** The command line: parses it, runs one command, and turns what it throws into a message and an exit code. */

import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { type PlainError, toGroveError, toPlainError } from '../core/errors.ts'
import type { CommandContext } from './command-context.ts'
import { addBackup } from './commands/backup.ts'
import { addCert } from './commands/cert.ts'
import { addDev } from './commands/dev.ts'
import { addGrant } from './commands/grant.ts'
import { addLogs } from './commands/logs.ts'
import { addPublish } from './commands/publish.ts'
import { addReload } from './commands/reload.ts'
import { addSecret } from './commands/secret.ts'
import { addServe } from './commands/serve.ts'
import { addSite } from './commands/site.ts'
import { addStatus } from './commands/status.ts'
import { addStop } from './commands/stop.ts'
import { addStore } from './commands/store.ts'
import { addTrust } from './commands/trust.ts'
import { addUser } from './commands/user.ts'
import { addValidate } from './commands/validate.ts'
import { printJson, printLines, type Terminal } from './terminal.ts'

/** Exit codes: done, failed, wrong usage. */
const exitCodes = { done: 0, failed: 1, usage: 2 } as const

/**
 * Runs the command line and resolves with the exit code. Never rejects. With `--json` the result, or
 * `{ error: { code, message, details?, hint? } }`, is one JSON text on standard output; else an error is its message
 * and a hint on standard error, and nothing more.
 */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const context: CommandContext = { terminal, exitCode: exitCodes.done }
  let json = false
  const program = createProgram(context).hook('preAction', (_, command) => {
    json = command.opts()['json'] === true
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return context.exitCode
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      if (thrown.exitCode === 0) return exitCodes.done
      // People were told by then, on standard error.
      if (args.includes('--json')) printJson(terminal.stdout, { error: usageError(thrown) })
      return exitCodes.usage
    }
    if (json) printJson(terminal.stdout, { error: toPlainError(thrown) })
    else printError(thrown, terminal)
    return exitCodes.failed
  }
}

function createProgram(context: CommandContext): Command {
  const { stdout, stderr } = context.terminal
  const program = new Command('grove')
    .description('A web host that a person can own.')
    .version(packageVersion(), '--version')
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError('(--help shows how)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => void stdout.write(text), writeErr: (text) => void stderr.write(text) })
    .addHelpText(
      'after',
      `
Example:
  grove serve                              # in one terminal
  grove publish ./my-site --site blog      # in another: https://blog.localhost:8443

Exit codes: 0 done, 1 failed, 2 wrong usage.`,
    )
  addServe(program, context)
  addDev(program, context)
  addPublish(program, context)
  addSite(program, context)
  addSecret(program, context)
  addLogs(program, context)
  addGrant(program, context)
  addUser(program, context)
  addBackup(program, context)
  addStore(program, context)
  addStatus(program, context)
  addReload(program, context)
  addStop(program, context)
  addValidate(program, context)
  addCert(program, context)
  addTrust(program, context)
  return program
}

function usageError({ message }: CommanderError): PlainError {
  const hint = 'grove --help shows all commands, grove <command> --help one'
  return { code: 'ERR_USAGE', message: message.replace(/^error: /, ''), hint }
}

function printError(thrown: unknown, { stderr }: Terminal): void {
  const { message, hint } = toGroveError(thrown)
  printLines(stderr, [`error: ${message}`, ...(hint === undefined ? [] : [`hint: ${hint}`])])
}

/** The sources lie one folder below package.json, the compiled form two. */
function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      return String((JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: unknown }).version)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return 'unknown'
}
