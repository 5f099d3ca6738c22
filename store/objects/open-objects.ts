/** The objects that a config asks for. */

import type { Environment } from '../environment.ts'
import { folderObjects } from './folder-objects.ts'
import type { Objects } from './objects.ts'
import type { S3Options } from './s3-options.ts'

/** Where objects are to lie: in a folder or, with `bucket`, in one. */
export interface ObjectsPlace {
  readonly folder: string
  readonly bucket?: S3Options | undefined
}

/** Opens the objects. The client for buckets is loaded only for one: it takes 40 MB and a fifth of a second. */
export async function openObjects(env: Environment, { folder, bucket }: ObjectsPlace): Promise<Objects> {
  if (bucket === undefined) return folderObjects(env, folder)
  const { s3Objects } = await import('./s3-objects.ts')
  return s3Objects(bucket, env)
}
