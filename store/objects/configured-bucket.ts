/** The bucket that a config names, with the secrets that it names. */

import { X509Certificate } from 'node:crypto'
import { allSecrets, readSecret, readText, type SecretSource, secretFault, type Variables } from '../../core/secrets.ts'
import type { StoreConfig } from '../../core/store-config.ts'
import type { S3Options } from './s3-options.ts'

/** Environment variables in which a secret is looked for that the config does not name, in this order. */
const defaults = {
  accessKeyId: ['GROVE_S3_ACCESS_KEY_ID', 'AWS_ACCESS_KEY_ID'],
  secretAccessKey: ['GROVE_S3_SECRET_ACCESS_KEY', 'AWS_SECRET_ACCESS_KEY'],
} as const

/**
 * What is needed to use the bucket; undefined when the store is a folder. Holds a secret: never log it. Throws
 * `ERR_CONFIG_INVALID`, which tells all secrets and files that cannot be had.
 */
export async function configuredBucket(store: StoreConfig, variables: Variables): Promise<S3Options | undefined> {
  if (store.kind === 'local') return undefined
  const { endpoint, bucket, region, prefix, pathStyle } = store
  const [accessKeyId = '', secretAccessKey = '', roots = ''] = await allSecrets([
    credential('accessKeyId', store.accessKeyId, variables),
    credential('secretAccessKey', store.secretAccessKey, variables),
    store.roots === undefined ? Promise.resolve('') : readRoots(store.roots),
  ])
  const trusted = roots === '' ? {} : { roots }
  return { endpoint, bucket, region, prefix, pathStyle, accessKeyId, secretAccessKey, ...trusted }
}

async function credential(
  name: keyof typeof defaults,
  given: string | SecretSource | undefined,
  variables: Variables,
): Promise<string> {
  const what = `store.${name}`
  if (typeof given === 'string') return given
  if (given !== undefined) return readSecret(given, what, variables)
  const [first, second] = defaults[name]
  const env = [first, second].find((variable) => variables[variable] !== undefined)
  if (env === undefined) throw secretFault(what, `it is not in the config, and neither ${first} nor ${second} is set`)
  return readSecret({ env }, what, variables)
}

async function readRoots(file: string): Promise<string> {
  const what = 'store.roots'
  const text = await readText(file, what)
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw secretFault(what, `file ${file} holds no certificate in PEM`)
  for (const [index, block] of blocks.entries())
    try {
      new X509Certificate(block)
    } catch {
      throw secretFault(what, `certificate ${index + 1} in file ${file} cannot be read`)
    }
  return blocks.join('\n')
}
