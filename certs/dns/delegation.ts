/**
 * Where the answer to a challenge belongs: at `_acme-challenge.<name>`, or where that name is an alias to.
 *
 * CAs follow aliases (RFC 8555 section 8.4), so the zone of a name needs no credentials on this machine: one CNAME, made
 * by hand once, leads to a zone that is for nothing else.
 */

import { dnsError } from '../../core/dns-provider.ts'
import type { DnsBounds } from './bounds.ts'
import type { Questions } from './questions.ts'

/** The name of a challenge's record, before aliases: `_acme-challenge.example.com`. */
export function challengeName(name: string): string {
  return `_acme-challenge.${name}`
}

/**
 * The name at the end of all aliases; the same name when it is none. Throws `ERR_DNS`: `alias` for a circle or more than
 * `bounds.aliases` of them.
 */
export async function followAliases(
  name: string,
  questions: Questions,
  bounds: DnsBounds,
  signal: AbortSignal,
): Promise<string> {
  const way = [name]
  for (let last = name; ; ) {
    const next = await questions.alias(last, signal)
    if (next === undefined) return last
    if (way.includes(next)) throw aliasFault(`${name} is an alias that leads in a circle`, [...way, next])
    if (way.length > bounds.aliases) throw aliasFault(`${name} leads over more than ${bounds.aliases} aliases`, way)
    way.push(next)
    last = next
  }
}

function aliasFault(message: string, way: readonly string[]): Error {
  return dnsError('alias', `${message}: ${way.join(' -> ')}`, { hint: 'mend the CNAME records on that way' })
}
