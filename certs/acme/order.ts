/**
 * An order from its beginning to a checked certificate (RFC 8555 section 7.4). Each step is one that can be repeated, or
 * is noted before it is taken (order-note.ts), so a kill costs at most the request that was under way.
 */

import { type Certificate, toCertificate } from '../certificate.ts'
import { createKey, withAccount } from './account.ts'
import { acmeError, acmeFacts, isPassing, isProblem, quoteCa } from './acme-error.ts'
import { type OrderAnswer, toOrder, toUrl } from './answers.ts'
import { authorize, isOfProof } from './authorize.ts'
import type { Ca } from './ca.ts'
import { certificateOf, type OrderNote, orderKey, readNote, removeNote, sortNames, writeNote } from './order-note.ts'
import { checkNames, kindsOf, type OrderRequest } from './order-request.ts'
import { poll } from './poll.ts'
import { certificateId } from './renewal.ts'
import type { Session } from './session.ts'
import type { ChallengeKind } from './solver.ts'

/** An order at the CA, with what is needed to go on with it. */
interface Open {
  readonly session: Session
  readonly order: OrderAnswer
  readonly note: OrderNote & { readonly url: string }
}

/** Orders a certificate. See {@link Issuer.order}. */
export async function orderCertificate(ca: Ca, request: OrderRequest, signal: AbortSignal): Promise<Certificate> {
  checkNames(request)
  const kinds = ca.history.sort(kindsOf(request.solvers))
  let failure: unknown
  for (const kind of kinds) {
    try {
      const certificate = await orderBy(ca, request, kind, signal)
      return certificate
    } catch (error) {
      if (!isOfProof(error)) throw error
      ca.history.note(kind, false)
      ca.log.info({ err: error, names: request.names, kind }, 'a way to prove names to the CA has failed')
      failure = error
    }
  }
  throw failure
}

/** One order, proven in one way. A note of an order that was not finished is gone on with. */
async function orderBy(ca: Ca, request: OrderRequest, kind: ChallengeKind, signal: AbortSignal): Promise<Certificate> {
  const noted = await readNote(ca, request)
  const stored = noted && certificateOf(noted, request, ca.now())
  if (stored) return stored
  const open = (await resume(ca, request, noted, signal)) ?? (await begin(ca, request, noted, signal))
  try {
    const certificate = await goOn(ca, request, open, kind, signal)
    if (request.isStaging) await removeNote(ca, request)
    return certificate
  } catch (error) {
    // An order that can still become a certificate stays noted; one that cannot is forgotten.
    signal.throwIfAborted()
    if (isLost(error)) await removeNote(ca, request)
    throw error
  }
}

async function goOn(
  ca: Ca,
  request: OrderRequest,
  { session, order, note }: Open,
  kind: ChallengeKind,
  signal: AbortSignal,
): Promise<Certificate> {
  let now = order
  if (now.status === 'pending') {
    await authorize({ ca, session, request, kind, signal }, now.authorizations)
    ca.history.note(kind, true)
    now = await waitFor(ca, session, note.url, (status) => status !== 'pending', signal)
  }
  if (now.status === 'ready') now = await finalize(session, note, now, signal)
  if (now.status === 'processing') now = await waitFor(ca, session, note.url, (status) => status === 'valid', signal)
  const certificate = await download(ca, session, note, now, request)
  await writeNote(ca, request, { ...note, chain: certificate.chain })
  return certificate
}

/** The order of a note, if the CA still has it and something can come of it. */
async function resume(
  ca: Ca,
  request: OrderRequest,
  note: OrderNote | undefined,
  signal: AbortSignal,
): Promise<Open | undefined> {
  const url = note?.url
  if (!note || url === undefined || note.chain !== undefined) return undefined
  try {
    return await withAccount(ca, signal, async (session) => {
      const order = toOrder((await session.post(url)).data)
      checkOrder(order, request)
      if (order.status === 'invalid') return undefined
      ca.log.info({ names: request.names, status: order.status }, 'an order that was under way is gone on with')
      return { session, order, note: { ...note, url } }
    })
  } catch (error) {
    // The CA does not know it any more: it has expired, or belonged to another account.
    if (acmeFacts(error)?.reason === 'refused') return undefined
    throw error
  }
}

