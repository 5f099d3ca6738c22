/** The manifests of versions' code, as they are asked for again and again. */

import type { Logger } from 'pino'
import { type CodeManifest, codeFiles, readCodeManifest } from '../core/code-manifest.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, VersionNumber } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'
import type { Blobs } from '../store/contents/blobs.ts'
import type { Site } from './site-registry.ts'

/** Reads manifests. */
export interface CodeManifests {
  /**
   * The manifest of a version; undefined where it has no code. One that cannot be read is none: it is from a newer Grove,
   * or came with an import, and the site's files are served all the same. Throws `ERR_BLOB_MISSING`, `ERR_OBJECTS`.
   */
  of(site: Pick<Site, 'name' | 'versions'>, version: VersionNumber): Promise<CodeManifest | undefined>
}

/** Manifests of which none was read. */
export function createCodeManifests({
  blobs,
  log,
}: {
  readonly blobs: Pick<Blobs, 'read'>
  readonly log: Logger
}): CodeManifests {
  /** Keyed by the manifest's own hash. */
  const known = new Map<BlobHash, CodeManifest | undefined>()
  return {
    async of({ name, versions }, version) {
      const file = await versions.find(version, codeFiles.manifest)
      if (!file) return undefined
      if (known.has(file.hash)) return known.get(file.hash)
      if (file.bytes > limits.codeManifest.bytes) return undefined
      await versions.ensure(file.hash)
      const manifest = readCodeManifest(await blobs.read(file.hash))
      if (!manifest)
        log.warn({ site: name, version }, 'the code of a version cannot be read; only its files are served')
      setNewest(known, file.hash, manifest, limits.codeManifest.known)
      return manifest
    },
  }
}
