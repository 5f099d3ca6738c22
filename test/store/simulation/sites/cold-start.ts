/** Another machine, with an empty disk, starts from the bucket: after a disaster, or beside the one that writes. */

import type { Bucket } from '../bucket.ts'
import type { SitePieces } from '../fault.ts'
import { createMachine } from '../machine.ts'
import type { Random } from '../random.ts'
import type { Scheduler } from '../scheduler.ts'
import type { Files, SeenSite } from './asks.ts'
import { closeSites, openSites, prepareDisk } from './open-session.ts'
import { filesOf, type SiteDesk, seenSite } from './session.ts'

/** What is started. */
export interface ColdStart {
  readonly scheduler: Scheduler
  readonly random: Random
  /** What it starts from; it keeps to itself what it writes. */
  readonly bucket: Bucket
  readonly pieces: SitePieces
  readonly isEncrypted: boolean
  readonly number: number
}

/** Starts it, reads every version of every site whole, and notes what was found. */
export async function startCold(desk: SiteDesk, cold: ColdStart): Promise<void> {
  const { scheduler, random, isEncrypted, number, bucket } = cold
  const machine = createMachine(scheduler, random)
  prepareDisk(machine.disk)
  const life = machine.boot()
  await desk.recorder.ask({ client: 'cold machine', life, store: number }, { call: 'cold start' }, async () => {
    const pieces = cold.pieces.objects ? { objects: cold.pieces.objects } : {}
    const session = await openSites({ disk: machine.disk, life, random, pieces, bucket, isEncrypted }, number)
    const sites: Record<string, SeenSite & { trees: Record<string, Files> }> = {}
    for (const [name, versions] of session.sites) {
      const trees: Record<string, Files> = {}
      for (const { version } of versions.versions) trees[version] = await filesOf(session, name, version)
      if (versions.versions.length > 0) sites[name] = { ...seenSite(versions), trees }
    }
    await closeSites(session)
    return { sites }
  })
  machine.end()
}
