/** The part of the control socket that core/cert-api.ts describes, asked through an {@link AdminClient}. */

import { z } from 'zod'
import {
  type CertificateRow,
  certificateListSchema,
  certificateSchema,
  type certReasons,
  certRolloverSchema,
  type ExportedCertificate,
  exportedSchema,
  type ShownCertificate,
} from '../core/cert-api.ts'
import type { AdminClient } from './admin-client.ts'

/** How all names stand. */
export async function listCertificates(client: AdminClient): Promise<CertificateRow[]> {
  const { certificates } = await client.ask('GET', '/certs', undefined, certificateListSchema)
  return certificates
}

/** Renews the certificate of a name now, and answers the new one. */
export function renewCertificate(client: AdminClient, name: string): Promise<ShownCertificate> {
  return client.ask('POST', '/certs/renew', { name }, certificateSchema)
}

/** Revokes the certificate of a name at the CA. */
export async function revokeCertificate(
  client: AdminClient,
  name: string,
  reason: (typeof certReasons)[number],
): Promise<void> {
  await client.ask('POST', '/certs/revoke', { name, reason }, z.object({}))
}

/** Puts new keys in place of those of the accounts at all CAs; answers their directories. */
export async function rollOverAccounts(client: AdminClient): Promise<string[]> {
  const { directories } = await client.ask('POST', '/certs/rollover', undefined, certRolloverSchema)
  return directories
}

/** The certificate of a name with its key. */
export function exportCertificate(client: AdminClient, name: string): Promise<ExportedCertificate> {
  return client.ask('POST', '/certs/export', { name }, exportedSchema)
}

/** Gives Grove a certificate of one's own. */
export function importCertificate(client: AdminClient, pair: ExportedCertificate): Promise<ShownCertificate> {
  return client.ask('POST', '/certs/import', pair, certificateSchema)
}
