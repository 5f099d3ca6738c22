/**
 * What is said over the control socket about certificates; the rest is in core/admin-api.ts.
 *
 * | request | answer |
 * |---|---|
 * | `GET /certs` | `{ certificates: CertificateRow[] }`, {@link certificateRowSchema}: those from CAs and from files, and of those of the own CA at most `limits.admin.ownCertificates` |
 * | `POST /certs/renew` {@link certNameSchema} | {@link certificateSchema}: the new one, once it is in use |
 * | `POST /certs/revoke` {@link certRevokeSchema} | `{}` once the CA has revoked it |
 * | `POST /certs/rollover` | {@link certRolloverSchema} once the accounts at all CAs have new keys; else why one has not, and the others have |
 * | `POST /certs/export` {@link certNameSchema} | {@link exportedSchema}, with the key |
 * | `POST /certs/import` {@link certImportSchema} | {@link certificateSchema} once it is in use |
 *
 * All of them are the operator's alone: no token allows any.
 */

import { z } from 'zod'

const name = z.string().min(1).max(253)

/** The certificate of a name. */
export const certNameSchema = z.strictObject({ name })

/** Why a certificate is revoked, in the words of RFC 5280 section 5.3.1. */
export const certReasons = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
] as const

/** A certificate to revoke. */
export const certRevokeSchema = z.strictObject({ name, reason: z.enum(certReasons).default('unspecified') })

const pem = z.string().min(1).max(262_144)

/** A certificate of the operator's own: PEM, with those above it. */
export const certImportSchema = z.strictObject({ chain: pem, key: pem })

/** A certificate, as shown. */
export const certificateSchema = z.object({
  names: z.array(z.string()),
  issuer: z.string(),
  serial: z.string(),
  notBeforeMs: z.number(),
  notAfterMs: z.number(),
})
/** A certificate, as shown. */
export type ShownCertificate = z.output<typeof certificateSchema>

/** A certificate with its key, PEM. */
export const exportedSchema = z.object({ chain: z.string(), key: z.string() })
/** A certificate with its key, PEM. */
export type ExportedCertificate = z.output<typeof exportedSchema>

/** How a name, or a set of names, stands. */
export const certificateRowSchema = z.object({
  names: z.array(z.string()),
  /** `acme`: a CA that speaks ACME. `file`: brought by the operator. `own`: Grove's own CA. */
  from: z.enum(['acme', 'file', 'own']),
  /** Who issued it, for people: a directory, a file, `Grove's own CA`. */
  issuer: z.string().optional(),
  state: z.enum(['wanted', 'ordering', 'valid', 'renewing', 'failed', 'expired', 'revoked', 'on demand']),
  notAfterMs: z.number().optional(),
  renewAtMs: z.number().optional(),
  /** Tries that failed since the last one that did not. */
  tries: z.int().optional(),
  lastError: z.object({ code: z.string(), message: z.string(), atMs: z.number().optional() }).optional(),
  nextTryAtMs: z.number().optional(),
})
/** How a name, or a set of names, stands. */
export type CertificateRow = z.output<typeof certificateRowSchema>

/** How many certificates from CAs and files stand how; those of the own CA are signed when they are asked for. */
export const certificateCountsSchema = z.object({
  /** In use, also while the next one is ordered. */
  valid: z.int(),
  /** None yet, and the first try has not failed. */
  waiting: z.int(),
  /** None that could be used: failed, ended or revoked. */
  failed: z.int(),
})
/** How many certificates stand how. */
export type CertificateCounts = z.output<typeof certificateCountsSchema>

/** The CAs whose accounts have new keys. */
export const certRolloverSchema = z.object({ directories: z.array(z.string()) })

/** How all names stand. */
export const certificateListSchema = z.object({ certificates: z.array(certificateRowSchema) })
