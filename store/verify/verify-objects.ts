/** Verifying what lies beside the sites: roots in a bucket, objects that nothing names, and the cache on the local disk. */

import { join } from 'node:path'
import { GroveError } from '../../core/errors.ts'
import type { Layout } from '../../core/layout.ts'
import { isBlobHash, type SiteName } from '../../core/names.ts'
import { isContent } from '../contents/content-file.ts'
import { toDiskError } from '../disk-error.ts'
import { objectKeys } from '../objects/keys.ts'
import { readBucket } from '../versions/restore.ts'
import { decodeRoot } from '../versions/root.ts'
import type { SiteState } from '../versions/site-state.ts'
import type { Findings } from './report.ts'
import type { VerifyOptions } from './verify-options.ts'

/** What a log or a root names: the parts of a {@link SiteState} that are objects. */
type Named = Pick<SiteState, 'segments' | 'bare'>

/** Reads the newest root of each site in a bucket. Answers the keys of what roots and sites name. */
export async function verifyRoots(
  options: VerifyOptions,
  findings: Findings,
  sites: ReadonlyMap<SiteName, SiteState | undefined>,
): Promise<Set<string>> {
  const { objects, keyring, owner, signal } = options
  const named = new Set<string>()
  for (const [name, state] of sites) for (const key of keysOf(owner, name, state)) named.add(key)
  if (!objects.isRemote) return named
  const hint = 'publish to the site, or start grove once: a new root is written'
  for (const [name, key] of (await readBucket(objects, owner)).sites) {
    signal?.throwIfAborted()
    try {
      const bytes = await objects.read(key)
      findings.counts.roots += 1
      findings.counts.bytes += bytes.length
      const lost: string[] = []
      for (const object of keysOf(owner, name, decodeRoot(keyring, { owner, site: name, key }, bytes)))
        if (!named.has(object)) {
          named.add(object)
          if ((await objects.stat(object)) === undefined) lost.push(object)
        }
      if (lost.length > 0) throw new GroveError('ERR_BLOB_MISSING', `it names ${lost[0]}, which is not there`)
    } catch (error) {
      findings.addError(`root of ${name}`, error, hint)
    }
  }
  return named
}

function keysOf(owner: string, name: SiteName, state: Named | undefined): string[] {
  return [
    ...(state?.segments ?? []).map(({ id }) => objectKeys.segment(owner, name, id)),
    ...(state?.bare ?? []).map(({ id }) => objectKeys.large(owner, name, id)),
  ]
}

/**
 * Counts objects that nothing names. Those of a site whose log could not be read are left out: nobody knows what it
 * names.
 */
export async function countUnreferenced(
  options: VerifyOptions,
  findings: Findings,
  sites: ReadonlyMap<SiteName, SiteState | undefined>,
  named: ReadonlySet<string>,
): Promise<void> {
  const { objects, owner, signal } = options
  for (const prefix of [`${owner}/seg/`, `${owner}/big/`]) {
    for await (const { key, bytes } of objects.list(prefix)) {
      signal?.throwIfAborted()
      const name = key.slice(prefix.length).split('/')[0] ?? ''
      if (named.has(key) || (sites.has(name) && sites.get(name) === undefined)) continue
      findings.counts.unreferenced += 1
      findings.counts.unreferencedBytes += bytes
    }
  }
}

/** Reads every file of the cache, and every content that was sent: each has to be that of its name. */
export async function verifyCache(options: VerifyOptions, findings: Findings): Promise<void> {
  const { layout } = options
  if (!layout) return
  const { counts } = findings
  const cacheHint = 'remove the file: it is fetched again when it is wanted'
  counts.cached = await verifyFiles(options, findings, layout.blobs, cacheHint)
  counts.uploads = await verifyFiles(options, findings, layout.uploads, 'remove the file: its sender sends it again')
}

async function verifyFiles(
  { env, signal, onProgress }: VerifyOptions,
  findings: Findings,
  folder: Layout['blobs'],
  hint: string,
): Promise<number> {
  let done = 0
  for (const part of (await env.files.list(folder)).sort()) {
    for (const name of (await env.files.list(join(folder, part))).sort()) {
      signal?.throwIfAborted()
      const file = join(folder, part, name)
      if (!isBlobHash(name)) continue
      try {
        const found = await env.files.stat(file).catch((error: unknown) => {
          throw toDiskError(`look at ${file}`, error)
        })
        const isRight = await isContent(env, file, name)
        // What is gone by now was evicted or published.
        if (isRight === undefined) continue
        findings.counts.bytes += found?.bytes ?? 0
        if (!isRight) throw new GroveError('ERR_BLOB_CORRUPT', 'it has another content than its name says')
      } catch (error) {
        findings.addError(file, error, hint)
      }
      done += 1
      onProgress?.({ what: 'cache', done, of: undefined, bytes: findings.counts.bytes })
    }
  }
  return done
}
