/** The records of one vault: what counts lies in the bucket when there is one, and the folder then holds copies. */

import type { Logger } from 'pino'
import type { Environment } from '../store/environment.ts'
import type { Keyring } from '../store/segments/keyring.ts'
import { createCopies } from './vault-copies.ts'
import { currentOf, revisionsOf } from './vault-objects.ts'
import type { VaultPlace } from './vault-place.ts'
import { type FoundRecord, findRecord } from './vault-reader.ts'
import { type FencedWrite, removeRecord, writeFenced, writeRecord } from './vault-writer.ts'

/** Where records lie and how they are sealed. */
export interface RecordsOptions {
  readonly env: Environment
  /** The folder. */
  readonly near: VaultPlace
  /** The bucket, when there is one. */
  readonly remote?: VaultPlace | undefined
  readonly keyring?: Keyring | undefined
  readonly log: Logger
}

/** Records of one vault. Keys are not checked here. */
export interface Records {
  /** Where that lies which counts. */
  readonly truth: VaultPlace
  /** See {@link findRecord}. */
  find(key: string, listed?: number): Promise<FoundRecord | undefined>
  /** The same of what lies in the folder. */
  findNear(key: string): Promise<FoundRecord | undefined>
  /** The number of the newest record, 0 for none. Reads nothing. */
  newest(key: string): Promise<number>
  /** See {@link writeRecord}. */
  write(key: string, text: string, expect: number): Promise<number>
  /** See {@link writeFenced}. */
  writeFenced(key: string, text: string, fence: FencedWrite): Promise<number>
  /** See {@link removeRecord}. */
  remove(key: string, fence?: FencedWrite): Promise<void>
}

/** The records of a folder or a bucket. */
export function createRecords({ env, near, remote, keyring, log }: RecordsOptions): Records {
  // Whoever can write to the folder has this machine; a bucket can be written to by others.
  const nearby = { place: near, seal: { env, keyring, isPlainTaken: true }, log }
  const away = remote && {
    place: remote,
    seal: { env, keyring, isPlainTaken: false },
    copies: createCopies(near, nearby.seal, log),
    log,
  }
  const truth = away ?? nearby
  return {
    truth: truth.place,
    find: (key, listed) => findRecord(truth, key, listed),
    findNear: (key) => findRecord(nearby, key),
    newest: async (key) => currentOf(await revisionsOf(truth.place, key)),
    write: (key, text, expect) => writeRecord(truth, key, text, expect),
    writeFenced: (key, text, fence) => writeFenced(truth, key, text, fence),
    remove: (key, fence) => removeRecord(truth, key, fence),
  }
}
