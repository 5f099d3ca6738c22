/**
 * Looking after one name: what the vault holds of it, and, under the name's lease, doing what is due. All that is known
 * is in the record, so whoever holds the lease next goes on from there, after whatever end of the one before.
 */

import type { Logger } from 'pino'
import { type GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { orderKey } from './acme/order-note.ts'
import type { Certificate } from './certificate.ts'
import { nextStep } from './managed-next.ts'
import { type Obtained, type OrderFailure, type OrderOptions, order } from './managed-order.ts'
import { type CertificateRecord, decodeRecord, encodeRecord, isWhole, newRecord, recordKey } from './managed-record.ts'
import { askForRenewal } from './managed-renewal.ts'
import { retryTime, toFraction, urgencyOf } from './schedule.ts'
import type { Lease, Vault } from './vault.ts'

/** What looking after names needs. */
export interface TendOptions extends OrderOptions {
  readonly vault: Vault
  readonly log: Logger
}

/** How it stands after a look. */
export interface Outcome {
  /** Undefined when nothing was ever done for the name. */
  readonly record: CertificateRecord | undefined
  /** When there is something to do again; in the past or now: at once. */
  readonly atMs: number
  /** What was obtained just now. */
  readonly obtained?: Certificate
  /** Whether there was one before it. */
  readonly isRenewal?: boolean
  /** Why it was not obtained just now. */
  readonly error?: GroveError
  /** No CA was asked: each has said when it may be. */
  readonly isPostponed?: boolean
  /** Another holder has the lease. */
  readonly isElsewhere?: true
}

/** Reads how a name stands, and does nothing. Rejects with what the vault says. */
export async function look(name: string, options: TendOptions): Promise<Outcome> {
  return settled(await readRecord(name, options), options)
}

/** How a name is tended. */
export interface TendHow {
  readonly signal: AbortSignal
  /** Renew it whether it is due or not. */
  readonly isForced?: boolean
  /** What the vault held of it was found damaged: if it still is, it counts as none. */
  readonly isDamaged?: boolean
}

/**
 * Does what is due for a name. Rejects with what the vault says, and with
 * the signal's reason when it aborts; the record then says that an order was begun, and the next look takes it up.
 */
export async function tend(name: string, options: TendOptions, how: TendHow): Promise<Outcome> {
  const { signal } = how
  const { vault, environment } = options
  const lease = await vault.lease(recordKey(name), signal)
  if (!lease) {
    const atMs = environment.now() + limits.managed.elsewhereMs
    return { ...(await look(name, options)), atMs, isElsewhere: true }
  }
  await using held = lease
  const both = AbortSignal.any([signal, held.signal])
  // Awaited here, or the lease would be given back before the order begins.
  return await tendUnder(held, name, options, { ...how, signal: both })
}

async function tendUnder(
  held: Lease,
  name: string,
  options: TendOptions,
  { signal: both, isForced = false, isDamaged = false }: TendHow,
): Promise<Outcome> {
  const { environment } = options
  // Read under the lease: another machine may have been faster, and then its certificate is ours.
  let record = (await readRecord(name, options)) ?? newRecord(name)
  if (isForced) return orderUnder(held, record, options, both, true)
  if (isDamaged && !isWhole(record)) {
    const { certificate: _, ...rest } = record
    record = rest
    await held.write(recordKey(name), encodeRecord(record))
  }
  let next = nextStep(record, environment.now())
  if (next.step === 'ask' && next.atMs <= environment.now()) {
    record = await askForRenewal(record, options, both)
    await held.write(recordKey(name), encodeRecord(record))
    next = nextStep(record, environment.now())
  }
  if (next.step === 'order' && next.atMs <= environment.now()) return orderUnder(held, record, options, both, false)
  return settled(record, options)
}

/** The record of a name; undefined when there is none, or none that is whole. */
export async function readRecord(
  name: string,
  { vault, log }: Pick<TendOptions, 'vault' | 'log'>,
): Promise<CertificateRecord | undefined> {
  try {
    const kept = await vault.read(recordKey(name))
    if (!kept) return undefined
    const record = decodeRecord(kept.text)
    if (record?.names.includes(name)) return record
  } catch (error) {
    if (!isGroveError(error, 'ERR_CERT')) throw error
  }
  log.warn({ name }, 'the record of a certificate is damaged; it is as if there were none')
  return undefined
}

function settled(record: CertificateRecord | undefined, { environment }: TendOptions): Outcome {
  return { record, atMs: nextStep(record, environment.now()).atMs }
}

async function orderUnder(
  lease: Lease,
  record: CertificateRecord,
  options: TendOptions,
  signal: AbortSignal,
  isForced: boolean,
): Promise<Outcome> {
  const { environment } = options
  const name = record.names[0] as string
  // Written first: whoever comes next knows of it, and no order is spent on a vault that cannot keep what comes of it.
  await lease.write(recordKey(name), encodeRecord({ ...record, orderingSinceMs: environment.now() }))
  const result = await order(name, record, lease, options, signal)
  if (!('error' in result)) {
    const obtained = toObtained(record, result, environment.now())
    await keep(lease, obtained, options, signal)
    await forgetOrder(lease, obtained, options)
    return { ...settled(obtained, options), obtained: result.certificate, isRenewal: record.certificate !== undefined }
  }
  // A renewal that somebody asked for and that was not due has not made anything worse.
  const next = nextStep(record, environment.now())
  const isDue = next.step === 'order' && next.atMs <= environment.now()
  const failed = isForced && !isDue ? withoutOrder(record) : toFailed(record, result, options)
  await lease.write(recordKey(name), encodeRecord(failed))
  return { ...settled(failed, options), error: result.error, isPostponed: !result.wasAsked }
}

function toObtained(record: CertificateRecord, { certificate, issuer }: Obtained, nowMs: number): CertificateRecord {
  const { chain, key, id, notBeforeMs, notAfterMs } = certificate
  const { id: issuerId, directory } = issuer
  return {
    ...newRecord(record.names[0] as string),
    certificate: { chain, key, id, notBeforeMs, notAfterMs, issuerId, directory },
    obtainedAtMs: nowMs,
  }
}

function toFailed(record: CertificateRecord, failure: OrderFailure, { environment }: TendOptions): CertificateRecord {
  const nowMs = environment.now()
  const { error, wasAsked, rests, retryAfterMs } = failure
  const tries = record.tries + (wasAsked ? 1 : 0)
  // A clock that was set back since would make a failure of the future.
  const sinceMs = Math.min(record.failingSinceMs ?? nowMs, nowMs)
  // What has ended is no reason to hurry: then it is like a name that never had one.
  const inUse = record.certificate && nowMs < record.certificate.notAfterMs ? record.certificate : undefined
  const urgency = inUse && urgencyOf(inUse, nowMs)
  const fraction = toFraction(environment.randomBytes(4))
  return {
    ...withoutOrder(record),
    tries,
    ...(tries > 0 && { failingSinceMs: sinceMs }),
    nextTryAtMs: retryTime({ tries: Math.max(1, tries), sinceMs, nowMs, retryAfterMs, urgency, fraction }),
    lastError: { code: error.code, message: error.message.slice(0, limits.managed.errorChars), atMs: nowMs },
    rests,
  }
}

function withoutOrder({ orderingSinceMs: _, ...record }: CertificateRecord): CertificateRecord {
  return record
}

/** What was obtained is kept if it can be: the next order counts against what a CA gives. */
async function keep(
  lease: Lease,
  record: CertificateRecord,
  { environment, log }: TendOptions,
  signal: AbortSignal,
): Promise<void> {
  const [name] = record.names as [string]
  for (let tries = 1; ; tries += 1) {
    try {
      await lease.write(recordKey(name), encodeRecord(record))
      return
    } catch (error) {
      if (signal.aborted || isGroveError(error, 'ERR_CERT_RACED') || tries >= limits.managed.keepTries) throw error
      log.warn({ err: error, name }, 'a certificate that was obtained cannot be kept yet')
    }
    await environment.sleep(limits.managed.keepRetryMs, signal)
  }
}

/** What was noted of the order holds the same key: two places of a secret are one too many. */
async function forgetOrder(lease: Lease, { certificate, names }: CertificateRecord, { log }: TendOptions) {
  if (!certificate) return
  await lease.remove(orderKey(certificate.directory, names)).catch((error: unknown) => {
    log.warn({ err: error, names }, 'the note of an order stays; the next order replaces it')
  })
}
