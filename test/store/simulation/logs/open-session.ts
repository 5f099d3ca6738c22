/** Opens the real store over the records of a simulated disk, with the pieces that a planted fault replaces. */

import { isGroveError } from '../../../../core/errors.ts'
import { createStore } from '../../../../store/logs/create-store.ts'
import { openEngine } from '../../../../store/logs/engine.ts'
import type { Store } from '../../../../store/store.ts'
import type { Disk } from '../disk.ts'
import type { LogPieces } from '../fault.ts'
import { openJournalRecords } from '../journal-records.ts'
import type { Life } from '../machine.ts'
import type { Random } from '../random.ts'

/** The file of the records. */
export const journalFile = '/store.journal'

/** What a store is opened on. */
export interface Opening {
  readonly disk: Disk
  readonly life: Life
  readonly random: Random
  readonly pieces: LogPieces
  /** Is told how many entries the records gave away at a time. */
  readonly handedOut?: (entries: number) => void
}

/**
 * Opens the store as the driver with its own thread does: the rules run at one moment, the way there and back takes a
 * while. Throws `ERR_DATA_IO`.
 */
export function openSimulatedStore({ disk, life, random, pieces, handedOut }: Opening): Store {
  const { env } = life
  const steps = { write: disk.write, sync: disk.sync, syncFolder: disk.syncFolder, ...pieces.steps?.(disk) }
  const own = openJournalRecords(disk, journalFile, { ...env, steps })
  const records = {
    ...own,
    page(logId: number, afterSeq: number, uptoSeq: number) {
      const entries = own.page(logId, afterSeq, uptoSeq)
      handedOut?.(entries.length)
      return entries
    },
  }
  const plain = openEngine(pieces.records?.(records) ?? records, { processKey: env.randomBytes(32) })
  const engine = pieces.engine?.(plain) ?? plain
  const pause = () => env.sleep(random.fraction() * 0.5)
  const store = createStore(
    {
      hello: engine.hello,
      async run(batch) {
        await pause()
        const answer = engine.run(batch)
        await pause()
        return answer
      },
      close: async () => engine.close(),
    },
    env,
  )
  return pieces.store?.(store) ?? store
}

/** Makes a log unless it is there. */
export async function makeLog(store: Store, path: string, serialized: boolean): Promise<void> {
  try {
    await store.create(store.root, path, { serialized })
  } catch (error) {
    if (!isGroveError(error, 'ERR_EXISTS')) throw error
  }
}
