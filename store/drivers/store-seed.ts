/** What makes one store another than all others. */

import type { Environment } from '../environment.ts'
import { nextKid } from '../grants/handle.ts'
import type { KeyRecord } from '../logs/records.ts'

/** What a new store is made with. */
export interface StoreSeed {
  /** 16 hex digits. */
  readonly storeId: string
  /** Its first key for handles. */
  readonly key: KeyRecord
}

/** A seed that no other store has. */
export function newStoreSeed(env: Pick<Environment, 'now' | 'randomBytes'>): StoreSeed {
  return {
    storeId: env.randomBytes(8).toString('hex'),
    key: { kid: nextKid([]), key: new Uint8Array(env.randomBytes(32)), madeAtMs: env.now() },
  }
}
