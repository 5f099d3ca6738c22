/**
 * Questions to the DNS, each of them bounded: to the resolvers of this machine, or straight to one server.
 *
 * Asked with Node's resolver (c-ares): it throws away answers with a wrong id or from elsewhere, and asks again over TCP
 * when an answer was cut. Each question has a resolver of its own, so that no cache stands between us and the server. It
 * defends against answers that are damaged, late, endless or none; not against a resolver that lies, nor against
 * somebody on the way to a server. Whoever controls those controls what a CA sees as well.
 */

import { Resolver } from 'node:dns/promises'
import { isIPv6 } from 'node:net'
import { dnsError, isDnsName } from '../../core/dns-provider.ts'
import type { DnsBounds } from './bounds.ts'

/** Questions to the DNS. All reject with the signal's reason when it aborts, with `ERR_DNS` when nobody answers. */
export interface Questions {
  /** What a name is an alias of (CNAME); undefined when it is none, or is not there. */
  alias(name: string, signal: AbortSignal): Promise<string | undefined>
  /** The name servers of a zone; none when there is no zone of that name. */
  nameServers(zone: string, signal: AbortSignal): Promise<string[]>
  /** Addresses of a name, of both families; none when it has none. Rejects only when neither family is answered. */
  addresses(name: string, signal: AbortSignal): Promise<string[]>
  /** The TXT records that one server has of a name, pieces put together; none when it has none. */
  texts(name: string, address: string, signal: AbortSignal): Promise<string[]>
}

/** Who is asked, and where. */
export interface QuestionsOptions {
  /** Resolvers in place of the system's: addresses, maybe with a port, `192.0.2.53:5353` or `[2001:db8::53]:5353`. */
  readonly resolvers?: readonly string[] | undefined
  /** Port of servers that are asked directly. @default 53 */
  readonly port?: number | undefined
  readonly bounds: DnsBounds
}

/** What the codes of the resolver mean, for people. */
const meanings: Readonly<Record<string, string>> = {
  ECANCELLED: 'nobody answers',
  ETIMEOUT: 'nobody answers',
  ECONNREFUSED: 'nobody takes questions there',
  ESERVFAIL: 'the server fails (SERVFAIL)',
  EREFUSED: 'the server refuses to answer (REFUSED)',
  EBADRESP: 'the answer is damaged',
  EFORMERR: 'the server does not understand the question (FORMERR)',
  ENOTIMP: 'the server does not answer such questions (NOTIMP)',
}

/** Makes questions. Asks nobody yet. */
export function createQuestions({ resolvers, port = 53, bounds }: QuestionsOptions): Questions {
  const resolverHint =
    resolvers === undefined
      ? 'see /etc/resolv.conf: the resolver of this machine is asked'
      : 'see certs.lookups in the config'

  /** Undefined when the name, or what was asked of it, is not there. */
  async function ask<T>(
    servers: readonly string[] | undefined,
    what: string,
    question: (resolver: Resolver) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    signal.throwIfAborted()
    const resolver = new Resolver({ timeout: bounds.queryMs, tries: bounds.tries, maxTimeout: bounds.queryMs })
    const giveUp = () => resolver.cancel()
    const timer = setTimeout(giveUp, bounds.questionMs)
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      if (servers) resolver.setServers(servers)
      return await question(resolver)
    } catch (cause) {
      signal.throwIfAborted()
      const { code = 'it failed' } = cause as NodeJS.ErrnoException
      if (code === 'ENOTFOUND' || code === 'ENODATA') return undefined
      const hint = servers === resolvers ? resolverHint : undefined
      throw dnsError('resolver', `${what} cannot be asked for: ${meanings[code] ?? code}`, { cause, hint })
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', giveUp)
    }
  }

  return {
    async alias(name, signal) {
      const found = (await ask(resolvers, `the alias of ${name}`, (one) => one.resolveCname(name), signal)) ?? []
      if (found.length > 1) throw dnsError('alias', `${name} has ${found.length} aliases, one is the most`)
      const [alias] = found.map(toName)
      if (alias === undefined) return undefined
      if (isDnsName(alias)) return alias
      throw dnsError(
        'alias',
        `${name} is an alias of what cannot have a record: ${JSON.stringify(alias.slice(0, 253))}`,
      )
    },
    async nameServers(zone, signal) {
      const found = (await ask(resolvers, `the name servers of ${zone}`, (one) => one.resolveNs(zone), signal)) ?? []
      return [...new Set(found.map(toName))].filter(isDnsName)
    },
    async addresses(name, signal) {
      const answers = await Promise.allSettled([
        ask(resolvers, `the addresses of ${name}`, (one) => one.resolve4(name), signal),
        ask(resolvers, `the addresses of ${name}`, (one) => one.resolve6(name), signal),
      ])
      signal.throwIfAborted()
      const [first, second] = answers
      if (first?.status === 'rejected' && second?.status === 'rejected') throw first.reason
      return answers.flatMap((answer) => (answer.status === 'fulfilled' ? (answer.value ?? []) : []))
    },
    async texts(name, address, signal) {
      const server = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
      const found = await ask([server], `${name} at ${server}`, (one) => one.resolveTxt(name), signal)
      return (found ?? []).map((pieces) => pieces.join(''))
    },
  }
}

function toName(text: string): string {
  return text.toLowerCase().replace(/\.$/, '')
}
