/** Accounts (RFC 8555 section 7.3): made, found, changed, given another key, deactivated. */

import { z } from 'zod'
import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { networkOf } from '../../core/network.ts'
import { accountOfKey, keyRecordOf, payloadOf } from './authenticate.ts'
import { type AccountRequest, type AcmeAnswer, json, type KeyRequest, type ServerParts } from './exchange.ts'
import { type AccountKey, toAccountKey } from './jwk.ts'
import { isMacOf, parseJson, parseJws, verifyJws } from './jws.ts'
import { problem } from './problem.ts'
import { type Account, accountSchema, changeRecord, createRecord, keys } from './records.ts'

const contactSchema = z.array(z.string()).default([])
const newAccountSchema = z.object({
  contact: contactSchema,
  onlyReturnExisting: z.boolean().default(false),
  externalAccountBinding: z.unknown().optional(),
})
const updateSchema = z.object({ contact: z.array(z.string()).optional(), status: z.string().optional() })
const keyChangeSchema = z.object({ account: z.string(), oldKey: z.unknown() })

/** Makes an account for a key, or finds the one that it has (section 7.3 and 7.3.1). */
export async function newAccount(signed: KeyRequest, parts: ServerParts): Promise<AcmeAnswer> {
  const { key, request } = signed
  const wish = parse(newAccountSchema, payloadOf(signed))
  const existing = await accountOfKey(key.thumbprint, parts)
  if (existing?.status === 'deactivated') throw problem('unauthorized', 'this account was deactivated', { status: 401 })
  if (existing) return answer(200, existing, request.origin)
  if (wish.onlyReturnExisting) throw problem('accountDoesNotExist', 'no account has this key')
  const contact = checkContacts(wish.contact)
  const external = externalAccountOf(wish.externalAccountBinding, signed, parts)
  parts.budgets.newAccounts.take(networkOf(request.address))
  if (await parts.counts.accounts.isFull())
    throw problem('rateLimited', 'this server has as many accounts as it can have')
  const account: Account = {
    id: parts.environment.randomBytes(16).toString('hex'),
    status: 'valid',
    jwk: key.jwk,
    thumbprint: key.thumbprint,
    contact,
    createdMs: parts.environment.now(),
    ...(external !== undefined && { external }),
  }
  await createRecord(parts.vault, keys.account(account.id), account)
  const first = await claimKey(key, account.id, parts)
  if (first) {
    // The same client asked twice at once, and the other request was faster.
    await parts.vault.remove(keys.account(account.id))
    return answer(200, first, request.origin)
  }
  parts.counts.accounts.add()
  parts.log.info({ account: account.id, external, address: request.address }, 'ACME account made')
  return answer(201, account, request.origin)
}

/** Shows an account, changes its contacts, or deactivates it (section 7.3.2 and 7.3.6). */
export async function updateAccount(signed: AccountRequest, id: string, parts: ServerParts): Promise<AcmeAnswer> {
  const { account, request } = signed
  refuseOthers(account, id)
  if (signed.payload.length === 0) return answer(200, account, request.origin)
  const wish = parse(updateSchema, payloadOf(signed))
  if (wish.status !== undefined && wish.status !== 'deactivated')
    throw problem('malformed', 'the status of an account can only be changed to deactivated')
  const contact = wish.contact && checkContacts(wish.contact)
  const next = await changeRecord(parts.vault, keys.account(id), accountSchema, (current) => ({
    ...current,
    ...(contact && { contact }),
    ...(wish.status && { status: 'deactivated' as const }),
  }))
  if (next.status === 'deactivated') parts.log.info({ account: id }, 'ACME account deactivated')
  return answer(200, next, request.origin)
}

