/** Orders and their proofs (RFC 8555 section 7.4 and 7.5): made, shown, proven. */

import { z } from 'zod'
import { limits } from '../../core/limits.ts'
import { neighborhoodOf } from '../../core/network.ts'
import { parse, refuseOthers } from './accounts.ts'
import { payloadOf } from './authenticate.ts'
import { type AccountRequest, type AcmeAnswer, json, type ServerParts } from './exchange.ts'
import { baseOf, type ChallengeKind, challengeKinds, identifierSchema, kindsFor, toIdentifier } from './identifiers.ts'
import { problem } from './problem.ts'
import {
  type Account,
  type Authorization,
  changeRecord,
  countRecords,
  createRecord,
  keys,
  type Order,
  orderSchema,
  readRecord,
} from './records.ts'

const newOrderSchema = z.object({
  identifiers: z.array(identifierSchema).min(1).max(limits.acmeServer.namesOfOrder),
  notBefore: z.never('this CA chooses the times itself').optional(),
  notAfter: z.never('this CA chooses the times itself').optional(),
})
const deactivateSchema = z.object({ status: z.literal('deactivated') })

/** Where an order lies, from the URL. */
export interface OrderPlace {
  /** The account's id. */
  readonly account: string
  /** The order's id. */
  readonly order: string
}

/** Makes an order (section 7.4). */
export async function newOrder(signed: AccountRequest, parts: ServerParts): Promise<AcmeAnswer> {
  const { account, request } = signed
  const wish = parse(newOrderSchema, payloadOf(signed))
  const identifiers = wish.identifiers.map((input) => toIdentifier(input, parts.names))
  takeBudgets(account, request.address, parts)
  await refuseTooMany(account, parts)
  const nowMs = parts.environment.now()
  const order: Order = {
    id: parts.environment.randomBytes(16).toString('hex'),
    account: account.id,
    createdMs: nowMs,
    // Until its first proof: what is given up at once is not kept for a day.
    expiresMs: nowMs + limits.acmeServer.untouchedOrderMs,
    authorizations: [...new Map(identifiers.map((each) => [each.value, each])).values()].map((identifier) => ({
      identifier,
      // 256 bits; section 8.1 asks for 128.
      token: parts.environment.randomBytes(32).toString('base64url'),
      status: 'pending',
    })),
  }
  await createRecord(parts.vault, keys.order(account.id, order.id), order)
  parts.counts.orders.add()
  return orderAnswer(201, order, request.origin, nowMs)
}

/** Shows an order (section 7.4). */
export async function showOrder(signed: AccountRequest, place: OrderPlace, parts: ServerParts): Promise<AcmeAnswer> {
  const order = await findOrder(signed.account, place, parts)
  return orderAnswer(200, order, signed.request.origin, parts.environment.now())
}

/** Lists the orders of an account (section 7.1.2.1). */
export async function listOrders(signed: AccountRequest, id: string, parts: ServerParts): Promise<AcmeAnswer> {
  refuseOthers(signed.account, id)
  const orders: string[] = []
  for await (const key of parts.vault.list(keys.ordersOf(id))) {
    if (orders.length >= limits.acmeServer.ordersOfAccount) break
    orders.push(`${signed.request.origin}/acme/order/${key.slice(keys.orders.length)}`)
  }
  return json(200, { orders: orders.sort() })
}

/** Shows an authorization, or deactivates it (section 7.5 and 7.5.2). */
export async function showAuthorization(
  signed: AccountRequest,
  place: OrderPlace & { readonly index: number },
  parts: ServerParts,
): Promise<AcmeAnswer> {
  let order = await findOrder(signed.account, place, parts)
  const authorization = authorizationAt(order, place.index)
  if (signed.payload.length > 0) {
    parse(deactivateSchema, payloadOf(signed))
    order = await changeRecord(parts.vault, keys.order(place.account, place.order), orderSchema, (current) =>
      withAuthorization(current, place.index, { ...authorizationAt(current, place.index), status: 'deactivated' }),
    )
  } else if (isTried(authorization)) parts.validations.resume(order, place.index, signed.key)
  const nowMs = parts.environment.now()
  return json(200, authorizationOf(order, place.index, signed.request.origin, nowMs), waitHeaders(order, place.index))
}

/** Shows a challenge, or looks at the proof for it, when the client says that it is there (section 7.5.1). */
export async function respondToChallenge(
  signed: AccountRequest,
  place: OrderPlace & { readonly index: number; readonly kind: ChallengeKind },
  parts: ServerParts,
): Promise<AcmeAnswer> {
  const { request, account, key } = signed
  const { index, kind } = place
  let order = await findOrder(account, place, parts)
  if (!kindsFor(authorizationAt(order, index).identifier).includes(kind)) throw notFound()
  if (signed.payload.length > 0) {
    parse(z.object({}), payloadOf(signed))
    parts.budgets.failures.check(account.id)
    const isOver = statusOf(order, parts.environment.now()) !== 'pending'
    if (isOver && authorizationAt(order, index).status === 'pending')
      throw problem('malformed', 'the order is not pending any more')
    order = await changeRecord(parts.vault, keys.order(account.id, order.id), orderSchema, (current) => {
      const authorization = authorizationAt(current, index)
      // Asked twice, or by another kind of proof while one is being looked at: the first goes on.
      if (authorization.status !== 'pending' || authorization.tried !== undefined) return undefined
      const touched = { ...current, expiresMs: current.createdMs + limits.acmeServer.orderMs }
      return withAuthorization(touched, index, { ...authorization, tried: kind })
    })
  }
  if (isTried(authorizationAt(order, index))) parts.validations.resume(order, index, key)
  const up = `${request.origin}/acme/authorization/${account.id}/${order.id}/${index}`
  return json(200, challengeOf(order, index, kind, request.origin), {
    link: `<${up}>;rel="up"`,
    ...waitHeaders(order, index),
  })
}

