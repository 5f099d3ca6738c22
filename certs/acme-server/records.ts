/**
 * What the ACME server keeps in the vault: accounts, orders with their proofs, and the certificates that it gave.
 *
 * A record is changed by reading it and writing it with the number that was read, so two requests (or two machines) that
 * change one at the same time never undo each other; the later one looks again.
 */

import { z } from 'zod'
import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Vault } from '../vault.ts'
import { challengeKinds } from './identifiers.ts'
import { problem } from './problem.ts'

/** Where records lie in the vault. Ids are hex digits that this server made. */
export const keys = {
  root: 'acme-server/',
  accounts: 'acme-server/accounts/',
  account: (id: string): string => `acme-server/accounts/${id}`,
  /** Which account has a key. `hash`: SHA-256 of its thumbprint, hex. */
  key: (hash: string): string => `acme-server/keys/${hash}`,
  orders: 'acme-server/orders/',
  ordersOf: (account: string): string => `acme-server/orders/${account}/`,
  order: (account: string, id: string): string => `acme-server/orders/${account}/${id}`,
  certificates: 'acme-server/certificates/',
  certificate: (serial: string): string => `acme-server/certificates/${serial}`,
} as const

const problemSchema = z.looseObject({ type: z.string(), status: z.int(), detail: z.string() })

/** The schema of an account. */
export const accountSchema = z.object({
  id: z.string(),
  status: z.enum(['valid', 'deactivated']),
  jwk: z.unknown(),
  thumbprint: z.string(),
  contact: z.array(z.string()),
  createdMs: z.number(),
  /** The external account that it belongs to. */
  external: z.string().optional(),
})
/** An account. */
export type Account = z.output<typeof accountSchema>

/** The schema of an authorization: the proof that an account controls one identifier. */
export const authorizationSchema = z.object({
  identifier: z.object({ type: z.enum(['dns', 'ip']), value: z.string() }),
  token: z.string(),
  status: z.enum(['pending', 'valid', 'invalid', 'deactivated']),
  /** The kind of proof that was asked to be looked at; it is looked at as long as the status is `pending`. */
  tried: z.enum(challengeKinds).optional(),
  validatedMs: z.number().optional(),
  error: problemSchema.optional(),
})
/** The proof that an account controls one identifier. */
export type Authorization = z.output<typeof authorizationSchema>

/** The schema of an order. */
export const orderSchema = z.object({
  id: z.string(),
  account: z.string(),
  createdMs: z.number(),
  expiresMs: z.number(),
  authorizations: z.array(authorizationSchema).min(1),
  /** The serial number of what was issued. */
  certificate: z.string().optional(),
})
/** An order. */
export type Order = z.output<typeof orderSchema>

/** The schema of a certificate that was issued. */
export const certificateSchema = z.object({
  account: z.string(),
  serial: z.string(),
  names: z.array(z.string()),
  chain: z.string(),
  notBeforeMs: z.number(),
  notAfterMs: z.number(),
  revoked: z.object({ atMs: z.number(), reason: z.int() }).optional(),
})
/** A certificate that was issued. */
export type IssuedCertificate = z.output<typeof certificateSchema>

/** A record, and its number in the vault. */
export interface Kept<T> {
  readonly value: T
  readonly number: number
}

/** Reads a record; undefined when there is none. Rejects when it is not of the schema, as after a downgrade. */
export async function readRecord<T>(vault: Vault, key: string, schema: z.ZodType<T>): Promise<Kept<T> | undefined> {
  const record = await vault.read(key)
  return record && { value: schema.parse(JSON.parse(record.text)), number: record.number }
}

/** Writes a record that must not be there yet. Rejects with `ERR_CERT_RACED` when it is. */
export async function createRecord(vault: Vault, key: string, value: unknown): Promise<void> {
  await vault.write(key, JSON.stringify(value), 0)
}

/**
 * Changes a record, again when somebody else wrote meanwhile. `change` answers the new value, or undefined to leave it as
 * it is; what it throws is thrown. Answers the value that is there in the end.
 */
export async function changeRecord<T>(
  vault: Vault,
  key: string,
  schema: z.ZodType<T>,
  change: (value: T) => T | undefined,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const kept = await readRecord(vault, key, schema)
    if (!kept) throw problem('malformed', 'there is no such resource', { status: 404 })
    const next = change(kept.value)
    if (next === undefined) return kept.value
    try {
      await vault.write(key, JSON.stringify(next), kept.number)
      return next
    } catch (error) {
      if (!isGroveError(error, 'ERR_CERT_RACED') || tries >= limits.acmeServer.raced) throw error
    }
  }
}

/** How many keys of the vault begin with a prefix; counts no further than `most`. */
export async function countRecords(vault: Vault, prefix: string, most: number): Promise<number> {
  let count = 0
  for await (const _ of vault.list(prefix)) {
    count += 1
    if (count >= most) break
  }
  return count
}

/** About how many records begin with a prefix, without counting them each time. */
export interface RecordCount {
  /** Whether there are as many as there may be. */
  isFull(): Promise<boolean>
  /** One more was made here. */
  add(): void
}

/** Counts at most once a minute; what other machines make meanwhile is seen with the next count. */
export function createRecordCount(vault: Vault, prefix: string, most: number, monotonic: () => number): RecordCount {
  let counted: Promise<void> | undefined
  let nextMs = Number.NEGATIVE_INFINITY
  let count = 0
  async function recount(): Promise<void> {
    count = await countRecords(vault, prefix, most)
    nextMs = monotonic() + limits.acmeServer.countEveryMs
  }
  return {
    async isFull() {
      if (monotonic() >= nextMs) {
        counted ??= recount().finally(() => {
          counted = undefined
        })
        await counted
      }
      return count >= most
    },
    add() {
      count += 1
    },
  }
}