/** Gives an account another key (section 7.3.5). */
export async function changeKey(signed: AccountRequest, parts: ServerParts): Promise<AcmeAnswer> {
  const { account, kid: accountUrl, request, url } = signed
  const inner = parseJws(payloadOf(signed))
  const { jwk, kid, nonce } = inner.header
  if (jwk === undefined || kid !== undefined || nonce !== undefined)
    throw problem('malformed', 'the inner message has the new key as jwk, no kid and no nonce')
  if (inner.header.url !== url) throw problem('malformed', 'the inner message has another url than the outer one')
  const next = toAccountKey(jwk)
  verifyJws(inner, next.key)
  const wish = parse(keyChangeSchema, parseJson(inner.payload, 'the inner payload'))
  if (wish.account !== accountUrl) throw problem('malformed', 'the inner message is about another account')
  if (toAccountKey(wish.oldKey).thumbprint !== account.thumbprint)
    throw problem('malformed', 'the inner message names another old key than the account has')
  const owner = next.thumbprint === account.thumbprint ? account : await claimKey(next, account.id, parts)
  if (owner)
    throw problem('malformed', 'an account has the new key already', {
      status: 409,
      headers: { location: urlOf(owner, request.origin) },
    })
  const changed = await changeRecord(parts.vault, keys.account(account.id), accountSchema, (current) => {
    if (current.thumbprint !== account.thumbprint)
      throw problem('malformed', 'the key was changed meanwhile', { status: 409 })
    return { ...current, jwk: next.jwk, thumbprint: next.thumbprint }
  })
  await parts.vault.remove(keyRecordOf(account.thumbprint))
  parts.log.info({ account: account.id }, 'key of ACME account changed')
  return answer(200, changed, request.origin)
}

/** Throws the problem `unauthorized` when something belongs to another account. Tells nothing of whether it exists. */
export function refuseOthers(account: Account, owner: string): void {
  if (account.id !== owner) throw problem('unauthorized', 'this belongs to another account')
}

/** A value by a schema. Throws the problem `malformed` with the first fault. */
export function parse<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw problem(
    'malformed',
    `the payload is not as it should be: ${issue?.path.join('.')} ${issue?.message}`.slice(0, 300),
  )
}

/** Notes that an account has a key. Answers the account that has it already instead, if one has. */
async function claimKey(key: AccountKey, id: string, parts: ServerParts): Promise<Account | undefined> {
  const record = keyRecordOf(key.thumbprint)
  for (let tries = 1; ; tries += 1) {
    const owner = await accountOfKey(key.thumbprint, parts)
    if (owner) return owner
    const stale = await parts.vault.read(record)
    try {
      await parts.vault.write(record, id, stale?.number ?? 0)
      return undefined
    } catch (error) {
      if (!isGroveError(error, 'ERR_CERT_RACED') || tries >= limits.acmeServer.raced) throw error
    }
  }
}

/** The external account that a new account is bound to (section 7.3.4); undefined when none is asked for. */
function externalAccountOf(binding: unknown, { key, url }: KeyRequest, parts: ServerParts): string | undefined {
  if (parts.externalAccounts.size === 0) return undefined
  if (binding === undefined)
    throw problem('externalAccountRequired', 'this server wants an external account: key id and HMAC key')
  const jws = parseJws(binding)
  const { alg, kid, nonce, jwk } = jws.header
  if (alg !== 'HS256')
    throw problem('badSignatureAlgorithm', 'an external account signs with HS256', {
      members: { algorithms: ['HS256'] },
    })
  if (kid === undefined || nonce !== undefined || jwk !== undefined || jws.header.url !== url)
    throw problem('malformed', 'the binding has a kid and the url of the request, no nonce and no jwk')
  const secret = parts.externalAccounts.get(kid)
  if (!secret || !isMacOf(jws, secret))
    throw problem('unauthorized', 'the external account is unknown, or its HMAC key is another one')
  if (toAccountKey(parseJson(jws.payload, 'the payload of the binding')).thumbprint !== key.thumbprint)
    throw problem('malformed', 'the binding is for another key than the account')
  return kid
}

function checkContacts(contacts: readonly string[]): string[] {
  const { contacts: most, contactChars } = limits.acmeServer
  if (contacts.length > most) throw problem('malformed', `an account has at most ${most} contacts`)
  for (const contact of contacts) {
    if (!contact.startsWith('mailto:')) throw problem('unsupportedContact', 'a contact begins with mailto:')
    // One address each, without further fields (section 7.3).
    if (contact.length > contactChars || !/^mailto:[^\s,?@]+@[^\s,?@]+$/.test(contact))
      throw problem('invalidContact', 'a contact is one mail address')
  }
  return [...contacts]
}

function urlOf({ id }: Account, origin: string): string {
  return `${origin}/acme/account/${id}`
}

function answer(status: number, account: Account, origin: string): AcmeAnswer {
  const location = urlOf(account, origin)
  const { contact } = account
  return json(status, { status: account.status, contact, orders: `${location}/orders` }, { location })
}
