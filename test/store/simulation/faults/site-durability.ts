/** Faults of what a published version means: it is acknowledged before all of it is on the disk or in the bucket. */

import { blobFile, uploadFile } from '../../../../core/layout.ts'
import type { Files, FileWriter } from '../../../../store/environment.ts'
import { isObjectsError } from '../../../../store/objects/object-errors.ts'
import type { ObjectSource } from '../../../../store/objects/objects.ts'
import type { PlantedFault, SitePieces } from '../fault.ts'
import { instead } from './instead.ts'

/** A fault of durability. */
type DurabilityFault = PlantedFault<SitePieces>

/** Files of which some are written in another way. */
function writing(
  files: Files,
  isOne: (path: string) => boolean,
  change: (writer: FileWriter) => Partial<FileWriter>,
): Files {
  return {
    ...files,
    async create(path) {
      const writer = await files.create(path)
      return isOne(path) ? { ...writer, ...change(writer) } : writer
    },
  }
}

async function bytesOf(files: Files, source: ObjectSource): Promise<Uint8Array> {
  return 'bytes' in source ? source.bytes : files.read(source.file)
}

const segmentUnsynced: DurabilityFault = {
  name: 'a segment is not synced before its entry is written',
  breaks: 'a power failure leaves a version whose contents are torn',
  caughtBy: ['whole versions', 'verifies clean'],
  seeds: 80,
  plant: () => ({
    files: (files, layout) =>
      writing(
        files,
        (path) => path.startsWith(layout.temporary) || path.startsWith(layout.objects),
        () => ({ async sync() {} }),
      ),
  }),
}

const objectFolderUnsynced: DurabilityFault = {
  name: 'the folder of a new object is not synced',
  breaks: 'a power failure takes the name of a segment that an entry names',
  caughtBy: ['whole versions', 'verifies clean'],
  seeds: 80,
  plant: () => ({
    files: (files, layout) => ({
      ...files,
      async syncFolder(path) {
        if (!path.startsWith(layout.objects)) await files.syncFolder(path)
      },
    }),
  }),
}

const entryFirst: DurabilityFault = {
  name: 'the entry of a publish is written before its segment is',
  breaks: 'a crash in between leaves a version without contents',
  caughtBy: ['whole versions', 'verifies clean', 'cold starts whole'],
  seeds: 80,
  plant: () => ({
    objects: (objects, env) =>
      instead(objects, {
        async create(key, source) {
          const bytes = await bytesOf(env.files, source)
          const late = env.sleep(30).then(() => objects.create(key, { bytes }))
          late.catch(() => {})
          return 'created'
        },
      }),
  }),
}

const failedCreation: DurabilityFault = {
  name: 'a creation that failed is taken for done',
  breaks: 'an entry names an object that is not there',
  caughtBy: ['whole versions', 'verifies clean', 'cold starts whole'],
  seeds: 150,
  plant: () => ({
    objects: (objects) =>
      instead(objects, {
        create: (key, source) =>
          objects.create(key, source).catch((error: unknown) => {
            if (isObjectsError(error, 'unreachable')) return 'created' as const
            throw error
          }),
      }),
  }),
}

const freshUnnoted: DurabilityFault = {
  name: 'contents of the cache are not noted before they get their names',
  breaks: 'after a power failure fronts send torn contents',
  caughtBy: ['whole versions'],
  seeds: 80,
  plant: () => ({
    files: (files, layout) =>
      writing(
        files,
        (path) => path.startsWith(layout.fresh),
        () => ({ async write() {} }),
      ),
  }),
}

const uploadBelieved: DurabilityFault = {
  name: 'an upload of an earlier process is taken for whole',
  breaks: 'one that a power failure tore is moved into the cache, and fronts send it',
  caughtBy: ['whole versions'],
  seeds: 80,
  plant: () => ({
    blobs: (blobs, { files }) =>
      instead(blobs, {
        async settle(hashes) {
          for (const hash of hashes) {
            const upload = uploadFile(blobs.layout, hash)
            if (await files.stat(upload)) await files.rename(upload, blobFile(blobs.layout, hash))
          }
        },
      }),
  }),
}

/** Faults of durability, of sites. */
export const siteDurabilityFaults: readonly DurabilityFault[] = [
  segmentUnsynced,
  objectFolderUnsynced,
  entryFirst,
  failedCreation,
  freshUnnoted,
  uploadBelieved,
]
