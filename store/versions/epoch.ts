/**
 * Epochs: which store is in charge of an owner's objects in a bucket. Each start of a store claims a new one, by creating
 * an object that nobody else can create; the newest is in charge. Who was in charge before finds out when it looks, and
 * writes no checkpoint any more. What it may still write by then lies under its own, older epoch.
 */

import { z } from 'zod'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../environment.ts'
import { epochOf, objectKeys } from '../objects/keys.ts'
import { isObjectsError } from '../objects/object-errors.ts'
import type { Objects } from '../objects/objects.ts'

/** A claim on an owner's objects. */
export interface Epoch {
  /** 1 and up. */
  readonly number: number
  /** Throws `ERR_FENCED` when a newer store has taken over, and from then on always; `ERR_OBJECTS`. */
  check(): Promise<void>
}

/** What an epoch is claimed with. */
export interface EpochOptions {
  readonly objects: Objects
  readonly env: Environment
  readonly owner: string
  /** Of the store that claims; for people who look into the bucket. */
  readonly storeId: string
  /** The epochs that were there a moment ago, oldest first. Looked up when they are not given. */
  readonly known?: readonly number[]
  /** Told of a claim before it is made, so that one whose answer is lost is known for one's own: see {@link readClaim}. */
  readonly intend?: (number: number, claim: string) => Promise<void>
}

const claimSchema = z.object({ store: z.string(), atMs: z.number(), claim: z.string() })

/** How many others may claim at the same moment. */
const claimTries = 16

/** Claims the next epoch of an owner's objects. Throws `ERR_OBJECTS`, `ERR_FENCED` when others are always faster. */
export async function claimEpoch({ objects, env, owner, storeId, known, intend }: EpochOptions): Promise<Epoch> {
  for (let attempt = 0; attempt < claimTries; attempt += 1) {
    const epochs = attempt === 0 && known ? known : await epochsOf(objects, owner)
    const number = (epochs.at(-1) ?? 0) + 1
    // Random, so that equal claims differ: the second of two is told that the key is taken.
    const claim = env.randomBytes(16).toString('hex')
    await intend?.(number, claim)
    const text = JSON.stringify({ store: storeId, atMs: env.now(), claim })
    if (!(await created(objects, objectKeys.epoch(owner, number), text))) continue
    const old = epochs.slice(0, -limits.store.epochsKept)
    if (old.length > 0) await objects.remove(old.map((epoch) => objectKeys.epoch(owner, epoch)))
    return openEpoch(objects, env, owner, number)
  }
  throw new GroveError('ERR_FENCED', `others always claim ${objects.name} first`, { hint: 'stop all but one store' })
}

/** What tells the claim of an epoch from others of the same number; undefined when it cannot be read. */
export async function readClaim(objects: Objects, owner: string, epoch: number): Promise<string | undefined> {
  return (await claimOf(objects, owner, epoch))?.claim
}

function openEpoch(objects: Objects, env: Environment, owner: string, number: number): Epoch {
  let fencedBy: number | undefined
  let listedAtMs = env.monotonic()

  /** The next epoch is looked for by its name, which is cheap; all of them now and then, as old ones go. */
  async function newer(): Promise<number | undefined> {
    const nowMs = env.monotonic()
    if (nowMs - listedAtMs < limits.store.epochsEveryMs)
      return (await objects.stat(objectKeys.epoch(owner, number + 1))) && number + 1
    const epochs = await epochsOf(objects, owner)
    listedAtMs = nowMs
    return epochs.findLast((epoch) => epoch > number)
  }

  return {
    number,
    async check() {
      fencedBy ??= await newer()
      if (fencedBy !== undefined) throw await fenced(objects, owner, number, fencedBy)
    },
  }
}

async function created(objects: Objects, key: string, text: string): Promise<boolean> {
  try {
    await objects.create(key, { bytes: Buffer.from(text) })
    return true
  } catch (error) {
    if (isObjectsError(error, 'taken')) return false
    throw error
  }
}

/** Oldest first. */
async function epochsOf(objects: Objects, owner: string): Promise<number[]> {
  const epochs: number[] = []
  for await (const { key } of objects.list(objectKeys.epochs(owner))) {
    const epoch = epochOf(key)
    if (epoch !== undefined) epochs.push(epoch)
  }
  return epochs
}

async function claimOf(
  objects: Objects,
  owner: string,
  epoch: number,
): Promise<z.output<typeof claimSchema> | undefined> {
  const text = (await objects.read(objectKeys.epoch(owner, epoch))).toString('utf8')
  try {
    return claimSchema.parse(JSON.parse(text))
  } catch {
    return undefined // No claim of ours, whatever it is.
  }
}

async function fenced(objects: Objects, owner: string, own: number, newer: number): Promise<GroveError> {
  // Who it is helps people; that it is there is enough.
  const claim = await claimOf(objects, owner, newer).catch(() => undefined)
  const by = claim ? ` by store ${claim.store} at ${new Date(claim.atMs).toISOString()}` : ''
  return new GroveError(
    'ERR_FENCED',
    `${objects.name} was taken over${by}: epoch ${newer} is newer than ours, ${own}`,
    {
      details: { epoch: newer, own },
      hint: 'only one grove may write to a bucket: stop one of them, or give each its own prefix',
    },
  )
}
