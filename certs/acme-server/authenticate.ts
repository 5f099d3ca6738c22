/** Who a request is from: its signature, nonce and URL (RFC 8555 section 6), checked before anything in it counts. */

import { createHash } from 'node:crypto'
import type { AccountRequest, AcmeRequest, KeyRequest, ServerParts, SignedRequest } from './exchange.ts'
import { toAccountKey } from './jwk.ts'
import { checkAlgorithm, type Jws, parseJson, parseJws, verifyJws } from './jws.ts'
import { problem } from './problem.ts'
import { type Account, accountSchema, keys, readRecord } from './records.ts'

type Parts = Pick<ServerParts, 'vault' | 'nonces'>

/** A request by an account. Throws the problem that it has, of section 6. */
export async function fromAccount(request: AcmeRequest, parts: Parts): Promise<AccountRequest> {
  const jws = open(request, parts)
  const { kid, jwk } = jws.header
  if (kid === undefined || jwk !== undefined)
    throw problem('malformed', 'this request is signed by an account: kid, and no jwk')
  const { account, key } = await findAccount(kid, parts)
  verifyJws(jws, key.key)
  return { ...signed(request, jws), kid, account, key }
}

/** A request by a key that the request itself brings. Throws the problem that it has, of section 6. */
export function fromKey(request: AcmeRequest, parts: Parts): KeyRequest {
  const jws = open(request, parts)
  const { kid, jwk } = jws.header
  if (jwk === undefined || kid !== undefined)
    throw problem('malformed', 'this request is signed by a key: jwk, and no kid')
  const key = toAccountKey(jwk)
  verifyJws(jws, key.key)
  return { ...signed(request, jws), key }
}

/** A request by either, as revoking takes it (RFC 8555 section 7.6). */
export async function fromEither(request: AcmeRequest, parts: Parts): Promise<AccountRequest | KeyRequest> {
  // Taken apart twice, so that the two ways stay exactly what they are elsewhere; only the second takes the nonce.
  const { header } = parseJws(parseJson(request.body, 'the body'))
  return header.jwk === undefined ? fromAccount(request, parts) : fromKey(request, parts)
}

/** The payload as JSON. Throws the problem `malformed`. */
export function payloadOf({ payload }: SignedRequest): unknown {
  return parseJson(payload, 'the payload')
}

/** Where the vault says which account has a key. */
export function keyRecordOf(thumbprint: string): string {
  return keys.key(createHash('sha256').update(thumbprint).digest('hex'))
}

/** The account that has a key now, also when it was deactivated; undefined when none has. */
export async function accountOfKey(
  thumbprint: string,
  { vault }: Pick<ServerParts, 'vault'>,
): Promise<Account | undefined> {
  const record = await vault.read(keyRecordOf(thumbprint))
  const account = record && (await readRecord(vault, keys.account(record.text), accountSchema))?.value
  // A change of keys that was cut short leaves a record behind that leads to an account with another key.
  return account?.thumbprint === thumbprint ? account : undefined
}

/** What holds for every signed request. Takes its nonce. */
function open(request: AcmeRequest, { nonces }: Parts): Jws {
  // RFC 8555 section 6.2.
  if (request.contentType?.split(';')[0]?.trim().toLowerCase() !== 'application/jose+json')
    throw problem('malformed', 'the Content-Type is application/jose+json', { status: 415 })
  const jws = parseJws(parseJson(request.body, 'the body'))
  checkAlgorithm(jws)
  // Section 6.4: a message for one resource must not be taken for another one.
  if (jws.header.url !== `${request.origin}${request.path}`)
    throw problem('unauthorized', 'the url that was signed is not the URL that was asked', { status: 401 })
  if (!nonces.take(jws.header.nonce)) throw problem('badNonce', 'the nonce is unknown, or was used before')
  return jws
}

function signed(request: AcmeRequest, { header, payload }: Jws): SignedRequest {
  return { request, url: header.url, payload }
}

async function findAccount(kid: string, { vault }: Parts): Promise<Pick<AccountRequest, 'account' | 'key'>> {
  // The authority may be another one of this server's than today's; the id alone says which account it is.
  const id = /^https:\/\/[^/]{1,300}\/acme\/account\/([0-9a-f]{32})$/.exec(kid)?.[1]
  const account = id === undefined ? undefined : (await readRecord(vault, keys.account(id), accountSchema))?.value
  if (!account) throw problem('accountDoesNotExist', 'there is no account with this kid')
  // Section 7.3.6.
  if (account.status !== 'valid') throw problem('unauthorized', 'this account was deactivated', { status: 401 })
  return { account, key: toAccountKey(account.jwk) }
}
