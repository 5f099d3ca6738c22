/**
 * Secrets that a config names and does not hold: in a file or in an environment variable.
 *
 * An error tells where the secret was looked for and what was wrong with it, never a word of it.
 */

import { open } from 'node:fs/promises'
import { GroveError } from './errors.ts'
import { limits } from './limits.ts'

/** Where a secret lies. A file's path is absolute once the config was loaded. */
export type SecretSource = { readonly file: string } | { readonly env: string }

/** Variables by name: `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>

/**
 * The secret, without white space around it. `what` names it in errors by its path in the config: `store.accessKeyId`.
 * Throws `ERR_CONFIG_INVALID` when there is none, or it is empty or longer than `limits.config.secretBytes`.
 */
export async function readSecret(source: SecretSource, what: string, environment: Variables): Promise<string> {
  const text = 'env' in source ? environment[source.env] : await readText(source.file, what)
  const where = whereOf(source)
  if (text === undefined) throw secretFault(what, `${where} is not set`)
  const secret = text.trim()
  if (secret === '') throw secretFault(what, `${where} is empty`)
  if (secret.length > limits.config.secretBytes) throw secretFault(what, `${where} is too long for a secret`)
  return secret
}

/** A secret that stands in the config, or lies where it says. Throws as {@link readSecret} does. */
export async function secretOf(source: string | SecretSource, what: string, environment: Variables): Promise<string> {
  return typeof source === 'string' ? source : readSecret(source, what, environment)
}

/** A text that the config names by its file, at most `limits.config.secretBytes`. Throws `ERR_CONFIG_INVALID`. */
export async function readText(file: string, what: string): Promise<string> {
  const most = limits.config.secretBytes
  try {
    await using handle = await open(file, 'r')
    // By length and not whole: it may be a device, or a large file that was named by mistake.
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(most + 1), 0, most + 1, 0)
    if (bytesRead > most) throw secretFault(what, `${file} has more than ${most} bytes`)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (error) {
    if (error instanceof GroveError) throw error
    const code = (error as NodeJS.ErrnoException).code ?? 'it failed'
    throw secretFault(what, `${file} cannot be read: ${code}`)
  }
}

/** For people: `file keys/a` or `environment variable X`. */
export function whereOf(source: SecretSource): string {
  return 'env' in source ? `environment variable ${source.env}` : `file ${source.file}`
}

/** What is wrong with a secret, for its path in the config. */
export function secretFault(what: string, why: string): GroveError {
  return new GroveError('ERR_CONFIG_INVALID', `${what}: ${why}`, { details: { path: what } })
}

/**
 * All of them, or one `ERR_CONFIG_INVALID` that tells every fault (`details.faults`: messages), so that an operator does
 * not find them one by one.
 */
export async function allSecrets<Value>(wanted: readonly Promise<Value>[]): Promise<Value[]> {
  const results = await Promise.allSettled(wanted)
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  const other = reasons.find((reason) => !(reason instanceof GroveError))
  if (other !== undefined) throw other
  const faults = (reasons as GroveError[]).map(({ message }) => message)
  if (faults.length > 0) throw new GroveError('ERR_CONFIG_INVALID', faults.join('\n'), { details: { faults } })
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}
