/** The parts of the config that say how visitors and Grove know each other: HSTS, and certificates of clients. */

import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { ConfigFault } from './config-faults.ts'
import { GroveError } from './errors.ts'
import { limits } from './limits.ts'

const yearSeconds = 31_536_000

/** The key `hsts` of the config (RFC 6797). */
export const hstsSchema = z
  .union(
    [
      z.literal(false),
      z.strictObject({
        maxAgeSeconds: z
          .int()
          .min(0)
          .max(yearSeconds * 10)
          .default(yearSeconds)
          .describe('How long browsers ask this name by https only, in seconds. 0 makes them forget. Default: a year.'),
        includeSubDomains: z.boolean().default(false).describe('Whether that counts for all names below it, too.'),
        preload: z
          .boolean()
          .default(false)
          .describe(
            'Whether browsers may ship with it. Needs `includeSubDomains` and a year, and is hard to take back: https://hstspreload.org.',
          ),
      }),
    ],
    'false, or { maxAgeSeconds, includeSubDomains, preload }',
  )
  .default(false)
  .describe(
    "Strict-Transport-Security on every answer over https (RFC 6797). Visitors who do not trust a site's certificate can then no longer pass over that, so begin with a short time.",
  )

/** HSTS as configured. */
export type HstsConfig = z.output<typeof hstsSchema>

/** The key `clientCertificates` of a site. */
export const clientCertificatesSchema = z
  .strictObject({
    roots: z
      .string()
      .min(1)
      .max(4_096)
      .describe("PEM file with the CAs whose certificates are taken, relative to the config's folder."),
    required: z
      .boolean()
      .default(true)
      .describe('Whether visitors without a certificate are refused. One that is not valid always is.'),
  })
  .optional()
  .describe(
    'Mutual TLS: visitors prove who they are with a certificate. Upstreams learn of it by `Grove-Client-Subject` and `Client-Cert`.',
  )

/** Client certificates of a site as configured. Once the config is loaded, `roots` is the content of the file. */
export type ClientCertificatesConfig = z.output<typeof clientCertificatesSchema>

/** The header's value; undefined when there is to be none. */
export function hstsHeader(hsts: HstsConfig): string | undefined {
  if (hsts === false) return undefined
  const { maxAgeSeconds, includeSubDomains, preload } = hsts
  return `max-age=${maxAgeSeconds}${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`
}

/** What the preload list would refuse. */
export function hstsFaults(hsts: HstsConfig): ConfigFault[] {
  if (hsts === false || !hsts.preload) return []
  const faults: ConfigFault[] = []
  if (!hsts.includeSubDomains)
    faults.push({ path: 'hsts.includeSubDomains', expected: 'true, since preload is', found: 'false' })
  if (hsts.maxAgeSeconds < yearSeconds)
    faults.push({
      path: 'hsts.maxAgeSeconds',
      expected: `at least ${yearSeconds}, since preload is true`,
      found: String(hsts.maxAgeSeconds),
    })
  return faults
}

/**
 * Sites with the contents of their files of roots in place of the paths. Throws `ERR_CONFIG_INVALID` for a file that
 * cannot be read or holds something else than certificates of CAs.
 */
export async function withClientRoots<Site extends { readonly clientCertificates?: ClientCertificatesConfig }>(
  sites: Readonly<Record<string, Site>>,
  folder: string,
): Promise<Record<string, Site>> {
  const loaded = Object.entries(sites).map(async ([name, site]) => {
    const { clientCertificates } = site
    if (!clientCertificates) return [name, site] as const
    const file = resolve(folder, clientCertificates.roots)
    const roots = await readRoots(file, `sites.${name}.clientCertificates.roots`)
    return [name, { ...site, clientCertificates: { ...clientCertificates, roots } }] as const
  })
  return Object.fromEntries(await Promise.all(loaded))
}

async function readRoots(file: string, path: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    if (text.length > limits.config.secretBytes) throw new RangeError(`more than ${limits.config.secretBytes} bytes`)
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
    if (blocks.length === 0) throw new RangeError('there is no certificate in PEM')
    for (const block of blocks) {
      const certificate = new X509Certificate(block)
      if (!certificate.ca) throw new RangeError(`${certificate.subject} is no CA`)
    }
    // Nothing else of the file, such as a key beside it, goes further.
    return `${blocks.join('\n')}\n`
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new GroveError('ERR_CONFIG_INVALID', `${path}: ${file} cannot be used: ${reason}`, { cause })
  }
}
