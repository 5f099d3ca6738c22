/** Faults of contents and objects: what is believed, removed and checkpointed. */

import { join } from 'node:path'
import { uploadFile } from '../../../../core/layout.ts'
import { isObjectsError } from '../../../../store/objects/object-errors.ts'
import type { ObjectInfo } from '../../../../store/objects/objects.ts'
import { collect } from '../../../../store/versions/collect.ts'
import type { PlantedFault, SitePieces } from '../fault.ts'
import { instead } from './instead.ts'
import { versionsThat } from './versions-that.ts'

/** A fault of objects. */
type ObjectsFault = PlantedFault<SitePieces>

const wrongBelieved: ObjectsFault = {
  name: 'what was sent is not held against its hash',
  breaks: 'bytes that nobody has published become a content, and fronts send them',
  caughtBy: ['whole versions', 'verifies clean', 'cold starts whole'],
  seeds: 100,
  plant: () => ({
    blobs: (blobs, env) =>
      instead(blobs, {
        async put(hash, source) {
          const file = join(blobs.layout.temporary, env.randomBytes(8).toString('hex'))
          const writer = await env.files.create(file)
          let bytes = 0
          for await (const chunk of source) {
            await writer.write(chunk)
            bytes += chunk.length
          }
          await writer.close()
          await env.files.rename(file, uploadFile(blobs.layout, hash))
          return bytes
        },
      }),
  }),
}

const takenBelieved: ObjectsFault = {
  name: 'an object that is there is not compared',
  breaks: 'what somebody sent with a signed URL under a wrong name becomes a content',
  caughtBy: ['whole versions', 'verifies clean', 'cold starts whole'],
  seeds: 100,
  plant: () => ({
    objects: (objects) =>
      instead(objects, {
        create: (key, source) =>
          objects.create(key, source).catch((error: unknown) => {
            if (isObjectsError(error, 'taken') && !key.includes('/epoch/')) return 'exists' as const
            throw error
          }),
      }),
  }),
}

const noGrace: ObjectsFault = {
  name: 'a prune removes at once what nobody needs any more',
  breaks: 'a machine that starts from the root of a moment ago does not find it',
  caughtBy: ['cold starts whole'],
  seeds: 150,
  plant: () =>
    versionsThat((versions, around) => ({
      async prune(keep, act) {
        const merged = await versions.prune(keep, act)
        for (let round = 0; round < 2; round += 1) await collect({ ...around, epoch: undefined, graceMs: 0 })
        return merged
      },
    })),
}

const evictsUploads: ObjectsFault = {
  name: 'an eviction takes uploads',
  breaks: 'a publish misses what was sent for it just before',
  caughtBy: ['uploads stay'],
  seeds: 100,
  plant: () => ({
    blobs: (blobs) =>
      instead(blobs, {
        async evict() {
          await blobs.removeUploads(0)
          return blobs.evict()
        },
      }),
  }),
}

const uploadsCollected: ObjectsFault = {
  name: 'a collection takes uploads that are not old',
  breaks: 'a publish misses what was sent for it just before',
  caughtBy: ['uploads stay'],
  seeds: 100,
  plant: () => ({
    blobs: (blobs) => instead(blobs, { removeUploads: (_age, signal) => blobs.removeUploads(0, signal) }),
  }),
}

const oldRoot: ObjectsFault = {
  name: 'the root of an old epoch is read',
  breaks: 'an empty machine starts from what was true before the last restart',
  caughtBy: ['cold starts whole', 'cold equals warm'],
  seeds: 150,
  plant: () => ({
    objects: (objects) =>
      instead(objects, {
        async *list(prefix) {
          const found: ObjectInfo[] = await Array.fromAsync(objects.list(prefix))
          yield* prefix.endsWith('/meta/') ? found.reverse() : found
        },
      }),
  }),
}

const rootPromised: ObjectsFault = {
  name: 'a checkpoint is acknowledged before its root is written',
  breaks: 'a disaster takes what was said to be in the bucket',
  caughtBy: ['cold starts whole', 'cold equals warm'],
  seeds: 150,
  plant: () => ({
    objects: (objects, env) =>
      instead(objects, {
        async replace(key, bytes) {
          if (!key.includes('/root/')) return objects.replace(key, bytes)
          const late = env.sleep(200).then(() => objects.replace(key, bytes))
          late.catch(() => {})
        },
      }),
  }),
}

/** Faults of objects. */
export const objectsFaults: readonly ObjectsFault[] = [
  wrongBelieved,
  takenBelieved,
  noGrace,
  evictsUploads,
  uploadsCollected,
  oldRoot,
  rootPromised,
]
