/**
 * acme-client for one account and one piece of work, with those parts replaced that fall short. From the library come
 * JSON Web Signatures, the external account binding, sending a request again whose nonce was refused, the requests of
 * RFC 8555, and key authorizations. Replaced in each instance:
 *
 * - `http.request`: see transport.ts;
 * - `http.getDirectory`: one directory for all sessions of an issuer, checked (answers.ts);
 * - `http.getNonce`: nonces of earlier answers are used first; the library asks for one before each request, which
 *   doubles them;
 * - key roll-over: the library's `updateAccountKey` makes a new HTTP client, which knows nothing of the above;
 * - `waitForValidStatus`, `auto` and `verifyChallenge` are not used: the first does not look at Retry-After and takes
 *   `ready` for `valid`, the second stores nothing on its way, so that a kill costs an order (order.ts), the third asks
 *   our own resolver.
 *
 * The replaced parts are not in the library's types, so its version is pinned in package.json.
 */

import 'reflect-metadata' // Asked for by a dependency of acme-client, which refuses to load without it.
import type { Client } from 'acme-client'
import { limits } from '../../core/limits.ts'
import { acmeError } from './acme-error.ts'
import type { Directory } from './answers.ts'
import { type CaAnswer, isNonce, type Transport, toProblem } from './transport.ts'

/** A signed request, RFC 7515. */
interface SignedBody {
  readonly protected: string
  readonly payload: string
  readonly signature: string
}

/** The parts of acme-client's `Client` that its types leave out. */
interface Inside {
  readonly http: {
    maxBadNonceRetries: number
    request(url: string, method: string, options?: { readonly data?: unknown }): Promise<CaAnswer>
    getDirectory(): Promise<Directory>
    getNonce(): Promise<string>
    signedRequest(url: string, ...more: unknown[]): Promise<CaAnswer>
    getJwk(): object
    createSignedBody(url: string, payload: object): SignedBody
  }
  readonly api: {
    accountUrl: string | null
    apiRequest(
      url: string,
      payload: object | null,
      statuses: readonly number[],
      options?: { readonly includeJwsKid: boolean },
    ): Promise<CaAnswer>
    createAccount(payload: object): Promise<CaAnswer>
    updateAccountKey(body: SignedBody): Promise<CaAnswer>
  }
}

/** What sessions with one CA have in common. */
export interface SessionOptions {
  readonly directoryUrl: string
  readonly transport: Transport
  readonly readDirectory: (signal: AbortSignal) => Promise<Directory>
  readonly eab?: { readonly kid: string; readonly hmacKey: string } | undefined
  readonly now: () => number
}

/** Signed requests with one key. All reject with `ERR_ACME`. */
export interface Session {
  /** The account's address, once it is known. */
  readonly accountUrl: string | undefined
  /** The key, PKCS#8 in PEM. */
  readonly keyPem: string
  /** Creates the account of the key, or finds it: 201 or 200 with its address in `location` (RFC 8555 section 7.3). */
  register(payload: {
    readonly contact?: readonly string[]
    readonly onlyReturnExisting?: boolean
    readonly termsOfServiceAgreed?: boolean
  }): Promise<CaAnswer>
  /** A signed request of the account; without a payload it only reads (POST-as-GET, section 6.3). */
  post(url: string, payload?: object): Promise<CaAnswer>
  /** A request that is signed with the key itself, for who has no account: revoking with a certificate's key. */
  postWithKey(url: string, payload: object): Promise<CaAnswer>
  /** Puts another key in place of the account's (section 7.3.5). This session ends with it. */
  changeKey(newKeyPem: string): Promise<void>
  /** What answers a challenge's token (section 8.1). */
  keyAuthorization(token: string): Promise<string>
}

/** Opens a session with a private key in PEM. Asks nobody. The library is loaded with the first one. */
export async function openSession(
  options: SessionOptions,
  keyPem: string,
  accountUrl: string | undefined,
  signal: AbortSignal,
): Promise<Session> {
  const { Client } = await import('acme-client')
  const open = (key: string) => {
    const client = new Client({
      directoryUrl: options.directoryUrl,
      accountKey: key,
      ...(accountUrl !== undefined && { accountUrl }),
      ...(options.eab && { externalAccountBinding: options.eab }),
    })
    return { client, inside: replaceParts(client, options, signal) }
  }
  const { client, inside } = open(keyPem)
  const { api, http } = inside
  return {
    get accountUrl() {
      return api.accountUrl ?? undefined
    },
    keyPem,
    // A copy: the library adds the binding to what it is given.
    register: (payload) => api.createAccount({ ...payload }),
    post: (url, payload) => api.apiRequest(url, payload ?? null, []),
    postWithKey: (url, payload) => api.apiRequest(url, payload, [], { includeJwsKid: false }),
    async changeKey(newKeyPem) {
      const { keyChange } = await options.readDirectory(signal)
      const proof = { account: api.accountUrl, oldKey: http.getJwk() }
      await api.updateAccountKey(open(newKeyPem).inside.http.createSignedBody(keyChange, proof))
    },
    // The library answers the digest of it for dns-01, and this for the others.
    keyAuthorization: (token) =>
      client.getChallengeKeyAuthorization({ type: 'http-01', token, url: '', status: 'pending' }),
  }
}

function replaceParts(client: Client, options: SessionOptions, signal: AbortSignal): Inside {
  const inside = client as unknown as Inside
  const { http } = inside
  const { transport, readDirectory, now } = options
  http.maxBadNonceRetries = limits.acme.badNonces
  http.request = (url, method, { data } = {}) => transport.send(url, method, data, signal)
  http.getDirectory = () => readDirectory(signal)
  http.getNonce = async () => {
    const kept = transport.takeNonce()
    if (kept !== undefined) return kept
    const { headers } = await http.request((await readDirectory(signal)).newNonce, 'head')
    const nonce = headers['replay-nonce']
    if (isNonce(nonce)) return nonce
    throw acmeError('the CA gives no nonce when it is asked for one', { reason: 'answer' })
  }
  const sign = http.signedRequest.bind(http)
  http.signedRequest = async (url, ...more) => {
    const answer = await sign(url, ...more)
    // Only a refused nonce comes so far with such a status: when it was refused each time.
    if (answer.status >= 300) throw toProblem(answer, url, now())
    return answer
  }
  return inside
}
