/**
 * Where things lie in the data folder. Every path is made here from hashes and fixed names; nothing that a visitor
 * sends ever becomes part of one.
 */

import { join } from 'node:path'
import type { Coding } from './compiled.ts'
import type { BlobHash } from './names.ts'

/** The paths of one data folder. */
export interface Layout {
  readonly root: string
  /** The store's database. */
  readonly database: string
  /** What publishes and merges have written for good, when there is no bucket: segments and large contents by key. */
  readonly objects: string
  /** Contents by hash, decoded, as fronts read them: `blobs/ab/abcd…`. A cache of what the objects hold. */
  readonly blobs: string
  /** Contents that were sent and not published yet: `uploads/ab/abcd…`. */
  readonly uploads: string
  /** Which contents were taken into the cache lately, and may not be on the disk yet. */
  readonly fresh: string
  /** The ends of segments that lie in a bucket: their trees and indexes. Derived. */
  readonly tails: string
  /** Objects that were found without a use, and when first. */
  readonly unreferenced: string
  /** Encoded copies by the hash of the original: `variants/ab/abcd….br`. Derived. */
  readonly variants: string
  /** Heads and pieces of compiled versions by their own hash: `compiled/ab/abcd…`. Derived. */
  readonly compiled: string
  /** Files being written; emptied when control starts. */
  readonly temporary: string
  readonly certs: string
  /** The control socket, mode 0600. */
  readonly controlSocket: string
  /** Where fronts reach control, mode 0600. */
  readonly frontSocket: string
  /** Where fronts hand requests for plugin routes to control: HTTP, mode 0600. */
  readonly pluginSocket: string
  /** Where fronts reach the supervisor of sandboxes, mode 0600. */
  readonly supervisorSocket: string
  /** Where that supervisor reaches control, mode 0600. */
  readonly sandboxSocket: string
  /** What the code of sites says, a file and an older one for each: `logs/blog.log`. */
  readonly logs: string
  /** Keys of sessions, tickets and identity, mode 0600. */
  readonly keys: string
}

/** The layout of a data folder. Makes nothing. */
export function layoutOf(root: string): Layout {
  return {
    root,
    database: join(root, 'store.db'),
    objects: join(root, 'objects'),
    blobs: join(root, 'blobs'),
    uploads: join(root, 'uploads'),
    fresh: join(root, 'fresh'),
    tails: join(root, 'tails'),
    unreferenced: join(root, 'unreferenced.json'),
    variants: join(root, 'variants'),
    compiled: join(root, 'compiled'),
    temporary: join(root, 'tmp'),
    certs: join(root, 'certs'),
    controlSocket: join(root, 'control.sock'),
    frontSocket: join(root, 'fronts.sock'),
    pluginSocket: join(root, 'plugins.sock'),
    supervisorSocket: join(root, 'supervisor.sock'),
    sandboxSocket: join(root, 'sandboxes.sock'),
    logs: join(root, 'logs'),
    keys: join(root, 'keys.json'),
  }
}

/** The file of a blob. */
export function blobFile(layout: Layout, hash: BlobHash): string {
  return join(layout.blobs, hash.slice(0, 2), hash)
}

/** The file of a content that was sent and not published yet. */
export function uploadFile(layout: Layout, hash: BlobHash): string {
  return join(layout.uploads, hash.slice(0, 2), hash)
}

/** The file of a segment's tail. */
export function tailFile(layout: Layout, segment: BlobHash): string {
  return join(layout.tails, segment)
}

/** The file of a blob's copy in another coding. Empty when the copy is not worth having. */
export function variantFile(layout: Layout, hash: BlobHash, coding: Coding): string {
  return join(layout.variants, hash.slice(0, 2), `${hash}.${coding}`)
}

/** The file of a head or piece of a compiled version, named by the SHA-256 of its bytes. */
export function compiledFile(layout: Layout, hash: BlobHash): string {
  return join(layout.compiled, hash.slice(0, 2), hash)
}
