/**
 * Handles that were found good, remembered: checking one costs an HMAC for itself and for each of its caveats, looking
 * it up one digest. Only what a handle says is remembered, never whether its grant is alive.
 *
 * Kept by digest, so that neither the time of a look-up nor a dump of the memory tells a handle.
 */

import { hash } from 'node:crypto'
import { limits } from '../../core/limits.ts'
import { type HandleKeys, type OpenedHandle, openHandle } from '../grants/handle.ts'
import type { Handle } from '../store.ts'

/** Opens handles with some keys, each once. Is of no use once there are other keys. */
export function knownHandles(keys: HandleKeys): (handle: Handle) => OpenedHandle | undefined {
  /** Keyed by digest. */
  const known = new Map<string, OpenedHandle>()
  return (handle) => {
    // Nothing that long is a handle, and digests of such are work that anybody could ask for.
    if (typeof handle !== 'string' || handle.length > limits.store.handleChars) return undefined
    const digest = hash('sha256', handle, 'base64')
    const found = known.get(digest)
    if (found) return found
    const opened = openHandle(handle, keys)
    if (!opened) return undefined
    // Those in use come back at once.
    if (known.size >= limits.store.handlesKnown) known.clear()
    known.set(digest, opened)
    return opened
  }
}
