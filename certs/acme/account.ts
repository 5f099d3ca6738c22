/**
 * The account at a CA: one for each directory, shared by all machines that share the vault.
 *
 * A key lies in the vault before the CA hears of it, so a kill at any moment loses no account: registering a key again
 * finds its account (RFC 8555 section 7.3.1). The same holds for a new key: it lies there before the roll-over, and
 * whoever comes next asks the CA which of the two is in force. A machine that slept through that may still roll over to
 * a key that was given up, so such keys are kept too, and tried when the CA does not know the others.
 */

import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { z } from 'zod'
import { GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { acmeError, isProblem } from './acme-error.ts'
import { toUrl } from './answers.ts'
import type { Ca } from './ca.ts'
import { openSession, type Session } from './session.ts'

const recordSchema = z.object({
  format: z.literal(1),
  directory: z.string(),
  /** PKCS#8 in PEM: the key that is in force, as far as is known. */
  key: z.string(),
  /** The account's address, once the CA has told it. */
  url: z.string().optional(),
  contact: z.string().optional(),
  /** The key of a roll-over that may or may not have happened. */
  nextKey: z.string().optional(),
  /** Keys of roll-overs that had not happened when they were looked at; newest last. */
  spareKeys: z.array(z.string()).max(limits.acme.spareKeys).default([]),
})
type AccountRecord = z.output<typeof recordSchema>

interface Stored {
  readonly record: AccountRecord
  readonly number: number
}

/** Where the account of a directory lies in the vault. */
export function accountKey(ca: Pick<Ca, 'id'>): string {
  return `accounts/${ca.id}`
}

/** A new ECDSA P-256 key, PKCS#8 in PEM. */
export async function createKey(kind: 'ecdsa' | 'rsa' = 'ecdsa'): Promise<string> {
  const { privateKey } =
    kind === 'rsa'
      ? await promisify(generateKeyPair)('rsa', { modulusLength: 2_048 })
      : await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/**
 * Runs work with the account, which is made if there is none. When the CA does not take the account for what the vault
 * says, the vault is read again, other keys are tried, and at last the key is registered anew; then the work runs once
 * more. So the first request of the work must be one that may fail like that, and all before it may be repeated.
 */
export async function withAccount<T>(ca: Ca, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openAccount(ca, signal)
  try {
    return await work(session)
  } catch (error) {
    if (!isAccountTrouble(error)) throw error
    const found = await findAgain(ca, session, signal)
    if (!found) throw error
    return await work(found)
  }
}

/** A session of the account, which is made if there is none. */
export async function openAccount(ca: Ca, signal: AbortSignal): Promise<Session> {
  const stored = await settle(ca, await readOrCreate(ca), signal)
  const { record } = stored
  if (record.url === undefined) return register(ca, stored, signal)
  const session = await openSession(ca, record.key, record.url, signal)
  if (record.contact !== ca.contact) await tellContact(ca, session, record.url)
  return session
}

/** A CA that does not want the address must not keep us from certificates. */
async function tellContact(ca: Ca, session: Session, url: string): Promise<void> {
  try {
    await ca.quiet.watch('account', () => session.post(url, { contact: contactOf(ca) }))
  } catch (error) {
    if (!isProblem(error, 'invalidContact', 'unsupportedContact')) throw error
    ca.log.warn({ err: error }, 'the CA does not take the email address')
  }
  await change(ca, (now) => ({ ...now, contact: ca.contact }))
}

/** Puts a new key in place of the account's. Throws `ERR_CERT_RACED` while another machine does. */
export async function rollOver(ca: Ca, signal: AbortSignal): Promise<void> {
  const lease = await ca.vault.lease(`account-${ca.id}`, signal)
  if (!lease) throw new GroveError('ERR_CERT_RACED', 'another machine is changing the key of the account at the CA')
  await using _ = lease
  const both = AbortSignal.any([signal, lease.signal])
  await withAccount(ca, both, async (session) => {
    const nextKey = await createKey()
    await change(ca, (now) => ({ ...now, nextKey }))
    both.throwIfAborted()
    await session.changeKey(nextKey)
    // Another machine may have given the key up meanwhile, because the CA did not know it yet.
    await change(ca, (now) => promote(now, nextKey))
    ca.log.info({ directory: ca.directoryUrl }, 'the account at the CA has a new key')
  })
}

/** Asks the CA how a roll-over ended that nobody has seen the end of. */
async function settle(ca: Ca, stored: Stored, signal: AbortSignal): Promise<Stored> {
  const { nextKey } = stored.record
  if (nextKey === undefined) return stored
  const isInForce = (await accountOf(ca, nextKey, signal)) !== undefined
  return change(ca, (now) => {
    if (now.nextKey !== nextKey) return now
    return isInForce ? promote(now, nextKey) : giveUp(now, nextKey)
  })
}

function promote(record: AccountRecord, key: string): AccountRecord {
  const { nextKey, spareKeys, ...rest } = record
  const others = spareKeys.filter((spare) => spare !== key)
  return { ...rest, key, spareKeys: others, ...(nextKey !== undefined && nextKey !== key && { nextKey }) }
}

function giveUp(record: AccountRecord, key: string): AccountRecord {
  const { nextKey, spareKeys, ...rest } = record
  return { ...rest, spareKeys: [...spareKeys, key].slice(-limits.acme.spareKeys) }
}

/** The session that the account has now; undefined when it is the one that failed, and nothing better is known. */
async function findAgain(ca: Ca, failed: Session, signal: AbortSignal): Promise<Session | undefined> {
  const { record } = await settle(ca, await readOrCreate(ca), signal)
  for (const key of [record.key, ...record.spareKeys.toReversed()]) {
    const url = await accountOf(ca, key, signal)
    if (url === undefined) continue
    if (key === record.key && url === failed.accountUrl) {
      // The vault may have got another key since the session was opened.
      if (key === failed.keyPem) return undefined
    } else await change(ca, (now) => ({ ...promote(now, key), url }))
    return openSession(ca, key, url, signal)
  }
  // The CA has forgotten the account; with the same key it gets the same rights again.
  const stored = await change(ca, ({ url, ...rest }) => rest)
  return register(ca, stored, signal)
}

/** The address of a key's account; undefined when the key has none (RFC 8555 section 7.3.1). */
async function accountOf(ca: Ca, key: string, signal: AbortSignal): Promise<string | undefined> {
  const session = await openSession(ca, key, undefined, signal)
  try {
    const { headers } = await ca.quiet.watch('account', () => session.register({ onlyReturnExisting: true }))
    return toUrl(headers['location'], 'the address of an account')
  } catch (error) {
    if (isProblem(error, 'accountDoesNotExist')) return undefined
    throw error
  }
}

async function register(ca: Ca, stored: Stored, signal: AbortSignal): Promise<Session> {
  const { key } = stored.record
  const session = await openSession(ca, key, undefined, signal)
  const { meta } = await ca.readDirectory(signal)
  if (meta?.externalAccountRequired && !ca.eab)
    throw acmeError(
      `${ca.directoryUrl} takes no account without an external binding`,
      {
        reason: 'refused',
        type: 'urn:ietf:params:acme:error:externalAccountRequired',
      },
      { hint: 'put the key id and the HMAC key that the CA gave you into the config: `eab`' },
    )
  const { headers } = await ca.quiet.watch('account', () =>
    session.register({ termsOfServiceAgreed: true, ...(ca.contact !== undefined && { contact: contactOf(ca) }) }),
  )
  const url = toUrl(headers['location'], 'the address of an account')
  await change(ca, (now) => {
    // Of many first orders at once all come by here: the first writes it, and the others have nothing to add.
    const isKnown = now.url === url && now.contact === ca.contact
    return now.key === key && !isKnown ? { ...now, url, contact: ca.contact } : now
  })
  ca.log.info({ directory: ca.directoryUrl, account: url }, 'there is an account at the CA')
  return session
}

function contactOf({ contact }: Pick<Ca, 'contact'>): string[] {
  return contact === undefined ? [] : [`mailto:${contact}`]
}

/** What a CA says when it does not take a session for that of its account: RFC 8555 sections 6.2 and 6.7. */
function isAccountTrouble(error: unknown): boolean {
  return isProblem(error, 'accountDoesNotExist', 'malformed', 'unauthorized')
}

async function readOrCreate(ca: Ca): Promise<Stored> {
  const found = await read(ca)
  if (found) return found
  const record: AccountRecord = { format: 1, directory: ca.directoryUrl, key: await createKey(), spareKeys: [] }
  try {
    return { record, number: await ca.vault.write(accountKey(ca), JSON.stringify(record), 0) }
  } catch (error) {
    if (!isGroveError(error, 'ERR_CERT_RACED')) throw error
    const others = await read(ca)
    if (others) return others
    throw error
  }
}

async function read(ca: Ca): Promise<Stored | undefined> {
  const found = await ca.vault.read(accountKey(ca))
  if (!found) return undefined
  try {
    return { record: recordSchema.parse(JSON.parse(found.text)), number: found.number }
  } catch (cause) {
    // A new account in its place would not be allowed to revoke what the old one got.
    throw new GroveError('ERR_CERT', `the record of the account at ${ca.directoryUrl} cannot be understood`, {
      cause,
      hint: 'restore it from a backup of the data folder',
    })
  }
}

/** Changes the record, however many machines do the same. */
async function change(ca: Ca, next: (record: AccountRecord) => AccountRecord): Promise<Stored> {
  for (let round = 1; ; round += 1) {
    const { record, number } = await readOrCreate(ca)
    const changed = next(record)
    if (changed === record) return { record, number }
    try {
      return { record: changed, number: await ca.vault.write(accountKey(ca), JSON.stringify(changed), number) }
    } catch (error) {
      if (!isGroveError(error, 'ERR_CERT_RACED') || round === limits.acme.recordTries) throw error
    }
  }
}