async function begin(ca: Ca, request: OrderRequest, noted: OrderNote | undefined, signal: AbortSignal): Promise<Open> {
  const names = sortNames(request.names)
  const subject = orderKey(ca.directoryUrl, names)
  ca.quiet.check(subject)
  const unused = noted && noted.url === undefined ? noted.key : undefined
  const { profile, keyKind } = request
  const note: OrderNote = {
    format: 1,
    directory: ca.directoryUrl,
    names,
    keyKind,
    ...(profile !== undefined && { profile }),
    key: unused ?? (await createKey(keyKind)),
  }
  await writeNote(ca, request, note)
  return withAccount(ca, signal, async (session) => {
    const directory = await ca.readDirectory(signal)
    const payload = {
      identifiers: names.map((value) => ({ type: 'dns', value })),
      ...profileOf(ca, request, directory.meta?.profiles),
    }
    const { replaces } = request
    const replaced = replaces && directory.renewalInfo !== undefined ? certificateId(replaces) : undefined
    const ask = async (more: { replaces?: string }) => {
      await ca.pace.turn(signal)
      return ca.quiet.watch(subject, () => session.post(directory.newOrder, { ...payload, ...more }))
    }
    const { data, headers } =
      replaced === undefined
        ? await ask({})
        : await ask({ replaces: replaced }).catch((error: unknown) => {
            // What it would replace was replaced already, or is not of this account (RFC 9773 section 5).
            if (!isProblem(error, 'alreadyReplaced', 'malformed', 'unauthorized')) throw error
            return ask({})
          })
    const order = toOrder(data)
    checkOrder(order, request)
    const url = toUrl(headers['location'], 'the address of an order')
    await writeNote(ca, request, { ...note, url })
    return { session, order, note: { ...note, url } }
  })
}

/** The profile to ask for; none at a CA that has none. */
function profileOf(ca: Ca, { profile }: OrderRequest, offered: object | undefined): { profile?: string } {
  if (profile === undefined || !offered) return {}
  if (Object.hasOwn(offered, profile)) return { profile }
  const names = Object.keys(offered).slice(0, 10).map(quoteCa).join(', ')
  throw acmeError(`${ca.directoryUrl} has no profile "${profile}"; it has: ${names || 'none'}`, { reason: 'profile' })
}

/** Other names than ours are somebody else's order. */
function checkOrder(order: OrderAnswer, request: OrderRequest): void {
  const ordered = sortNames(order.identifiers.map(({ type, value }) => (type === 'dns' ? value.toLowerCase() : type)))
  if (ordered.join() === sortNames(request.names).join()) return
  throw acmeError('the CA answers with an order of other names', { reason: 'answer' })
}

async function waitFor(
  ca: Ca,
  session: Session,
  url: string,
  isThere: (status: OrderAnswer['status']) => boolean,
  signal: AbortSignal,
): Promise<OrderAnswer> {
  return poll(
    ca,
    {
      what: 'an order',
      ask: () => session.post(url),
      take(answered) {
        const order = toOrder(answered)
        if (order.status === 'invalid') throw invalidOrder(order)
        return isThere(order.status) ? order : undefined
      },
    },
    signal,
  )
}

/** Sends the request for the certificate. Answers the order, which is not `ready` any more. */
async function finalize(
  session: Session,
  note: Open['note'],
  order: OrderAnswer,
  signal: AbortSignal,
): Promise<OrderAnswer> {
  const { crypto } = await import('acme-client')
  const [, request] = await crypto.createCsr({ altNames: [...note.names] }, note.key)
  const csr = crypto.getPemBodyAsB64u(request)
  try {
    const answered = toOrder((await session.post(order.finalize, { csr })).data)
    if (answered.status === 'invalid') throw invalidOrder(answered)
    return answered.status === 'ready' || answered.status === 'pending'
      ? { ...answered, status: 'processing' }
      : answered
  } catch (error) {
    if (!isPassing(error)) throw error
    // The answer was lost, but perhaps not the request.
    const now = toOrder((await session.post(note.url)).data)
    if (now.status === 'processing' || now.status === 'valid') return now
    signal.throwIfAborted()
    throw error
  }
}

async function download(
  ca: Ca,
  session: Session,
  note: Open['note'],
  order: OrderAnswer,
  request: OrderRequest,
): Promise<Certificate> {
  if (order.status === 'invalid') throw invalidOrder(order)
  if (order.certificate === undefined)
    throw acmeError('the CA says that an order is done, and not where the certificate is', { reason: 'answer' })
  const { data } = await session.post(order.certificate)
  return checkCertificate(typeof data === 'string' ? data : '', note.key, request, ca.now())
}

/** Throws `ERR_ACME` (`certificate`) unless it is whole, valid now, of our key, and for exactly the names we ordered. */
export function checkCertificate(
  chain: string,
  key: string,
  { names }: Pick<OrderRequest, 'names'>,
  nowMs: number,
): Certificate {
  let certificate: Certificate
  try {
    certificate = toCertificate(chain, key, nowMs)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw acmeError(`the certificate from the CA is not taken: ${message}`, { reason: 'certificate' }, { cause })
  }
  const found = sortNames(certificate.names)
  if (found.join() === sortNames(names).join()) return certificate
  throw acmeError(
    `the certificate from the CA is not taken: it is for ${found.slice(0, 10).join(', ')} instead of ${names.slice(0, 10).join(', ')}`,
    { reason: 'certificate' },
  )
}

function invalidOrder({ error }: OrderAnswer): Error {
  const said = error?.detail === undefined ? 'and does not say why' : quoteCa(error.detail)
  return acmeError(`the CA has given the order up: ${said}`, {
    reason: 'refused',
    ...(error?.type !== undefined && { type: error.type }),
  })
}

/** Whether nothing can come of the order any more. What passes by itself leaves it as it is. */
function isLost(error: unknown): boolean {
  const reason = acmeFacts(error)?.reason
  return reason !== undefined && !isPassing(error) && reason !== 'limited'
}
