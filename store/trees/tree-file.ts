/** Files of a tree, and how trees differ. */

import type { BlobHash } from '../../core/names.ts'

/** A file of a tree. */
export interface TreeFile {
  /** No leading `/`: `docs/index.html`. */
  readonly path: string
  readonly hash: BlobHash
  readonly bytes: number
}

/** A change of a tree: files that are new or different, and paths that go. */
export interface TreeChange {
  readonly put: readonly TreeFile[]
  readonly del: readonly string[]
}

/** What differs between two trees, each sorted by path. */
export interface TreeDifference {
  readonly added: readonly TreeFile[]
  readonly changed: readonly TreeFile[]
  readonly removed: readonly TreeFile[]
}

/** Gets the bytes of a node by its hash, checked against it. Rejects with `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`. */
export type ReadNode = (hash: BlobHash) => Promise<Uint8Array>

/** A tree that was made: the hash of its root node, and the nodes that are not in the tree that it was made from. */
export interface MadeTree {
  readonly root: BlobHash
  /** Keyed by hash. */
  readonly nodes: ReadonlyMap<BlobHash, Uint8Array>
  /** Of the whole tree. */
  readonly files: number
  readonly bytes: number
}
