/** What every command shares: its options, its output, and the way to a running Grove. */

import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { layoutOf } from '../core/layout.ts'
import { loadConfig } from '../core/load-config.ts'
import { type AdminClient, createAdminClient } from './admin-client.ts'
import { printJson, printLines, type Terminal } from './terminal.ts'
import { findToken, type TokenOptions } from './token.ts'

/** Options that every command has. */
export interface CommonOptions {
  readonly data?: string
  readonly config?: string
  readonly json?: boolean
}

/** What a command runs in. */
export interface CommandContext {
  readonly terminal: Terminal
  /** What the process ends with if nothing is thrown. */
  exitCode: number
}

/** Adds `--data`, `--config`, `--json` and an example to a command. */
export function withCommon(command: Command, example: string): Command {
  return command
    .option('--data <folder>', 'the data folder (default: that of the config, or ./data)')
    .option('--config <file>', 'the config file (default: grove.config.ts, .js or .json here)')
    .option('--json', 'print JSON for machines')
    .addHelpText('after', exampleText(example))
}

/** An example as the help shows it. */
export function exampleText(example: string): string {
  return `\nExample:\n${example.replace(/^/gm, '  ')}`
}

/** The data folder that the options lead to, absolute. Throws the config's faults when it has to be read. */
export async function findDataFolder({ data, config }: CommonOptions, cwd: string): Promise<string> {
  if (data !== undefined) return resolve(cwd, data)
  return (await loadConfig({ cwd, file: config })).config.data
}

/** A client of the Grove that has the data folder, with the token that was given, if any. The caller disposes it. */
export async function connectAdmin(
  options: CommonOptions & TokenOptions,
  { terminal }: CommandContext,
): Promise<AdminClient> {
  const token = await findToken(options, terminal)
  const data = await findDataFolder(options, terminal.cwd)
  return createAdminClient(layoutOf(data).controlSocket, { token })
}

/** Prints a result: as JSON if asked, else as lines. */
export function printResult(
  { json }: CommonOptions,
  { terminal }: CommandContext,
  value: unknown,
  lines: string[],
): void {
  if (json) printJson(terminal.stdout, value)
  else printLines(terminal.stdout, lines)
}

/** An option's value as a whole number from `least` to `most`; wrong usage otherwise. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}.`)
  }
}
