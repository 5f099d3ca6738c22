/**
 * The ACME server of the own CA (RFC 8555): what gives certificates to the other machines of one's own network.
 *
 * Who may have a certificate is who can prove control of a name that the CA is for. It defends the CA's key (names, keys
 * and numbers are checked before anything is signed), other accounts (nothing of theirs is shown or changed), and the
 * network (see resolve.ts). It cannot tell who rules the DNS and the addresses of that network: whoever does can have a
 * certificate for any of its names, except for those that Grove serves itself. With external accounts, only clients with
 * a secret of the operator can have any.
 */

import type { Logger } from 'pino'
import { limits } from '../../core/limits.ts'
import { networkOf } from '../../core/network.ts'
import type { Environment } from '../../store/environment.ts'
import type { OwnCa } from '../own-ca.ts'
import type { Vault } from '../vault.ts'
import { changeKey, newAccount, updateAccount } from './accounts.ts'
import { fromAccount, fromEither, fromKey } from './authenticate.ts'
import { createBuckets } from './buckets.ts'
import { finalizeOrder, giveCertificate, renewalInfo, revokeCertificate } from './certificates.ts'
import { type AccountRequest, type AcmeAnswer, type AcmeRequest, json, type ServerParts } from './exchange.ts'
import type { ChallengeKind } from './identifiers.ts'
import { createNonces } from './nonces.ts'
import { listOrders, newOrder, notFound, respondToChallenge, showAuthorization, showOrder } from './orders.ts'
import { problem, toProblem } from './problem.ts'
import { createValidator, type ProveOptions } from './prove.ts'
import { createRecordCount, keys } from './records.ts'
import { sweepRecords } from './sweep.ts'
import { createValidations } from './validations.ts'

/** What an ACME server is made with. */
export interface AcmeServerOptions {
  readonly ca: Pick<OwnCa, 'permits' | 'sign'>
  /** Where accounts, orders and certificates are kept. Not closed here. */
  readonly vault: Vault
  readonly environment: Environment
  readonly log: Logger
  /**
   * Whether this Grove serves a name itself, or one of the names that a wildcard covers: then nobody gets a certificate
   * for it. @default none
   */
  readonly isServed?: (name: string) => boolean
  /** HMAC keys of external accounts, base64url, by key id. @default none, and anybody may make an account */
  readonly externalAccounts?: Readonly<Record<string, string>>
  /** Ports and DNS servers of the proofs. Addresses are limited to those that the CA permits, unless `mayAsk` says else. */
  readonly prove?: Partial<ProveOptions>
}

/** An ACME server, apart from its transport. */
export interface AcmeServer extends AsyncDisposable {
  /** Answers a request. Never rejects. */
  handle(request: AcmeRequest): Promise<AcmeAnswer>
  /** Whether an authority may be one of this server: else a client could be given URLs of a stranger. */
  isAuthority(name: string): boolean
  /** Removes what has ended from the vault; call it every `limits.acmeServer.sweepEveryMs`. Answers how many records. */
  sweep(): Promise<number>
}

/** Makes an ACME server. Reads nothing until it is asked. */
export function createAcmeServer(options: AcmeServerOptions): AcmeServer {
  const parts = toParts(options)
  return {
    isAuthority: (name) => options.ca.permits(name),
    sweep: () => sweepRecords(parts),
    async handle(request) {
      let answer: AcmeAnswer
      try {
        parts.budgets.requests.take(networkOf(request.address))
        answer = await route(request, parts)
      } catch (thrown) {
        answer = refuse(thrown, request, parts)
      }
      return withCommonHeaders(answer, request, parts)
    },
    [Symbol.asyncDispose]: () => parts.validations[Symbol.asyncDispose](),
  }
}

function toParts(options: AcmeServerOptions): ServerParts {
  const { ca, vault, environment, log, prove = {} } = options
  const { acmeServer } = limits
  const monotonic = () => environment.monotonic()
  const failures = createBuckets(acmeServer.failures, 'wrong proofs of this account', monotonic)
  const validate = createValidator({ mayAsk: (address) => ca.permits(address), ...prove })
  const failed = (account: string) => {
    try {
      failures.take(account)
    } catch {
      // Empty already: it is refused its next order anyway.
    }
  }
  return {
    ca,
    vault,
    environment,
    log,
    nonces: createNonces(environment),
    validations: createValidations({ vault, environment, log, validate, failed }),
    names: { permits: (name) => ca.permits(name), isServed: options.isServed ?? (() => false) },
    externalAccounts: new Map(
      Object.entries(options.externalAccounts ?? {}).map(([kid, key]) => [kid, Buffer.from(key, 'base64url')]),
    ),
    counts: {
      accounts: createRecordCount(vault, keys.accounts, acmeServer.accounts, monotonic),
      orders: createRecordCount(vault, keys.orders, acmeServer.orders, monotonic),
    },
    budgets: {
      requests: createBuckets(acmeServer.requests, 'requests from this address', monotonic),
      newAccounts: createBuckets(acmeServer.newAccounts, 'new accounts from this address', monotonic),
      newOrders: createBuckets(acmeServer.newOrders, 'new orders of this account', monotonic),
      newOrdersOfNetwork: createBuckets(acmeServer.newOrdersOfNetwork, 'new orders from this network', monotonic),
      failures,
    },
  }
}

