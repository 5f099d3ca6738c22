/**
 * Going through all that the vault holds, soon after the start and then daily: certificates of names that are still
 * served are taken into care, those of nobody are removed two weeks after their end. In the background, one after the
 * other, with rests in between.
 */

import { limits } from '../core/limits.ts'
import { orderKey } from './acme/order-note.ts'
import { type CertificateRecord, decodeRecord, recordId } from './managed-record.ts'
import type { TendOptions } from './managed-tend.ts'
import { createPace } from './pace.ts'

/** What a walk needs. */
export interface WalkOptions extends Pick<TendOptions, 'vault' | 'environment' | 'log'> {
  /** Names that are looked after. */
  readonly kept: ReadonlyMap<string, unknown>
  /** Takes a name into care if it is one of ours, with what is known of it. */
  readonly adopt: (name: string, record: CertificateRecord) => boolean
  readonly signal: AbortSignal
}

/** Goes through the vault once. Answers how many records it removed. A record that cannot be read is left alone. */
export async function walk({ vault, environment, log, kept, adopt, signal }: WalkOptions): Promise<number> {
  const { walkRecords, sweepNames } = limits.managed
  const [reads, names] = [createPace(environment, walkRecords, signal), createPace(environment, sweepNames, signal)]
  const known = new Set<string>()
  for (const name of kept.keys()) {
    known.add(recordId(name))
    await names.step()
  }
  let removed = 0
  for await (const { key, number } of vault.entries('certs/')) {
    await names.step()
    if (known.has(key.slice('certs/'.length))) continue
    await reads.step()
    try {
      const text = (await vault.read(key, number))?.text
      const record = text === undefined ? undefined : decodeRecord(text)
      if (!record || record.names.some((name) => adopt(name, record)) || !isOver(record, environment.now())) continue
      if (await removeIfOver(key, { vault, environment, signal })) removed += 1
    } catch (error) {
      signal.throwIfAborted()
      log.warn({ err: error, key }, 'the record of a certificate cannot be read; it is left alone')
    }
  }
  return removed
}

/** Under its lease: somebody may have begun to want it, and be ordering the next one. */
async function removeIfOver(
  key: string,
  { vault, environment, signal }: Pick<WalkOptions, 'vault' | 'environment' | 'signal'>,
): Promise<boolean> {
  const lease = await vault.lease(key, signal)
  if (!lease) return false
  await using held = lease
  const text = (await vault.read(key))?.text
  const record = text === undefined ? undefined : decodeRecord(text)
  if (!record || !isOver(record, environment.now())) return false
  // The note of its last order holds the same key.
  if (record.certificate) await held.remove(orderKey(record.certificate.directory, record.names))
  await held.remove(key)
  return true
}

/** Whether a record has been of no use for two weeks. One without any time is as old as it was tried last. */
function isOver({ certificate, lastError, orderingSinceMs, revoked }: CertificateRecord, nowMs: number): boolean {
  const lastMs = Math.max(certificate?.notAfterMs ?? 0, lastError?.atMs ?? 0, orderingSinceMs ?? 0, revoked?.atMs ?? 0)
  return lastMs + limits.managed.expiredMs < nowMs
}
