/** What a store is asked about grants, handles and keys. */

import type { GrantId, Handle, Store } from '../store.ts'
import type { OpenStore } from './open-store.ts'
import { toClaim, toGrantOptions, toText } from './plain.ts'
import { formatTs } from './timestamp.ts'

/** The calls of an open store that are about grants. */
export function grantCalls({
  id,
  env,
  caller,
  requireOpen,
}: OpenStore): Pick<
  Store,
  'grant' | 'grants' | 'show' | 'whoami' | 'revoke' | 'check' | 'charge' | 'rotateKeys' | 'dropKeys'
> {
  return {
    async grant(handle, grantOptions) {
      requireOpen()
      const newId = env.randomBytes(16).toString('base64url') as GrantId
      return caller.call({ kind: 'grant', handle: toText(handle), options: toGrantOptions(grantOptions), id: newId })
    },
    async grants(handle, prefix) {
      requireOpen()
      return caller.call({ kind: 'grants', handle: toText(handle), prefix: toText(prefix) })
    },
    async show(handle, target) {
      requireOpen()
      return caller.call({ kind: 'show', handle: toText(handle), target: toText<Handle | GrantId>(target) })
    },
    async whoami(handle) {
      requireOpen()
      return caller.call({ kind: 'whoami', handle: toText(handle) })
    },
    async revoke(handle, target) {
      requireOpen()
      const { seq, revoked } = await caller.call({
        kind: 'revoke',
        handle: toText(handle),
        target: toText<Handle | GrantId>(target),
      })
      return { ts: formatTs(id, seq), revoked }
    },
    async check(handle, right, path, claim) {
      requireOpen()
      return caller.call({
        kind: 'check',
        handle: toText(handle),
        right: toText(right),
        path: toText(path),
        claim: toClaim(claim),
      })
    },
    async charge(handle, path, claim) {
      requireOpen()
      return caller.call({ kind: 'charge', handle: toText(handle), path: toText(path), claim: toClaim(claim) })
    },
    async rotateKeys(handle) {
      requireOpen()
      return caller.call({ kind: 'rotateKeys', handle: toText(handle), key: new Uint8Array(env.randomBytes(32)) })
    },
    async dropKeys(handle) {
      requireOpen()
      return caller.call({ kind: 'dropKeys', handle: toText(handle) })
    },
  }
}
