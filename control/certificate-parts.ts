/** What certificates are made of, opened: the operator's files, the CAs, the provider of DNS. */

import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Solver } from '../certs/acme/solver.ts'
import { createDnsSolver } from '../certs/dns/dns-solver.ts'
import { type CertificateFiles, openCertificateFiles } from '../certs/files/certificate-files.ts'
import type { IssuerChoice } from '../certs/managed-order.ts'
import { isPublicName } from '../certs/policy.ts'
import type { Vault } from '../certs/vault.ts'
import type { Config } from '../core/config.ts'
import type { Layout } from '../core/layout.ts'
import { makePrivateFolder } from '../core/private-file.ts'
import type { Environment } from '../store/environment.ts'
import type { Objects } from '../store/objects/objects.ts'
import { openAcmeIssuers } from './acme-issuers.ts'

/** What certificates are made of. */
export interface CertificateParts {
  /**
   * Whether other Groves may use the vault, and answer challenges of ours: in a folder that was named, and in a bucket
   * while one machine takes over from another. Without a CA there are no challenges.
   */
  readonly isShared: boolean
  readonly files: CertificateFiles
  /** Where `grove cert import` keeps certificates; one of the folders of {@link files}. */
  readonly imported: string
  readonly issuers: readonly IssuerChoice[]
  /** For dns-01, where a provider of DNS is configured. */
  readonly dnsSolver: Solver | undefined
  /** Domains whose names have one wildcard together, when the config has this one. */
  readonly wildcards: (domain: string) => readonly string[]
}

/** What the parts are opened with. */
export interface CertificatePartsOptions {
  readonly config: Pick<Config, 'certs' | 'email'>
  readonly layout: Layout
  readonly vault: Vault
  /** What lies where the vault does, unless the config names a folder. */
  readonly objects: Pick<Objects, 'isRemote'>
  readonly env: Environment
  /** Called when a certificate of a file is another one. */
  readonly filesChanged: () => void
  readonly log: Logger
  /** Takes what has to be closed. */
  readonly stack: AsyncDisposableStack
}

/** Opens the parts; asks no CA anything. Throws `ERR_CONFIG_INVALID` for files and secrets that cannot be had. */
export async function openCertificateParts(options: CertificatePartsOptions): Promise<CertificateParts> {
  const { config, layout, vault, objects, env, filesChanged: changed, log, stack } = options
  const { acme, dns, lookups, files: specs, folder } = config.certs
  const imported = join(layout.certs, 'imported')
  await makePrivateFolder(imported)
  const files = stack.use(
    await openCertificateFiles([...specs, { folder: imported }], { environment: env, log, changed }),
  )
  const issuers = await openAcmeIssuers({
    acme,
    email: config.email,
    vault,
    environment: env,
    variables: process.env,
    log,
  })
  const ended = new AbortController()
  stack.defer(() => ended.abort())
  const dnsSolver = dns && createDnsSolver({ provider: dns, ...lookups, environment: env, log, signal: ended.signal })
  const hasWildcards = dnsSolver !== undefined && issuers.length > 0
  const wildcards = (domain: string) => (hasWildcards && isPublicName(domain) ? [domain] : [])
  const isShared = issuers.length > 0 && (folder !== undefined || objects.isRemote)
  return { isShared, files, imported, issuers, dnsSolver, wildcards }
}
