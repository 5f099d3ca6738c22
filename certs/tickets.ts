/**
 * Keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1), shared by all fronts of all machines through the
 * vault, so that a session that began at one of them goes on at any other.
 *
 * A new key every 12 hours bounds what a leaked one is worth. Four are known at a time: the one in use, two before it,
 * and for an hour before each change the next one, so that no machine meets a ticket of a key that it does not know yet.
 *
 * The clocks of the machines need to agree only roughly: within the hour.
 */

import type { Logger } from 'pino'
import { z } from 'zod'
import { isGroveError } from '../core/errors.ts'
import { activeKey, type RingTimes, turnRing } from '../core/key-ring.ts'
import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'
import type { Vault } from './vault.ts'

/** 48 bytes in Node's own layout: 16 that name the key, 16 for HMAC-SHA256, 16 for AES-128-CBC. */
export type TicketKey = Buffer

/** Keys of session tickets. */
export interface TicketKeys {
  /** Seals new tickets. */
  readonly current: TicketKey
  /** Open tickets and seal none, newest first: those before, and for a while the one that comes next. At most 3. */
  readonly previous: readonly TicketKey[]
}

/** The keys of session tickets that all machines share. */
export interface Tickets {
  /** The keys at this moment. */
  ticketKeys(): TicketKeys
  /**
   * Takes what other machines made, makes a key whose time has come, and answers whether {@link Tickets.ticketKeys} is
   * another one than after the last call; then fronts are to be told. Call it every few minutes. Never rejects, and
   * waits for the vault at most `limits.tickets.waitMs`: while that does not answer, the keys that are known are used,
   * and none is made.
   */
  rotateIfDue(): Promise<boolean>
}

const hourMs = 3_600_000
const times: RingTimes = { useMs: 12 * hourMs, announceMs: hourMs }
/** The two before the one in use. */
const keepMs = 24 * hourMs
const vaultKey = 'tickets'

const ringSchema = z.object({
  format: z.literal('grove-tickets-1'),
  keys: z
    .array(
      z.object({
        secret: z.string().refine((text) => Buffer.from(text, 'base64').length === 48),
        activeFromMs: z.number(),
        keepMs: z.number(),
      }),
    )
    .max(100),
})
type TicketTurn = z.output<typeof ringSchema>['keys'][number]

/**
 * Opens the keys. When the vault does not answer, with a key of this machine alone: visitors then begin new sessions
 * here, and nothing else is lost.
 */
export async function openTickets(options: {
  readonly vault: Vault
  readonly environment: Pick<Environment, 'now' | 'randomBytes' | 'sleep'>
  readonly log: Logger
}): Promise<Tickets> {
  const { vault, environment, log } = options
  const make = (activeFromMs: number): TicketTurn => {
    return { secret: environment.randomBytes(48).toString('base64'), activeFromMs, keepMs }
  }
  let ring: readonly TicketTurn[] = []
  let told = ''

  /** The ring of the vault, turned. Another machine that turns it at the same time makes us look again. */
  async function turn(): Promise<readonly TicketTurn[]> {
    for (let tries = 1; ; tries += 1) {
      const kept = await vault.read(vaultKey)
      const nowMs = environment.now()
      const shared = withoutFuture(parse(kept?.text, log), nowMs)
      const turned = turnRing(shared, times, nowMs, make).slice(-limits.tickets.keys)
      if (kept && turned.length === shared.length && turned.at(-1) === shared.at(-1)) return shared
      try {
        const text = JSON.stringify({ format: 'grove-tickets-1', keys: turned })
        await vault.write(vaultKey, text, kept?.number ?? 0)
        return turned
      } catch (error) {
        if (!isGroveError(error, 'ERR_CERT_RACED') || tries >= limits.tickets.raced) throw error
      }
    }
  }

  async function takeTurn(): Promise<void> {
    try {
      ring = await turn()
    } catch (error) {
      log.error({ err: error }, 'keys of TLS session tickets cannot be shared with other machines')
    }
  }

  /** One at a time: who asks meanwhile waits for the one that is under way. */
  let turning: Promise<void> | undefined

  async function rotateIfDue(): Promise<boolean> {
    turning ??= takeTurn().finally(() => {
      turning = undefined
    })
    const waited = new AbortController()
    // A bucket that hangs must hold up neither a start nor a reload.
    await Promise.race([turning, environment.sleep(limits.tickets.waitMs, waited.signal).catch(() => {})])
    waited.abort()
    if (ring.length === 0) ring = [make(environment.now())]
    const before = told
    told = JSON.stringify(toKeys(ring, environment.now()).map(({ secret }) => secret))
    return told !== before
  }

  await rotateIfDue()
  return {
    ticketKeys() {
      const [current, ...previous] = toKeys(ring, environment.now()).map(({ secret }) => Buffer.from(secret, 'base64'))
      return { current: current as TicketKey, previous }
    },
    rotateIfDue,
  }
}

/** The key in use first, then the others, newest first. */
function toKeys(ring: readonly TicketTurn[], nowMs: number): TicketTurn[] {
  const current = activeKey(ring, nowMs)
  return [current, ...ring.filter((key) => key !== current).reverse()]
}

/** Without keys that were made under a clock that was ahead: they would keep the next one from being made for as long. */
function withoutFuture(ring: readonly TicketTurn[], nowMs: number): TicketTurn[] {
  return ring.filter(({ activeFromMs }) => activeFromMs <= nowMs + times.useMs + times.announceMs)
}

function parse(text: string | undefined, log: Logger): readonly TicketTurn[] {
  if (text === undefined) return []
  try {
    return ringSchema.parse(JSON.parse(text)).keys
  } catch (error) {
    log.warn({ err: error }, 'keys of TLS session tickets are damaged; new ones are made')
    return []
  }
}
