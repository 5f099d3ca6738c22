/** The part of the config that says where certificates come from. */

import { isIPv4, isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'
import { matching, secret, withAbsoluteFile } from './config-values.ts'
import { type DnsProvider, isDnsProvider } from './dns-provider.ts'
import { isAuthority } from './names.ts'

const fileName = z.string().min(1).max(4_096)

const httpsUrl = matching(
  (text) => URL.canParse(text) && new URL(text).protocol === 'https:' && new URL(text).username === '',
  'an https:// URL, such as https://acme-v02.api.letsencrypt.org/directory',
)

/** The directory of Let's Encrypt, and that of its staging environment. */
export const letsEncrypt = {
  directory: 'https://acme-v02.api.letsencrypt.org/directory',
  staging: 'https://acme-staging-v02.api.letsencrypt.org/directory',
} as const

const acmeSchema = z.strictObject({
  directory: httpsUrl
    .default(letsEncrypt.directory)
    .describe("Address of the CA's ACME directory. Default: Let's Encrypt."),
  staging: z
    .union([httpsUrl, z.literal(false)])
    .optional()
    .describe(
      "Address of its directory for rehearsals: after a failure an order is tried there first. Default: that of Let's Encrypt for Let's Encrypt, false for others.",
    ),
  roots: fileName
    .optional()
    .describe("PEM file with the certificates that the CA's own server is trusted by, for a CA of one's own."),
  eab: z
    .strictObject({
      kid: z.string().min(1).max(1_024).describe('Key identifier that the CA gave you.'),
      hmacKey: secret.describe('HMAC key that the CA gave you, base64url: a text, `{ file }` or `{ env }`.'),
    })
    .optional()
    .describe('External account binding, for a CA that asks for it (ZeroSSL, Google, SSL.com).'),
  profile: matching((text) => /^[\w.-]{1,64}$/.test(text), 'the name of a profile of the CA, such as shortlived')
    .optional()
    .describe("Profile to order, for a CA that offers profiles: `shortlived` of Let's Encrypt is valid for six days."),
})

const lookupsSchema = z
  .strictObject({
    resolvers: z
      .array(
        matching(isNameServer, 'an address, maybe with a port: 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353'),
      )
      .min(1)
      .max(8)
      .optional()
      .describe("Name servers that are asked in place of this machine's resolvers."),
    port: z.int().min(1).max(65_535).default(53).describe('Port at which the name servers of a zone are asked.'),
  })
  .prefault({})
  .describe(
    'How Grove looks where the record of a dns-01 challenge belongs and whether it is there, and for the records that prove domains of authors; for networks with name servers of their own.',
  )

const passwordOption = secret
  .optional()
  .describe('Password of the key or the container: a text, `{ file }` or `{ env }`.')

const filesSchema = z.union(
  [
    z.strictObject({
      cert: fileName.describe('PEM file with the certificate and those above it.'),
      key: fileName.describe('PEM file with its key; may be the same file.'),
      password: passwordOption,
    }),
    z.strictObject({
      folder: fileName.describe(
        'Folder of PEM pairs: `name.crt` with `name.key`, or `fullchain.pem` with `privkey.pem`.',
      ),
      password: passwordOption,
    }),
    z.strictObject({
      pkcs12: fileName.describe('PKCS#12 container (.p12, .pfx) with certificate and key.'),
      password: passwordOption,
    }),
  ],
  '{ cert, key }, { folder } or { pkcs12 }, each with a password if it has one',
)

const ownSchema = z
  .strictObject({
    domains: z
      .array(z.string().refine(isAuthority, 'a host name in lower case'))
      .max(100)
      .default([])
      .describe(
        "Further domains that Grove's own CA may sign for, beside `domain`, the sites' authorities and local names.",
      ),
    server: z
      .union([
        z.literal(false),
        z.strictObject({
          port: z.int().min(0).max(65_535).describe('Port of the ACME server; 0 takes a free one.'),
          address: z.union([z.ipv4(), z.ipv6()]).optional().describe('Address to listen on. Default: all.'),
          accounts: z
            .record(z.string().min(1).max(256), secret)
            .default({})
            .describe(
              'External accounts: HMAC keys in base64url by key identifier. None: anybody may make an account.',
            ),
        }),
      ])
      .default(false)
      .describe("An ACME server for the machines of one's own network, at `https://<this machine>:<port>/directory`."),
  })
  .prefault({})
  .describe("Grove's own CA, which signs for local names, addresses, and everything when `acme` is false.")

/** The key `certs` of the config. */
export const certsSchema = z
  .strictObject({
    acme: z
      .union([z.literal(false), z.array(acmeSchema).min(1).max(4)], 'false, or a list of 1 to 4 CAs')
      .prefault([{}])
      .describe(
        "CAs that speak ACME, for public names: the first is asked first, the next when it fails. false: Grove's own CA signs everything.",
      ),
    dns: z
      .custom<DnsProvider>(isDnsProvider, 'a provider of DNS, such as cloudflareDns({ … })')
      .optional()
      .describe(
        'Provider of DNS for the dns-01 challenge. With one, `*.<domain>` is one wildcard, and no port has to be open to the world.',
      ),
    lookups: lookupsSchema,
    files: z
      .array(filesSchema)
      .max(1_000)
      .default([])
      .describe(
        'Certificates of your own. They come first where they cover a name, and are read again when they change.',
      ),
    folder: fileName
      .optional()
      .describe(
        'Folder of accounts, certificates and keys. Several Groves may share one: then one of them orders for all. Default: in the data folder.',
      ),
    own: ownSchema,
  })
  .prefault({})
  .describe('Certificates. See docs/certificates.md.')

/** Where certificates come from, checked. */
export type CertsConfig = z.output<typeof certsSchema>

/** The part with absolute paths in place of those that count from a folder. */
export function withAbsoluteCertFiles(certs: CertsConfig, folder: string): CertsConfig {
  const absolute = (file: string) => resolve(folder, file)
  return {
    ...certs,
    acme:
      certs.acme !== false &&
      certs.acme.map((one) => ({
        ...one,
        ...(one.roots !== undefined && { roots: absolute(one.roots) }),
        ...(one.eab && { eab: { ...one.eab, hmacKey: withAbsoluteFile(one.eab.hmacKey, folder) } }),
      })),
    files: certs.files.map((one) => {
      const password = one.password !== undefined && { password: withAbsoluteFile(one.password, folder) }
      if ('cert' in one) return { cert: absolute(one.cert), key: absolute(one.key), ...password }
      if ('folder' in one) return { folder: absolute(one.folder), ...password }
      return { pkcs12: absolute(one.pkcs12), ...password }
    }),
    ...(certs.folder !== undefined && { folder: absolute(certs.folder) }),
    own: certs.own.server
      ? {
          ...certs.own,
          server: {
            ...certs.own.server,
            accounts: Object.fromEntries(
              Object.entries(certs.own.server.accounts).map(([kid, key]) => [kid, withAbsoluteFile(key, folder)]),
            ),
          },
        }
      : certs.own,
  }
}

function isNameServer(text: string): boolean {
  const [, host4 = '', host6 = '', port = '53'] = /^(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(\d{1,5}))?$/.exec(text) ?? []
  return isIPv6(text) || ((isIPv4(host4) || isIPv6(host6)) && Number(port) >= 1 && Number(port) <= 65_535)
}
