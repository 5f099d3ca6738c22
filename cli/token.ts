/** The token that a command acts with: from an option, a file, or the environment. It is never printed. */

import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { openFormOf } from '../store/grants/handle.ts'
import type { Handle } from '../store/store.ts'
import type { Terminal } from './terminal.ts'

/** The environment variable that holds a token: for CI, where it is a secret of the job. */
export const tokenVariable = 'GROVE_TOKEN'

/** Where a token may come from. */
export interface TokenOptions {
  readonly token?: string
  readonly tokenFile?: string
}

/** Adds `--token` and `--token-file` to a command. */
export function withToken(command: Command): Command {
  return command
    .addOption(
      new Option('--token <token>', `act with a token (better: ${tokenVariable}, since others can see a command line)`),
    )
    .addOption(new Option('--token-file <file>', 'act with the token in a file').conflicts('token'))
}

/**
 * The token of a command: the option's, else the file's, else the one in `GROVE_TOKEN`; undefined for the operator.
 * Throws `ERR_BAD_REQUEST` for a text that is no token, an empty one too, without showing it.
 */
export async function findToken(
  { token, tokenFile }: TokenOptions,
  { cwd, env }: Pick<Terminal, 'cwd' | 'env'>,
): Promise<Handle | undefined> {
  if (token !== undefined) return toToken(token, '--token')
  if (tokenFile !== undefined) return toToken(await readTokenFile(resolve(cwd, tokenFile)), tokenFile)
  const variable = env?.[tokenVariable]
  if (variable === undefined) return undefined
  // A secret that a job was not given, or a command substitution that failed: it must not become the operator by that.
  if (variable.trim() === '')
    throw new GroveError('ERR_BAD_REQUEST', `the variable ${tokenVariable} is set and empty`, {
      hint: 'give it a token, or unset it to act as the operator',
    })
  return toToken(variable, tokenVariable)
}

/** The text as a token. `source` names where it came from. Throws `ERR_BAD_REQUEST`. */
export function toToken(text: string, source: string): Handle {
  const token = text.trim() as Handle
  if (openFormOf(token)) return token
  throw new GroveError('ERR_BAD_REQUEST', `what ${source} holds is not a token`, {
    hint: 'a token begins with grove_ and is one line; copy all of it, or make one with: grove grant create',
  })
}

async function readTokenFile(path: string): Promise<string> {
  // One byte more than a token and a line end can have: a longer file is none, whatever it is.
  const buffer = Buffer.alloc(limits.store.handleChars + 3)
  try {
    await using file = await open(path, 'r')
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new GroveError('ERR_BAD_REQUEST', `the token file ${path} cannot be read: ${code}`, { cause: error })
  }
}
