/** A refusal has its reason: nobody is denied what is allowed. */

import { chainOf, type LogCall, type LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'

/** Each denied append was denied for the reason that it was told. */
export const deniedWithCause: Checker<LogFacts> = {
  name: 'denied with cause',
  holds: 'who is denied a write as revoked, expired, out of path, rights or quota has such a grant',
  check: (facts) =>
    facts.of('append').flatMap((call) => {
      if (call.refusal?.code !== 'ERR_DENIED' || hasCause(facts, call)) return []
      return [`call ${call.id} under ${call.ask.grant} was denied without cause: ${call.refusal.message}`]
    }),
}

function hasCause(facts: LogFacts, { ask, refusal, begun, ended = begun }: LogCall<'append'>): boolean {
  const chain = chainOf(facts, ask.grant)
  switch (refusal?.reason) {
    case 'revoked':
      return facts
        .of('revoke')
        .some((call) => call.begun < ended && chain.some(({ label }) => label === call.ask.target))
    case 'expired': {
      const mostMs = Math.max(...facts.history.slice(begun, ended + 1).map(({ wallMs }) => wallMs))
      return chain.some(({ asked }) => asked.untilMs <= mostMs)
    }
    case 'rights':
      return chain.some(({ asked }) => !asked.write)
    case 'path':
      return ask.parts.some(({ log }) =>
        chain.some(({ asked }) => asked.path !== log && !log.startsWith(`${asked.path}/`)),
      )
    case 'quota':
      return chain.some(({ asked }) => asked.maxBytes !== undefined || asked.maxWrites !== undefined)
    default:
      return false
  }
}
