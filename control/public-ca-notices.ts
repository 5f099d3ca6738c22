/** Whom a host with public names asks for certificates, said plainly: using a CA means agreeing to its terms. */

import { isPublicName } from '../certs/policy.ts'
import { letsEncrypt } from '../core/certs-config.ts'
import type { Config } from '../core/config.ts'

/** What people are told at a start of the CA that is used by default; nothing while no public name is configured. */
export function publicCaNotices({ domain, sites, certs }: Pick<Config, 'domain' | 'sites' | 'certs'>): string[] {
  const isUsed = certs.acme !== false && certs.acme.some(({ directory }) => directory === letsEncrypt.directory)
  const names = [domain, ...Object.values(sites).flatMap(({ authorities }) => authorities)]
  if (!isUsed || !names.some(isPublicName)) return []
  return [
    "certificates for public names come from Let's Encrypt, to whose terms of service Grove agrees for you: https://letsencrypt.org/repository (certs.acme names another CA, or false)",
  ]
}
