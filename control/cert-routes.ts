/** What can be asked over the control socket about certificates. The operator's alone. */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type Certificate, toCertificate } from '../certs/certificate.ts'
import type { CertificateFiles } from '../certs/files/certificate-files.ts'
import {
  certImportSchema,
  certNameSchema,
  certRevokeSchema,
  type ExportedCertificate,
  type ShownCertificate,
} from '../core/cert-api.ts'
import { makePrivateFolder, replaceFile } from '../core/private-file.ts'
import type { AdminRoute } from './admin.ts'
import type { Certificates } from './certificates.ts'

/** What these routes act on. */
export interface CertRoutesOptions {
  readonly certificates: Certificates
  readonly files: Pick<CertificateFiles, 'reload'>
  /** Where imported certificates are kept; one of the folders of `files`. */
  readonly imported: string
  readonly now: () => number
}

/** Routes of certificates: see the table in core/cert-api.ts. */
export function certRoutes({ certificates, files, imported, now }: CertRoutesOptions): AdminRoute[] {
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
