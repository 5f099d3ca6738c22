/** The CAs that a config names, opened. */

import type { Logger } from 'pino'
import { createIssuer } from '../certs/acme/issuer.ts'
import type { IssuerChoice } from '../certs/managed-order.ts'
import type { Vault } from '../certs/vault.ts'
import { type CertsConfig, letsEncrypt } from '../core/certs-config.ts'
import { allSecrets, readText, secretOf, type Variables } from '../core/secrets.ts'
import type { Environment } from '../store/environment.ts'

/** What issuers are opened with. */
export interface AcmeIssuersOptions {
  readonly acme: CertsConfig['acme']
  /** Where the CAs may write to. */
  readonly email: string | undefined
  readonly vault: Vault
  readonly environment: Environment
  readonly variables: Variables
  readonly log: Logger
}

/** Opens the CAs of a config, in its order; asks them nothing yet. Throws `ERR_CONFIG_INVALID` for files and secrets that cannot be had. */
export async function openAcmeIssuers(options: AcmeIssuersOptions): Promise<IssuerChoice[]> {
  const { acme, email, vault, environment, variables, log } = options
  if (acme === false) return []
  return allSecrets(
    acme.map(async ({ directory, staging, roots, eab, profile }, index) => {
      const where = `certs.acme[${index}]`
      const ownStaging = directory === letsEncrypt.directory ? letsEncrypt.staging : undefined
      const common = {
        email,
        roots: roots === undefined ? undefined : await readText(roots, `${where}.roots`),
        vault,
        environment,
        log,
      }
      const hmacKey = eab && (await secretOf(eab.hmacKey, `${where}.eab.hmacKey`, variables))
      const rehearsals = staging ?? ownStaging
      const issuer = createIssuer({
        ...common,
        directory,
        ...(rehearsals && { staging: rehearsals }),
        ...(eab && hmacKey !== undefined && { eab: { kid: eab.kid, hmacKey } }),
      })
      return { issuer, ...(rehearsals && { staging: issuer }), ...(profile !== undefined && { profile }) }
    }),
  )
}
