/**
 * What a CA answers, checked before anything is done with it (RFC 8555 section 7.1). A CA is trusted to say who may have
 * which certificate, not to send what is well-formed: addresses have to be https, lists have bounds, a token can only
 * have the characters that it may have (else it would lead out of its folder, section 8.3).
 */

import { z } from 'zod'
import { limits } from '../../core/limits.ts'
import { acmeError, quoteCa } from './acme-error.ts'

const bounds = limits.acme

/** An address to go on at: section 6.1 wants https for all of them. */
const urlSchema = z
  .string()
  .max(bounds.urlChars)
  .refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', 'expected an https address')

/** What a CA says is wrong (RFC 9457, RFC 8555 section 6.7). Whatever is not as it should be is left out. */
export const problemSchema = z.object({
  type: z.string().max(200).optional().catch(undefined),
  detail: z.string().optional().catch(undefined),
  subproblems: z
    .array(
      z.object({
        detail: z.string().optional().catch(undefined),
        identifier: z
          .object({ value: z.string().max(256) })
          .optional()
          .catch(undefined),
      }),
    )
    .max(bounds.names)
    .optional()
    .catch(undefined),
})
/** What a CA says is wrong. */
export type Problem = z.output<typeof problemSchema>

const directorySchema = z.object({
  newNonce: urlSchema,
  newAccount: urlSchema,
  newOrder: urlSchema,
  revokeCert: urlSchema,
  keyChange: urlSchema,
  /** RFC 9773. */
  renewalInfo: urlSchema.optional(),
  meta: z
    .object({
      profiles: z.record(z.string().max(100), z.unknown()).optional(),
      externalAccountRequired: z.boolean().optional(),
    })
    .optional(),
})
/** Where a CA can be asked for what. */
export type Directory = z.output<typeof directorySchema>

const identifierSchema = z.object({ type: z.string().max(32), value: z.string().max(256) })

const orderSchema = z.object({
  status: z.enum(['pending', 'ready', 'processing', 'valid', 'invalid']),
  identifiers: z.array(identifierSchema).max(bounds.names),
  authorizations: z.array(urlSchema).max(bounds.names),
  finalize: urlSchema,
  certificate: urlSchema.optional(),
  error: problemSchema.optional(),
})
/** An order as the CA has it. */
export type OrderAnswer = z.output<typeof orderSchema>

const challengeSchema = z.object({
  type: z.string().max(64),
  status: z.string().max(32).optional(),
  url: urlSchema,
  token: z.string().optional(),
  error: problemSchema.optional(),
})

const authorizationSchema = z.object({
  status: z.enum(['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked']),
  identifier: identifierSchema,
  wildcard: z.boolean().optional(),
  challenges: z.array(challengeSchema).max(bounds.challengesListed),
})
/** What the CA has to know of one name, and how it can be told. */
export type AuthorizationAnswer = z.output<typeof authorizationSchema>
/** One way to tell it. */
export type ChallengeAnswer = z.output<typeof challengeSchema>

const renewalSchema = z.object({
  suggestedWindow: z.object({ start: z.iso.datetime({ offset: true }), end: z.iso.datetime({ offset: true }) }),
  explanationURL: z.string().max(bounds.urlChars).optional().catch(undefined),
})
/** When the CA wants a certificate to be renewed. */
export type RenewalAnswer = z.output<typeof renewalSchema>

/** At least 128 bits (RFC 8555 section 8), of these characters only. */
const tokenPattern = /^[A-Za-z0-9_-]{22,512}$/

/** Throws `ERR_ACME` (`answer`), as all of these. */
export function toDirectory(answered: unknown): Directory {
  return check(directorySchema, answered, 'the directory')
}

/** An order. */
export function toOrder(answered: unknown): OrderAnswer {
  return check(orderSchema, answered, 'an order')
}

/** An authorization. */
export function toAuthorization(answered: unknown): AuthorizationAnswer {
  return check(authorizationSchema, answered, 'an authorization')
}

/** Renewal information. */
export function toRenewal(answered: unknown): RenewalAnswer {
  return check(renewalSchema, answered, 'renewal information')
}

/** An address that came in a header. */
export function toUrl(answered: string | undefined, what: string): string {
  return check(urlSchema, answered, what)
}

/** A challenge's token. */
export function toToken(answered: string | undefined): string {
  if (answered !== undefined && tokenPattern.test(answered)) return answered
  throw acmeError('the CA sent a challenge whose token has other characters than it may have', { reason: 'answer' })
}

function check<T>(schema: z.ZodType<T>, answered: unknown, what: string): T {
  const parsed = schema.safeParse(answered)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place = issue?.path.join('.')
  throw acmeError(
    `the CA sent ${what} that cannot be understood${place ? ` (${place})` : ''}: ${quoteCa(issue?.message ?? '')}`,
    { reason: 'answer' },
  )
}
