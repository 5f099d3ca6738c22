/** The keys of encryption at rest that a config names. */

import { allSecrets, readSecret, type SecretSource, secretFault, type Variables, whereOf } from '../../core/secrets.ts'
import { type Keyring, openKeyring, parseKey } from './keyring.ts'

/**
 * The keyring; undefined when the config names no key. Throws `ERR_CONFIG_INVALID`, which tells all keys that cannot be
 * had or are none, and keys that are given twice.
 */
export async function configuredKeyring(
  { keys }: { readonly keys: readonly SecretSource[] },
  variables: Variables,
): Promise<Keyring | undefined> {
  if (keys.length === 0) return undefined
  return openKeyring(await allSecrets(keys.map((source, index) => readKey(source, index, variables))))
}

async function readKey(source: SecretSource, index: number, variables: Variables): Promise<Buffer> {
  const what = `encryption.keys[${index}]`
  const key = parseKey(await readSecret(source, what, variables))
  if (key) return key
  throw secretFault(what, `${whereOf(source)} holds no key: expected 32 bytes, as 64 hex digits or in base64`)
}
