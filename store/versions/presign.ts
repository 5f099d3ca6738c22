/** Large contents that a client sends straight to the bucket. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash, type SiteName } from '../../core/names.ts'
import { objectKeys } from '../objects/keys.ts'
import type { Objects, PresignedUpload } from '../objects/objects.ts'
import type { Keyring } from '../segments/keyring.ts'

/** What an upload is signed with. */
export interface PresignOptions {
  readonly objects: Objects
  readonly keyring: Keyring | undefined
  readonly owner: string
  readonly name: SiteName
}

/**
 * A URL under which a client can put exactly one content of a site: this hash, this length, for some minutes. The bytes
 * mean nothing before a publish names them: that checks the publisher's right again, and reads and checks them once.
 * Throws `ERR_BAD_REQUEST` where it is not possible: no bucket, or encryption, as the client would send plain bytes.
 */
export async function presignUpload(
  { objects, keyring, owner, name }: PresignOptions,
  { hash, bytes }: { readonly hash: BlobHash; readonly bytes: number },
): Promise<PresignedUpload> {
  if (!isBlobHash(hash) || !Number.isSafeInteger(bytes) || bytes < 0 || bytes > limits.tree.fileBytes)
    throw new GroveError('ERR_BAD_REQUEST', `an upload has a SHA-256 and a length up to ${limits.tree.fileBytes}`)
  const why = keyring
    ? 'the store is encrypted, and what is sent to the bucket directly would not be'
    : objects.presign
      ? undefined
      : 'contents lie on the disk of this machine, not in a bucket'
  if (why === undefined && objects.presign) return objects.presign(objectKeys.large(owner, name, hash), { hash, bytes })
  throw new GroveError('ERR_BAD_REQUEST', `no URL for an upload: ${why}`, { hint: 'send the content to grove itself' })
}
