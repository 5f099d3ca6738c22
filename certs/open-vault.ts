/** Opening the vault: a folder, or a bucket with a folder before it. */

import type { Logger } from 'pino'
import { GroveError } from '../core/errors.ts'
import type { Environment } from '../store/environment.ts'
import type { Objects } from '../store/objects/objects.ts'
import type { Keyring } from '../store/segments/keyring.ts'
import { createHeartbeat } from './heartbeat.ts'
import { checkOwnKey, createLeases, leasesWord } from './lease.ts'
import type { Vault, VaultEntry, VaultRecord } from './vault.ts'
import { bucketPlace, folderPlace, type VaultPlace } from './vault-place.ts'
import type { FoundRecord } from './vault-reader.ts'
import { byAge, checkRecordKey, parseObject, type Revision } from './vault-record.ts'
import { createRecords, type RecordsOptions } from './vault-records.ts'
import { sweepVault } from './vault-sweep.ts'

/** Where the vault lies, and how. */
export interface VaultOptions {
  readonly env: Environment
  /**
   * A folder of this machine, or of a file system that several share and that knows hard links and tells all of them the
   * same at once. Made when missing.
   */
  readonly folder: string
  /**
   * A bucket. Then several machines share that, and the folder, which is this process's own, holds copies. The caller
   * closes it, after the vault.
   */
  readonly remote?: Objects | undefined
  /** Seals what is written. Records in the clear from before are still read from the folder, and refused in the bucket. */
  readonly keyring?: Keyring | undefined
  readonly log: Logger
}

/** Opens the vault. Reads nothing. Rejects with `ERR_DATA_IO`. */
export async function openVault({ folder, remote, ...options }: VaultOptions): Promise<Vault> {
  const near = await folderPlace(options.env, folder)
  return createVault({ ...options, near, remote: remote && bucketPlace(remote) })
}

/** The vault in places that are open already; it closes the near one. */
export function createVault(options: RecordsOptions): Vault {
  const { env, near, remote, log } = options
  const records = createRecords(options)
  const heartbeat = createHeartbeat(env, records.truth)
  const leases = createLeases({ env, records, heartbeat, log })
  return {
    async read(key, listed) {
      return toRecord(await records.find(checkOwnKey(key), listed))
    },
    async readNear(key) {
      const found = await records.findNear(checkOwnKey(key))
      if (remote && found?.text === undefined) return toRecord(await records.find(key))
      return toRecord(found)
    },
    async write(key, text, expect) {
      return records.write(checkOwnKey(key), text, expect)
    },
    async remove(key) {
      return records.remove(checkOwnKey(key))
    },
    async *list(prefix) {
      for await (const { key } of listNewest(records.truth, prefix)) yield key
    },
    entries: (prefix) => listNewest(records.truth, prefix),
    lease: (name, signal) => leases.take(name, signal),
    sweep: (signal) => sweepVault(options, heartbeat, signal),
    async [Symbol.asyncDispose]() {
      await leases[Symbol.asyncDispose]()
      // What cannot be taken away now is swept by another one.
      await heartbeat.end().catch((error) => log.warn({ err: error }, 'the sign of life of the vault stays behind'))
      await near[Symbol.asyncDispose]()
    },
  }
}

/** Throws what is wrong with the newest record when there is none that is whole. */
function toRecord(found: FoundRecord | undefined): VaultRecord | undefined {
  if (!found) return undefined
  const { number, text, fault } = found
  if (text !== undefined) return { number, text }
  throw fault ?? new GroveError('ERR_CERT', 'a record of the vault has no content')
}

/** Objects of one key follow each other. */
async function* listNewest(place: VaultPlace, prefix: string): AsyncGenerator<VaultEntry> {
  let newest: (Revision & VaultEntry) | undefined
  for await (const { key: object } of place.keys(checkListPrefix(prefix))) {
    const found = parseObject(object)
    if (!found || found.key.startsWith(`${leasesWord}/`)) continue
    if (newest && newest.key !== found.key && !newest.isGone) yield newest
    if (newest?.key !== found.key || byAge(found, newest) < 0) newest = found
  }
  if (newest && !newest.isGone) yield newest
}

/** Throws `ERR_BAD_REQUEST`. */
function checkListPrefix(prefix: string): string {
  if (prefix === '') return prefix
  if (prefix.endsWith('/')) return `${checkRecordKey(prefix.slice(0, -1))}/`
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(prefix.slice(0, 80))} does not end with a slash`)
}
