/** Publishing a folder: scan, hash, send what is missing, commit. */

import type { PublishFile, PublishResult } from '../core/admin-api.ts'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { AdminClient } from './admin-client.ts'
import { hashFiles, openContent } from './contents.ts'
import type { Progress } from './progress.ts'
import { type ScannedFile, scanFolder } from './scan.ts'

/** What to publish, and where. */
export interface PublishInput {
  readonly folder: string
  readonly site: SiteName
  readonly message: string
}

/** What was published. */
export interface Published {
  readonly result: PublishResult
  readonly skipped: readonly string[]
  readonly files: number
  readonly bytes: number
  /** Contents that control did not have, each counted once. */
  readonly sentContents: number
  readonly sentBytes: number
}

/**
 * Publishes a folder and resolves when the version is committed. Nothing is sent when something in it is refused, and
 * nothing goes live unless all of it does. A retry inside has the same operation id, so it cannot publish twice.
 */
export async function publishFolder(
  client: AdminClient,
  { folder, site, message }: PublishInput,
  progress: Progress,
): Promise<Published> {
  const { files, skipped } = await scanFolder(folder)
  progress.begin('reading', total(files))
  const hashed = await hashFiles(files, (bytes) => progress.add(bytes))
  const contents = new Map<BlobHash, Content>()
  for (const [index, { hash, bytes }] of hashed.entries()) {
    const file = files[index]
    if (file) contents.set(hash, { hash, bytes, file })
  }
  const sent = new Map<BlobHash, number>()
  const request = { opId: randomId(), message, files: hashed }
  for (let round = 1; round <= limits.cli.publishRounds; round++) {
    const result = await client.publish(site, request)
    if (result.missing.length === 0) {
      return {
        result,
        skipped,
        files: files.length,
        bytes: total(hashed),
        sentContents: sent.size,
        sentBytes: [...sent.values()].reduce((sum, bytes) => sum + bytes, 0),
      }
    }
    await sendContents(
      client,
      result.missing.map((hash) => wanted(contents, hash)),
      progress,
    )
    for (const hash of result.missing) sent.set(hash, contents.get(hash)?.bytes ?? 0)
  }
  throw new GroveError(
    'ERR_CONFLICT',
    `control still misses contents after they were sent ${limits.cli.publishRounds} times`,
  )
}

interface Content {
  readonly hash: BlobHash
  readonly bytes: number
  readonly file: ScannedFile
}

async function sendContents(client: AdminClient, contents: readonly Content[], progress: Progress): Promise<void> {
  progress.begin('sending', total(contents))
  await forEachParallel(contents, limits.cli.parallelSends, async ({ hash, bytes, file }) => {
    await client.putBlob(hash, bytes, async () => openContent(file, bytes))
    progress.add(bytes)
  })
}

function wanted(contents: ReadonlyMap<BlobHash, Content>, hash: BlobHash): Content {
  const content = contents.get(hash)
  if (content) return content
  throw new GroveError('ERR_CHANNEL', `control asks for a content that is not part of this publish: ${hash}`)
}

function total(items: readonly Pick<PublishFile, 'bytes'>[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0)
}