/** A part of a path that is one of our ids. */
const id = '([0-9a-f]{32})'

type Signed = (signed: AccountRequest, groups: readonly string[], parts: ServerParts) => Promise<AcmeAnswer>

/** Requests that an account signs, by the form of their path. The groups of the form are ids and small numbers. */
const accountRoutes: readonly (readonly [form: RegExp, handle: Signed])[] = [
  [/^\/acme\/new-order$/, (signed, _, parts) => newOrder(signed, parts)],
  [/^\/acme\/key-change$/, (signed, _, parts) => changeKey(signed, parts)],
  [path(`account/${id}`), (signed, [account = ''], parts) => updateAccount(signed, account, parts)],
  [path(`account/${id}/orders`), (signed, [account = ''], parts) => listOrders(signed, account, parts)],
  [
    path(`order/${id}/${id}`),
    (signed, [account = '', order = ''], parts) => showOrder(signed, { account, order }, parts),
  ],
  [
    path(`authorization/${id}/${id}/(\\d{1,3})`),
    (signed, [account = '', order = '', index], parts) =>
      showAuthorization(signed, { account, order, index: Number(index) }, parts),
  ],
  [
    path(`challenge/${id}/${id}/(\\d{1,3})/(http-01|tls-alpn-01|dns-01)`),
    (signed, [account = '', order = '', index, kind], parts) =>
      respondToChallenge(signed, { account, order, index: Number(index), kind: kind as ChallengeKind }, parts),
  ],
  [
    path(`finalize/${id}/${id}`),
    (signed, [account = '', order = ''], parts) => finalizeOrder(signed, { account, order }, parts),
  ],
  [
    path(`certificate/${id}/${id}`),
    (signed, [account = '', serial = ''], parts) => giveCertificate(signed, { account, serial }, parts),
  ],
]

async function route(request: AcmeRequest, parts: ServerParts): Promise<AcmeAnswer> {
  const { method } = request
  const isRead = method === 'GET' || method === 'HEAD'
  if (request.path === '/directory' && isRead) return directory(request, parts)
  if (request.path === '/acme/new-nonce' && isRead)
    return { status: method === 'GET' ? 204 : 200, headers: {}, body: '' }
  const renewal = /^\/acme\/renewal-info\/([\w-]{1,64}\.[\w-]{1,64})$/.exec(request.path)?.[1]
  if (renewal !== undefined && isRead) return renewalInfo(renewal, parts)
  // RFC 8555 section 6.3: everything else is asked for with POST, so that it is signed.
  if (method !== 'POST')
    throw problem('malformed', 'this is asked for with POST', { status: 405, headers: { allow: 'POST' } })
  if (request.path === '/acme/new-account') return newAccount(fromKey(request, parts), parts)
  if (request.path === '/acme/revoke-cert') return revokeCertificate(await fromEither(request, parts), parts)
  for (const [form, handle] of accountRoutes) {
    const groups = form.exec(request.path)
    if (groups) return handle(await fromAccount(request, parts), groups.slice(1), parts)
  }
  throw notFound()
}

/** RFC 8555 section 7.1.1. */
function directory({ origin }: AcmeRequest, parts: ServerParts): AcmeAnswer {
  return json(200, {
    newNonce: `${origin}/acme/new-nonce`,
    newAccount: `${origin}/acme/new-account`,
    newOrder: `${origin}/acme/new-order`,
    revokeCert: `${origin}/acme/revoke-cert`,
    keyChange: `${origin}/acme/key-change`,
    renewalInfo: `${origin}/acme/renewal-info`,
    meta: { externalAccountRequired: parts.externalAccounts.size > 0 },
  })
}

function refuse(thrown: unknown, { path, address }: AcmeRequest, parts: ServerParts): AcmeAnswer {
  const { problem: told, headers } = toProblem(thrown)
  if (told.status >= 500) parts.log.error({ err: thrown, path, address }, 'ACME request failed')
  return {
    status: told.status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify(told),
  }
}

function withCommonHeaders(answer: AcmeAnswer, { method, path, origin }: AcmeRequest, parts: ServerParts): AcmeAnswer {
  const { link } = answer.headers
  const index = `<${origin}/directory>;rel="index"`
  const wantsNonce = method === 'POST' || path === '/acme/new-nonce'
  return {
    ...answer,
    headers: {
      ...answer.headers,
      'cache-control': 'no-store',
      ...(path !== '/directory' && { link: link === undefined ? index : `${index}, ${link}` }),
      ...(wantsNonce && { 'replay-nonce': parts.nonces.give() }),
    },
  }
}

function path(form: string): RegExp {
  return new RegExp(`^/acme/${form}$`)
}