/** The order at a place. Throws problems when it is another account's, or there is none. */
export async function findOrder(
  account: Account,
  place: OrderPlace,
  { vault }: Pick<ServerParts, 'vault'>,
): Promise<Order> {
  refuseOthers(account, place.account)
  const kept = await readRecord(vault, keys.order(place.account, place.order), orderSchema)
  if (!kept) throw notFound()
  return kept.value
}

/** How far an order is (section 7.1.6). */
export function statusOf(order: Order, nowMs: number): 'pending' | 'ready' | 'valid' | 'invalid' {
  if (order.certificate !== undefined) return 'valid'
  if (nowMs >= order.expiresMs) return 'invalid'
  if (order.authorizations.every(({ status }) => status === 'valid')) return 'ready'
  return order.authorizations.every(({ status }) => status === 'valid' || status === 'pending') ? 'pending' : 'invalid'
}

/** An order as an answer. */
export function orderAnswer(status: number, order: Order, origin: string, nowMs: number): AcmeAnswer {
  const path = `${order.account}/${order.id}`
  const body = {
    status: statusOf(order, nowMs),
    expires: new Date(order.expiresMs).toISOString(),
    identifiers: order.authorizations.map(({ identifier }) => identifier),
    authorizations: order.authorizations.map((_, index) => `${origin}/acme/authorization/${path}/${index}`),
    finalize: `${origin}/acme/finalize/${path}`,
    ...(order.certificate !== undefined && {
      certificate: `${origin}/acme/certificate/${order.account}/${order.certificate}`,
    }),
  }
  return json(status, body, { location: `${origin}/acme/order/${path}` })
}

/** An order with one authorization in the place of another. */
export function withAuthorization(order: Order, index: number, authorization: Authorization): Order {
  return { ...order, authorizations: order.authorizations.with(index, authorization) }
}

/** The authorization of an order at an index. Throws a problem when there is none. */
export function authorizationAt(order: Order, index: number): Authorization {
  const authorization = order.authorizations[index]
  if (!authorization) throw notFound()
  return authorization
}

/** There is nothing here. */
export function notFound(): Error {
  return problem('malformed', 'there is no such resource', { status: 404 })
}

/** A network's budget is asked first, so that one that is empty takes nothing of the account's. */
function takeBudgets({ id }: Account, address: string, { budgets }: ServerParts): void {
  const network = neighborhoodOf(address)
  budgets.failures.check(id)
  budgets.newOrdersOfNetwork.check(network)
  budgets.newOrders.take(id)
  budgets.newOrdersOfNetwork.take(network)
}

async function refuseTooMany(account: Account, { vault, counts }: ServerParts): Promise<void> {
  const { ordersOfAccount } = limits.acmeServer
  if ((await countRecords(vault, keys.ordersOf(account.id), ordersOfAccount)) >= ordersOfAccount)
    throw problem('rateLimited', `an account has at most ${ordersOfAccount} orders of the last days`)
  if (await counts.orders.isFull()) throw problem('rateLimited', 'this server has as many orders as it can have')
}

/** Whether a proof is to be looked at, or being looked at. */
function isTried({ status, tried }: Authorization): boolean {
  return status === 'pending' && tried !== undefined
}

function waitHeaders(order: Order, index: number): Record<string, string> {
  return isTried(authorizationAt(order, index)) ? { 'retry-after': '1' } : {}
}

function authorizationOf(order: Order, index: number, origin: string, nowMs: number): object {
  const { identifier, status } = authorizationAt(order, index)
  const isOver = nowMs >= order.expiresMs && order.certificate === undefined
  const isWildcard = identifier.value.startsWith('*.')
  return {
    identifier: { type: identifier.type, value: baseOf(identifier) },
    status: isOver && status === 'valid' ? 'expired' : isOver && status === 'pending' ? 'invalid' : status,
    expires: new Date(order.expiresMs).toISOString(),
    ...(isWildcard && { wildcard: true }),
    challenges: challengeKinds
      .filter((kind) => isOffered(authorizationAt(order, index), kind))
      .map((kind) => challengeOf(order, index, kind, origin)),
  }
}

/** Once it is over, only the challenge that was tried is told of (section 7.1.4). */
function isOffered({ identifier, status, tried }: Authorization, kind: ChallengeKind): boolean {
  return kindsFor(identifier).includes(kind) && (status === 'pending' || tried === undefined || tried === kind)
}

function challengeOf(order: Order, index: number, kind: ChallengeKind, origin: string): object {
  const { status, tried, token, validatedMs, error } = authorizationAt(order, index)
  const own = tried === kind
  const shown = !own ? 'pending' : status === 'pending' ? 'processing' : status === 'deactivated' ? 'invalid' : status
  return {
    type: kind,
    url: `${origin}/acme/challenge/${order.account}/${order.id}/${index}/${kind}`,
    status: shown,
    token,
    ...(own && validatedMs !== undefined && { validated: new Date(validatedMs).toISOString() }),
    ...(own && error && { error }),
  }
}
