/**
 * A simulated bucket: it outlives machines, and answers like S3 on a bad day. A request can fail before anything was
 * done, or after; a creation that failed can still be done later; what is read can be damaged on the way.
 */

import type { Environment } from '../../../store/environment.ts'
import { noObject, objectsError, shortObject, takenObject } from '../../../store/objects/object-errors.ts'
import { piecesOf } from '../../../store/objects/object-source.ts'
import type { ByteRange, ObjectInfo, ObjectSource, Objects } from '../../../store/objects/objects.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'

/** How often a bucket fails: probabilities of one request. */
export interface BucketFaults {
  /** Nothing was done. */
  before: number
  /** It was done, and nobody is told so. */
  after: number
  /** A creation fails, and is done some time later all the same. */
  late: number
  /** What is read has another byte, or is shorter. */
  damage: number
}

/** A bucket. */
export interface Bucket {
  readonly faults: BucketFaults
  /** The objects as one process uses them. */
  connect(env: Environment): Objects
  /** Puts an object as somebody does who has a pre-signed URL, whatever its bytes. */
  send(key: string, bytes: Uint8Array): void
  /** Another bucket with the same objects, in which nothing fails. */
  copy(): Bucket
  /** What others see who write nothing: the objects as they are at each moment, and what they put beside them. */
  view(): Bucket
}

/** Objects by key: of the bucket itself, or beside those of another. */
interface Shelf {
  get(key: string): Kept | undefined
  set(key: string, kept: Kept): void
  delete(key: string): void
  keys(): string[]
}

interface Kept {
  readonly bytes: Buffer
  readonly modifiedMs: number
}

const pageObjects = 5
const streamBytes = 4_096

/** An empty bucket in which nothing fails yet. `now`: its clock. */
export function createBucket(scheduler: Scheduler, random: Random, now: () => number): Bucket {
  return bucketOf(shelfOf(new Map()), { scheduler, random, now })
}

interface Around {
  readonly scheduler: Scheduler
  readonly random: Random
  readonly now: () => number
}

function bucketOf(shelf: Shelf, around: Around): Bucket {
  const faults: BucketFaults = { before: 0, after: 0, late: 0, damage: 0 }
  return {
    faults,
    connect: (env) => connected(shelf, faults, around, env),
    send(key, bytes) {
      if (!shelf.get(key)) shelf.set(key, { bytes: Buffer.from(bytes), modifiedMs: around.now() })
    },
    copy() {
      const copied = new Map<string, Kept>()
      for (const key of shelf.keys()) copied.set(key, shelf.get(key) as Kept)
      return bucketOf(shelfOf(copied), around)
    },
    view: () => bucketOf(viewOf(shelf), around),
  }
}

function shelfOf(kept: Map<string, Kept>): Shelf {
  return {
    get: (key) => kept.get(key),
    set: (key, one) => void kept.set(key, one),
    delete: (key) => void kept.delete(key),
    keys: () => [...kept.keys()],
  }
}

function viewOf(under: Shelf): Shelf {
  /** Undefined: removed here. */
  const own = new Map<string, Kept | undefined>()
  return {
    get: (key) => (own.has(key) ? own.get(key) : under.get(key)),
    set: (key, one) => void own.set(key, one),
    delete: (key) => void own.set(key, undefined),
    keys: () => [...new Set([...under.keys(), ...own.keys()])].filter((key) => !own.has(key) || own.get(key)),
  }
}

function connected(kept: Shelf, faults: BucketFaults, { scheduler, random, now }: Around, env: Environment): Objects {
  const name = 's3://simulated'
  const put = (key: string, bytes: Buffer) => kept.set(key, { bytes, modifiedMs: now() })
  const fails = (probability: number) => probability > 0 && random.chance(probability)
  const unreachable = (what: string) => objectsError(`${name} does not answer: ${what}`, { reason: 'unreachable' })

  /** One request: it takes a while, and can fail before or after it is done. */
  async function request<T>(what: string, act: () => T): Promise<T> {
    await env.sleep(1 + 9 * random.fraction())
    if (fails(faults.before)) throw unreachable(what)
    const answer = act()
    await env.sleep(1 + 4 * random.fraction())
    if (fails(faults.after)) throw unreachable(what)
    return answer
  }

  async function create(key: string, source: ObjectSource): Promise<'created' | 'exists'> {
    const bytes = await bytesOf(env, source)
    if (fails(faults.late)) {
      // Whoever asked may have ended by then: it is the bucket's own.
      scheduler.after(200 * random.fraction(), { alive: true }, () => {
        if (!kept.get(key)) put(key, bytes)
      })
      await env.sleep(50 * random.fraction())
      throw unreachable(`create ${key}`)
    }
    return request(`create ${key}`, () => {
      const found = kept.get(key)
      if (found && !found.bytes.equals(bytes)) throw takenObject(name, key)
      if (!found) put(key, bytes)
      return found ? 'exists' : 'created'
    })
  }

  function part(key: string, range: ByteRange | undefined): Buffer {
    const found = kept.get(key)
    if (!found) throw noObject(name, key)
    const { offset, length } = range ?? { offset: 0, length: found.bytes.length }
    if (offset + length > found.bytes.length) throw shortObject(name, key, { offset, length }, found.bytes.length)
    const bytes = Buffer.from(found.bytes.subarray(offset, offset + length))
    if (!fails(faults.damage) || length === 0) return bytes
    if (random.chance(0.3)) throw shortObject(name, key, { offset, length }, random.below(length))
    const at = random.below(length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 + random.below(255))
    return bytes
  }

  async function* list(prefix: string): AsyncGenerator<ObjectInfo> {
    for (let after = ''; ; ) {
      const page = await request(`list ${prefix}`, () =>
        kept
          .keys()
          .filter((key) => key.startsWith(prefix) && key > after)
          .sort()
          .slice(0, pageObjects)
          .flatMap((key) => infoOf(key, kept.get(key))),
      )
      yield* page
      if (page.length < pageObjects) return
      after = page.at(-1)?.key ?? ''
    }
  }

  return {
    name,
    isRemote: true,
    create,
    async replace(key, bytes) {
      await request(`replace ${key}`, () => put(key, Buffer.from(bytes)))
    },
    read: (key, range) => request(`read ${key}`, () => part(key, range)),
    async *stream(key, range) {
      const bytes = await request(`stream ${key}`, () => part(key, range))
      for (let offset = 0; offset < bytes.length; offset += streamBytes) {
        yield bytes.subarray(offset, offset + streamBytes)
        await env.turn()
      }
    },
    stat: (key) => request(`stat ${key}`, () => infoOf(key, kept.get(key))[0]),
    async remove(keys) {
      await request(`remove ${keys.length}`, () => {
        for (const key of keys) kept.delete(key)
      })
    },
    list,
    presign: async (key, { bytes }) => ({
      url: `${name}/${key}`,
      headers: { 'content-length': String(bytes) },
      untilMs: env.now() + 900_000,
    }),
    requests: {},
    async [Symbol.asyncDispose]() {},
  }
}

function infoOf(key: string, found: Kept | undefined): ObjectInfo[] {
  return found ? [{ key, bytes: found.bytes.length, modifiedMs: found.modifiedMs }] : []
}

/** What is put, which has to have the hash that it is said to have: a bucket holds it against its sum. */
async function bytesOf(env: Environment, source: ObjectSource): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(piecesOf(env, source)))
}
