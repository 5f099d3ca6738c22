/** A content that is sent or announced over the control socket: what is said of it before its first byte. */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type BlobHash, isBlobHash } from '../core/names.ts'
import type { AdminRequest } from './admin.ts'

/** The name in the target and the announced length, if there is one. Throws `ERR_BAD_REQUEST`, `ERR_TOO_LARGE`. */
export function contentIn({ params, bodyBytes }: Pick<AdminRequest, 'params' | 'bodyBytes'>): {
  readonly hash: BlobHash
  readonly bytes: number | undefined
} {
  const hash = params['hash'] ?? ''
  if (!isBlobHash(hash)) throw new GroveError('ERR_BAD_REQUEST', 'a blob is named by 64 lower-case hex digits')
  if (bodyBytes !== undefined) requireSize(bodyBytes)
  return { hash, bytes: bodyBytes }
}

/** Throws `ERR_TOO_LARGE` for more bytes than a file can have. */
export function requireSize(bytes: number): void {
  if (bytes > limits.tree.fileBytes)
    throw new GroveError('ERR_TOO_LARGE', `file of ${bytes} bytes; at most ${limits.tree.fileBytes}`)
}
