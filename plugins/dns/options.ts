/** What the options of all providers have in common: secrets, addresses of APIs, and how long they are waited for. */

import { isAbsolute } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { dnsError, isDnsName } from '../../core/dns-provider.ts'
import { isGroveError } from '../../core/errors.ts'
import { readSecret, type SecretSource } from '../../core/secrets.ts'

/** A secret, or where one lies. Read anew at each use, so that it can be changed without a restart. */
export const secretSchema = z.union(
  [
    z.string().min(1).max(4_096),
    z.strictObject({ file: z.string().max(4_096).refine(isAbsolute, 'an absolute path') }),
    z.strictObject({ env: z.string().regex(/^[A-Za-z_]\w{0,127}$/) }),
  ],
  'a text, { file: … } with an absolute path, or { env: … }',
)

/** The zone, for accounts that must not list theirs. */
export const zoneSchema = z.string().refine(isDnsName, 'the name of a zone in lower case, such as example.com')

/** The URL of an API. Over the network only with TLS: every request carries the credentials. */
export const apiUrlSchema = z
  .string()
  .refine((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url?.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') return false
    const isLoopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname)
    return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)
  }, 'an https:// URL, or http:// at a loopback address')
  .transform((text) => text.replace(/\/+$/, ''))

/** Options of every provider that is reached over the network. */
export const callOptions = {
  /** Longest wait for one answer, in milliseconds. Default: 10,000. */
  timeoutMs: z.int().min(10).max(60_000).default(10_000),
  /** How the time until a further try passes, for tests. */
  wait: z
    .custom<(ms: number, signal: AbortSignal) => Promise<unknown>>((value) => typeof value === 'function', 'a function')
    .default(() => (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal })),
}

/**
 * The secret. `what` names it: `cloudflare: token`. Throws `ERR_DNS` (`denied`) when there is none, or it holds what no
 * header could carry.
 */
export async function takeSecret(source: string | SecretSource, what: string): Promise<string> {
  const secret = (await readSource(source, what)).trim()
  if (/^[\x21-\x7e]+$/.test(secret)) return secret
  throw dnsError('denied', `${what} has characters that cannot be sent`, {
    hint: 'is it the secret itself, in one line?',
  })
}

/** The text of a secret, whatever is in it. Throws `ERR_DNS` (`denied`) when there is none. */
export async function readSource(source: string | SecretSource, what: string): Promise<string> {
  if (typeof source === 'string') return source
  try {
    return await readSecret(source, what, process.env)
  } catch (cause) {
    if (isGroveError(cause, 'ERR_CONFIG_INVALID')) throw dnsError('denied', cause.message, { cause })
    throw cause
  }
}
