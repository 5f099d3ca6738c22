/** What can be asked over the control socket about certificates. The operator's alone. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Issuer } from '../certs/acme/issuer.ts'
import { type Certificate, toCertificate } from '../certs/certificate.ts'
import type { CertificateFiles } from '../certs/files/certificate-files.ts'
import type { IssuerChoice } from '../certs/managed-order.ts'
import {
  certImportSchema,
  certNameSchema,
  certRevokeSchema,
  type ExportedCertificate,
  type ShownCertificate,
} from '../core/cert-api.ts'
import { GroveError, toGroveError } from '../core/errors.ts'
import { makePrivateFolder, replaceFile } from '../core/private-file.ts'
import type { AdminRoute } from './admin.ts'
import type { Certificates } from './certificates.ts'

/** What these routes act on. */
export interface CertRoutesOptions {
  readonly certificates: Certificates
  readonly files: Pick<CertificateFiles, 'reload'>
  /** CAs that speak ACME. */
  readonly issuers: readonly Pick<IssuerChoice, 'issuer'>[]
  /** Where imported certificates are kept; one of the folders of `files`. */
  readonly imported: string
  readonly now: () => number
}

/** Routes of certificates: see the table in core/cert-api.ts. */
export function certRoutes({ certificates, files, issuers, imported, now }: CertRoutesOptions): AdminRoute[] {
  return [
    { method: 'GET', pattern: '/certs', run: async () => ({ certificates: certificates.list() }) },
    {
      method: 'POST',
      pattern: '/certs/renew',
      run: async (request) => shown(await certificates.renew((await request.json(certNameSchema)).name)),
    },
    {
      method: 'POST',
      pattern: '/certs/revoke',
      run: async (request) => {
        const { name, reason } = await request.json(certRevokeSchema)
        await certificates.revoke(name, reason)
        return {}
      },
    },
    {
      method: 'POST',
      pattern: '/certs/rollover',
      run: async () => ({ directories: await rollOver(issuers.map(({ issuer }) => issuer)) }),
    },
    {
      method: 'POST',
      pattern: '/certs/export',
      run: async (request): Promise<ExportedCertificate> => {
        // Who asks is on this machine; the budgets of strangers are not theirs.
        const { chain, key } = await certificates.leaf((await request.json(certNameSchema)).name, '127.0.0.1')
        return { chain, key }
      },
    },
    {
      method: 'POST',
      pattern: '/certs/import',
      run: async (request) => {
        const pair = await request.json(certImportSchema)
        // Whatever is wrong with it is told before anything is kept.
        const certificate = toCertificate(pair.chain, pair.key, now())
        await keep(certificate, imported)
        await files.reload()
        return shown(certificate)
      },
    },
  ]
}

/** All CAs have their turn; then the first that has failed is told. */
async function rollOver(issuers: readonly Issuer[]): Promise<string[]> {
  const failures: GroveError[] = []
  for (const { directory, rollOverKey } of issuers) {
    try {
      await rollOverKey()
    } catch (cause) {
      const { code, message, hint } = toGroveError(cause)
      failures.push(new GroveError(code, `${directory}: ${message}`, { cause, ...(hint !== undefined && { hint }) }))
    }
  }
  const [first] = failures
  if (first) throw first
  return issuers.map(({ directory }) => directory)
}

/** One file of a set of names holds certificate and key: a newer one takes its place in one step. */
async function keep({ names, chain, key }: Certificate, folder: string): Promise<void> {
  await makePrivateFolder(folder)
  const name = createHash('sha256')
    .update([...names].sort().join('\n'))
    .digest('hex')
  await replaceFile(join(folder, `${name}.pem`), `${chain}\n${key}`)
}

function shown({ names, issuer, serial, notBeforeMs, notAfterMs }: Certificate): ShownCertificate {
  return { names: [...names], issuer, serial, notBeforeMs, notAfterMs }
}
