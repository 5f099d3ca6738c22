/**
 * Giving a TLS server its ticket keys.
 *
 * Node's own interface (`server.setTicketKeys`, 24 and 26 alike) takes one key: a ticket of any other one is thrown away
 * and the handshake becomes a full one, so a change of keys would end the sessions of everybody at once. Below it the
 * native context can ask a function which key opens a ticket. Node documents that nowhere and uses it in its tests alone,
 * so it is used where it is found, behind the documented call: without it sessions begin anew after a change, and nothing
 * else is different. Tickets of both ways have the same format.
 */

import { randomFillSync } from 'node:crypto'
import type { Server } from 'node:tls'
import type { TicketKeys } from './tickets.ts'

/**
 * What OpenSSL is told: the ticket is not ours, it is sealed, it is taken and a new one is sent. Always a new one, as
 * without a function: a client of TLS 1.3 uses a ticket once (RFC 8446 appendix C.4), and would soon have none left.
 */
const [unknown, seals, renews] = [0, 1, 2]
const none = Buffer.alloc(16)

/** The native context, as far as it is used here. */
interface TicketContext {
  enableTicketKeyCallback(): void
  onticketkeycallback?: (name: Buffer, iv: Buffer, isSealing: boolean) => [number, Buffer, Buffer, Buffer?, Buffer?]
}

/**
 * Gives a server its keys; call it again when they change. Connections go on. Answers whether tickets of the previous
 * keys are opened as well.
 */
export function useTicketKeys(server: Server, { current, previous }: TicketKeys): boolean {
  server.setTicketKeys(current)
  const context = contextOf(server)
  if (!context) return false
  const sealing = toParts(current)
  /** Keyed by the name of the key, as a string of its bytes. */
  const opening = new Map([current, ...previous].map((key) => [nameOf(key), toParts(key)]))
  const newVector = createVectors()
  // Called within OpenSSL for each ticket. It must not throw, and only looks things up.
  context.onticketkeycallback = (name, _iv, isSealing) => {
    if (isSealing) return [seals, sealing.hmac, sealing.aes, sealing.name, newVector()]
    const parts = opening.get(nameOf(name))
    return parts ? [renews, parts.hmac, parts.aes] : [unknown, none, none]
  }
  context.enableTicketKeyCallback()
  return true
}

/**
 * Answers 16 random bytes, valid until the next call. They are made many at a time, which costs a fifteenth: each full
 * handshake seals two tickets.
 */
function createVectors(): () => Buffer {
  const made = Buffer.allocUnsafeSlow(4_096)
  let at = made.length
  return () => {
    if (at === made.length) {
      randomFillSync(made)
      at = 0
    }
    at += 16
    return made.subarray(at - 16, at)
  }
}

function contextOf(server: Server): TicketContext | undefined {
  const { context } = (server as { _sharedCreds?: { context?: Partial<TicketContext> } })._sharedCreds ?? {}
  return typeof context?.enableTicketKeyCallback === 'function' ? (context as TicketContext) : undefined
}

function toParts(key: Buffer): { readonly name: Buffer; readonly hmac: Buffer; readonly aes: Buffer } {
  return { name: key.subarray(0, 16), hmac: key.subarray(16, 32), aes: key.subarray(32, 48) }
}

function nameOf(key: Buffer): string {
  return key.toString('latin1', 0, 16)
}
