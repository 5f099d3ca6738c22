/**
 * What the vault holds of one managed certificate: chain and key, and how its renewal stands, in one record, so that no
 * kill can part them and whichever machine comes next goes on where the last one stopped.
 */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type Certificate, toCertificate } from './certificate.ts'

const time = z.number()
const errorSchema = z.object({ code: z.string(), message: z.string(), atMs: time })

const recordSchema = z.object({
  format: z.literal('grove-cert-1'),
  /** The names of the certificate: one, which may be a wildcard. */
  names: z.array(z.string()).min(1).max(100),
  /** The newest one that was obtained. None: not yet, or it was revoked. */
  certificate: z
    .object({
      chain: z.string(),
      key: z.string(),
      id: z.string(),
      notBeforeMs: time,
      notAfterMs: time,
      issuerId: z.string(),
      directory: z.string(),
    })
    .optional(),
  obtainedAtMs: time.optional(),
  /** What the CA said of its renewal, for the certificate of this id. `chosenMs`: chosen once within the window. */
  renewal: z
    .object({
      id: z.string(),
      askAgainMs: time,
      window: z.object({ startMs: time, endMs: time, chosenMs: time }).optional(),
    })
    .optional(),
  /** Tries that failed since the last one that did not; since when, and when the next one is. */
  tries: z.int().min(0).default(0),
  failingSinceMs: time.optional(),
  nextTryAtMs: time.optional(),
  lastError: errorSchema.optional(),
  /** Until when a CA asked to be left alone (Retry-After), keyed by issuer id. */
  rests: z.record(z.string(), time).optional(),
  /** An order was begun then, and has not come to its end. */
  orderingSinceMs: time.optional(),
  revoked: z.object({ id: z.string(), atMs: time }).optional(),
})

/** A record as it is read. Times are in milliseconds since the epoch. */
export type CertificateRecord = z.output<typeof recordSchema>

/** The record of a name for which nothing was done yet. */
export function newRecord(name: string): CertificateRecord {
  return { format: 'grove-cert-1', names: [name], tries: 0 }
}

/** The key of a name's record in the vault; also the name of its lease. */
export function recordKey(name: string): string {
  return `certs/${recordId(name)}`
}

/** The hash in {@link recordKey}. */
export function recordId(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

/** A record as text. */
export function encodeRecord(record: CertificateRecord): string {
  return JSON.stringify(record)
}

/**
 * The record in a text. Undefined when it is damaged: then it is as if there were none, and the certificate is ordered
 * anew. Throws `ERR_DATA_FORMAT` for one of a newer Grove, which is not to be written over.
 */
export function decodeRecord(text: string): CertificateRecord | undefined {
  if (text.length > limits.managed.recordChars) return undefined
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return undefined // Damaged; that is the whole answer.
  }
  const parsed = recordSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const { format } = Object(json) as { format?: unknown }
  if (typeof format === 'string' && format.startsWith('grove-cert-') && format !== 'grove-cert-1')
    throw new GroveError('ERR_DATA_FORMAT', `a certificate is kept as ${format.slice(0, 40)}, expected grove-cert-1`, {
      hint: 'a newer grove wrote it: update this one',
    })
  return undefined
}

/** Whether the certificate of a record, if it has one, can be read. */
export function isWhole({ certificate }: CertificateRecord): boolean {
  try {
    if (certificate) openCertificate(certificate, certificate.notBeforeMs)
    return true
  } catch {
    return false // That is the whole answer; what is wrong was told by whoever asked for it.
  }
}

/**
 * The certificate of a record, parsed. Whether it is valid now is not asked: a clock that is wrong must not take away
 * the only certificate that there is. Throws `ERR_CERT` when it is damaged.
 */
export function openCertificate(
  { chain, key, notBeforeMs, notAfterMs }: NonNullable<CertificateRecord['certificate']>,
  nowMs: number,
): Certificate {
  return toCertificate(chain, key, Math.min(Math.max(nowMs, notBeforeMs), notAfterMs - 1))
}
