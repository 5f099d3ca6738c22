/** Faults of what an acknowledgement means: it is given before everything is on the disk (G2). */

import type { Disk } from '../disk.ts'
import type { LogPieces, PlantedFault } from '../fault.ts'

/** A fault of how commits reach the disk. */
type DurabilityFault = PlantedFault<LogPieces>

const journalUnsynced: DurabilityFault = {
  name: 'a commit is not synced',
  breaks: 'the write is acknowledged from the page cache, and a power failure takes it',
  caughtBy: ['acknowledged once'],
  seeds: 50,
  plant: () => ({ steps: () => ({ sync() {} }) }),
}

const acknowledgedEarly: DurabilityFault = {
  name: 'a commit is acknowledged before it is written',
  breaks: 'it reaches the disk with the next one, if there is a next one',
  caughtBy: ['acknowledged once'],
  seeds: 50,
  plant: () => ({
    steps(disk) {
      let late: (() => void) | undefined
      return {
        write(...write: Parameters<Disk['write']>) {
          late?.()
          const [inode, offset, bytes] = write
          late = () => {
            disk.write(inode, offset, bytes)
            disk.sync(inode)
          }
        },
        sync() {},
      }
    },
  }),
}

const syncedAgain: DurabilityFault = {
  name: 'a failed sync is tried again and believed',
  breaks: 'the second one says OK for pages that the first one gave up',
  caughtBy: ['acknowledged once'],
  seeds: 200,
  plant: () => ({
    steps: (disk) => ({
      sync(inode) {
        try {
          disk.sync(inode)
        } catch {
          disk.sync(inode)
        }
      },
    }),
  }),
}

const nameUnsynced: DurabilityFault = {
  name: 'the name of a new store is not synced',
  breaks: 'a power failure takes the file with all that was acknowledged',
  caughtBy: ['acknowledged once', 'same store'],
  seeds: 50,
  plant: () => ({ steps: () => ({ syncFolder() {} }) }),
}

/** Faults of durability, of logs. */
export const durabilityFaults: readonly DurabilityFault[] = [
  journalUnsynced,
  acknowledgedEarly,
  syncedAgain,
  nameUnsynced,
]
