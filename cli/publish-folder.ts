/**
 * Publishing a folder: scan, hash, send what is missing, commit.
 *
 * What is published is the difference from the version that is live when it begins. So of two who publish at the same
 * time both come through when they changed different files, and else the second is told which files the two share.
 */

import type { PublishFile, PublishRequest, PublishResult } from '../core/admin-api.ts'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { AdminClient } from './admin-client.ts'
import { hashFiles, openContent } from './contents.ts'
import type { Progress } from './progress.ts'
import type { ScannedFile } from './scan.ts'

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
  /** What the author should know of the files, a sentence each. */
  readonly notes: readonly string[]
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
  // It brings the bundler with it, which no other command needs.
  const { readPublishedFiles } = await import('./publish-code.ts')
  await using published = await readPublishedFiles(folder)
  const { files, skipped, notes } = published
  const before = await liveFiles(client, site)
  progress.begin('reading', total(files))
  const hashed = await hashFiles(files, (bytes) => progress.add(bytes))
  const contents = new Map<BlobHash, Content>()
  for (const [index, { hash, bytes }] of hashed.entries()) {
    const file = files[index]
    if (file) contents.set(hash, { hash, bytes, file })
  }
  const sent = new Map<BlobHash, number>()
  const request: PublishRequest = {
    opId: randomId(),
    message,
    base: before.version,
    ...changeFrom(before.files, hashed),
  }
  for (let round = 1; round <= limits.cli.publishRounds; round++) {
    progress.begin('publishing', 0)
    const result = await client.publish(site, request)
    if (result.missing.length === 0) {
      return {
        result,
        skipped,
        notes,
        files: files.length,
        bytes: total(hashed),
        sentContents: sent.size,
        sentBytes: [...sent.values()].reduce((sum, bytes) => sum + bytes, 0),
      }
    }
    await sendContents(
      client,
      site,
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

/** What a site has now; version 0 and nothing for one that is not there or was never published. */
async function liveFiles(
  client: AdminClient,
  site: SiteName,
): Promise<{ readonly version: number; readonly files: readonly PublishFile[] }> {
  const live = await client.liveVersion(site)
  return { version: live ?? 0, files: live === undefined ? [] : await client.files(site, live) }
}

/** What has to be put and deleted to come from some files to others. Both lists sorted by path. */
export function changeFrom(
  before: readonly PublishFile[],
  after: readonly PublishFile[],
): { readonly put: PublishFile[]; readonly del: string[] } {
  const hashes = new Map(before.map(({ path, hash }) => [path, hash]))
  const put = after.filter(({ path, hash }) => hashes.get(path) !== hash)
  for (const { path } of after) hashes.delete(path)
  return { put, del: [...hashes.keys()].sort() }
}

interface Content {
  readonly hash: BlobHash
  readonly bytes: number
  readonly file: ScannedFile
}

async function sendContents(
  client: AdminClient,
  site: SiteName,
  contents: readonly Content[],
  progress: Progress,
): Promise<void> {
  progress.begin('sending', total(contents))
  await forEachParallel(contents, limits.cli.parallelSends, async ({ hash, bytes, file }) => {
    await client.putBlob(site, hash, bytes, async () => openContent(file, bytes))
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
