/**
 * Taking charge of a bucket at the start. One store at a time is in charge of an owner's objects; which one it is must
 * never be a question of who was started last by accident.
 *
 * A store that has been in charge notes its claim of an epoch, before it makes it. So three cases can be told apart: it
 * goes on (the bucket's newest epoch is the one noted, by a claim of its own, or an older one when the claim was never made);
 * another one has taken over since, or this store was restored from a backup that is older than the bucket (newer than
 * noted, or claimed by another); or it is new and empty, and takes over what is there.
 */

import { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { Environment } from '../store/environment.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Objects } from '../store/objects/objects.ts'
import type { Log, Store } from '../store/store.ts'
import { claimEpoch, type Epoch, readClaim } from '../store/versions/epoch.ts'
import { type BucketState, readBucket } from '../store/versions/restore.ts'

/** What a bucket is taken with. */
export interface TakeBucketOptions {
  readonly store: Store
  readonly objects: Objects
  readonly env: Environment
  readonly owner: string
}

/** A bucket that this store is in charge of. */
export interface TakenBucket {
  readonly epoch: Epoch
  /** Keyed by name: roots of sites, of which the store may know nothing yet. */
  readonly sites: BucketState['sites']
}

const bucketLog = '/bucket'
const sitesLog = '/sites'
const noteSchema = z.object({ bucket: z.string(), epoch: z.int().positive(), claim: z.string() })

type Note = z.output<typeof noteSchema>

/** What this store has noted of a bucket. */
interface Notes {
  /** The newest epoch that it claimed, or was about to. */
  readonly epoch: number
  /** What tells each of its claims from others; of those of one number, any may have been made, however late. */
  readonly claims: ReadonlySet<string>
}

/**
 * Takes charge. Throws `ERR_FENCED` when another store has taken over since this one was last in charge, and when this
 * one has sites of its own and the bucket those of another; `ERR_OBJECTS`.
 */
export async function takeBucket(options: TakeBucketOptions): Promise<TakenBucket> {
  const { store, objects, env, owner } = options
  await using log = await openOwnLog(store, store.root, bucketLog)
  const noted = await readNotes(log, objects.name)
  const { epochs, sites } = await readBucket(objects, owner)
  const newest = epochs.at(-1) ?? 0
  if (noted === undefined) await requireFresh(options)
  else if (!(await isOurs(options, noted, newest))) throw takenOver(objects, noted.epoch, newest)
  const epoch = await claimEpoch({
    objects,
    env,
    owner,
    storeId: store.id,
    known: epochs,
    async intend(epoch, claim) {
      await log.write(Buffer.from(JSON.stringify({ bucket: objects.name, epoch, claim } satisfies Note)))
    },
  })
  return { epoch, sites }
}

async function readNotes(log: Log, bucket: string): Promise<Notes | undefined> {
  let epoch: number | undefined
  const claims = new Set<string>()
  for await (const { data } of log.read()) {
    const note = noteSchema.safeParse(JSON.parse(Buffer.from(data).toString('utf8')))
    if (!note.success) throw new GroveError('ERR_DATA_FORMAT', `${bucketLog} has an entry that is no note of an epoch`)
    if (note.data.bucket !== bucket) continue
    epoch = note.data.epoch
    claims.add(note.data.claim)
  }
  return epoch === undefined ? undefined : { epoch, claims }
}

/** Whether nobody else was in charge since a claim was noted. It may not have been made: then another may have its number. */
async function isOurs({ objects, owner }: TakeBucketOptions, noted: Notes, newest: number): Promise<boolean> {
  if (newest !== noted.epoch) return newest < noted.epoch
  return noted.claims.has((await readClaim(objects, owner, newest)) ?? '')
}

/** A store whose sites' objects lie somewhere else cannot serve them from a bucket that has never seen them. */
async function requireFresh({ store, objects }: TakeBucketOptions): Promise<void> {
  const logs = await store.list(store.root, sitesLog)
  if (!logs.some((path) => path.endsWith('/versions'))) return
  throw new GroveError('ERR_FENCED', `this data folder has sites whose objects were never in ${objects.name}`, {
    hint: 'export the sites (grove store export), start with an empty data folder, and import them there',
  })
}

function takenOver(objects: Objects, own: number, newest: number): GroveError {
  return new GroveError(
    'ERR_FENCED',
    `${objects.name} has epoch ${newest} of another claim than the last one of this data folder, ${own}: another grove has taken it over, or this data folder is an old copy`,
    {
      details: { own, newest },
      hint: 'to serve from this machine, stop the other one and start here with an empty data folder: it takes everything from the bucket',
    },
  )
}

/** Sites of the bucket that the registry's log has never heard of, and that no command has deleted since. */
export async function sitesToAdopt(store: Store, sites: TakenBucket['sites']): Promise<SiteName[]> {
  await using log = await openOwnLog(store, store.root, sitesLog)
  const known = new Set<string>()
  for await (const { data } of log.read()) {
    const entry = z.object({ name: z.string() }).safeParse(JSON.parse(Buffer.from(data).toString('utf8')))
    if (entry.success) known.add(entry.data.name)
  }
  return [...sites.keys()].filter((name) => !known.has(name))
}

/** Has the registry know sites of the bucket: as if they had been made here. */
export async function adoptSites(store: Store, names: readonly SiteName[], nowMs: number): Promise<void> {
  await using log = await openOwnLog(store, store.root, sitesLog)
  // They share few fsyncs: what is written while one is under way goes with the next.
  await forEachParallel(names, limits.control.adoptParallel, async (name) => {
    await log.write(Buffer.from(JSON.stringify({ kind: 'created', name, atMs: nowMs })))
  })
}
