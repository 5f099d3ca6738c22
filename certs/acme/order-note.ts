/**
 * What is noted of an order in the vault, under the lease of its names: the certificate's key before the order begins,
 * the order's address once the CA has told it, the certificate when it has come. So whoever gets the lease after a kill
 * goes on with the same order, and a certificate that nobody had the time to store is not ordered again.
 */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Certificate } from '../certificate.ts'
import { toCertificate } from '../certificate.ts'
import type { Ca } from './ca.ts'
import type { OrderRequest } from './order-request.ts'

const noteSchema = z.object({
  format: z.literal(1),
  directory: z.string(),
  names: z.array(z.string()),
  keyKind: z.enum(['ecdsa', 'rsa']),
  profile: z.string().optional(),
  /** The certificate's key, PKCS#8 in PEM. */
  key: z.string(),
  /** The order's address. */
  url: z.string().optional(),
  /** The certificate with its chain, PEM. */
  chain: z.string().optional(),
})
/** What is noted of an order. */
export type OrderNote = z.output<typeof noteSchema>

/**
 * Where the note of an order for these names lies in the vault. Whoever stores the certificate removes it then; the next
 * order of the same names replaces it.
 */
export function orderKey(directory: string, names: readonly string[]): string {
  const text = [directory, ...sortNames(names)].join('\n')
  return `orders/${createHash('sha256').update(text).digest('hex')}`
}

/** Names in one order, each once. */
export function sortNames(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}

/** The note of an order that was not finished and fits the request; undefined when there is none. */
export async function readNote(ca: Ca, request: OrderRequest): Promise<OrderNote | undefined> {
  const found = await ca.vault.read(orderKey(ca.directoryUrl, request.names))
  if (!found) return undefined
  const parsed = noteSchema.safeParse(parseJson(found.text))
  // A note of another Grove, or a damaged one, costs one order.
  if (!parsed.success) return undefined
  const note = parsed.data
  const fits =
    note.directory === ca.directoryUrl &&
    note.keyKind === request.keyKind &&
    note.profile === request.profile &&
    note.names.join() === sortNames(request.names).join()
  return fits ? note : undefined
}

/** Writes the note, in place of the one before. */
export async function writeNote(ca: Ca, request: OrderRequest, note: OrderNote): Promise<void> {
  await request.lease.write(orderKey(ca.directoryUrl, request.names), JSON.stringify(note))
}

/** Removes the note: the order has come to nothing, or nobody wants what came of it. */
export async function removeNote(ca: Ca, request: OrderRequest): Promise<void> {
  await request.lease.remove(orderKey(ca.directoryUrl, request.names))
}

/**
 * The certificate of a note, if it came and is still good for who asks: not the one that is to be replaced, and most of
 * its life is left.
 */
export function certificateOf(note: OrderNote, request: OrderRequest, nowMs: number): Certificate | undefined {
  if (note.chain === undefined) return undefined
  try {
    const certificate = toCertificate(note.chain, note.key, nowMs)
    const { id, notBeforeMs, notAfterMs } = certificate
    const isYoung = nowMs - notBeforeMs < (notAfterMs - notBeforeMs) / 3
    return isYoung && id !== request.replaces?.id ? certificate : undefined
  } catch {
    return undefined // It has ended since.
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
