/**
 * Segments: immutable objects that pack many contents and tree nodes of one site. See docs/store.md for the bytes.
 *
 * `magic | content frames | node frames | index | footer`. Every frame can be read by itself with one ranged request.
 * The nodes and the index lie at the end, so one range, the tail, tells all but contents.
 */

import type { BlobHash } from '../../core/names.ts'

/** A segment as logs and roots name it. */
export interface SegmentRef {
  /** SHA-256 of the whole object. */
  readonly id: BlobHash
  readonly bytes: number
  /** Where the first node's frame begins; the tail goes from here to the end. */
  readonly tailOffset: number
  /** Where the index begins. */
  readonly indexOffset: number
}

/** What a frame holds: a file's content, or a node of a tree. */
export type FrameKind = 'content' | 'node'

/** How a frame's bytes are packed. */
export type FrameCodec = 'raw' | 'zstd'

/** Where one content or node lies in a segment. */
export interface Frame {
  /** SHA-256 of the bytes that come out. */
  readonly hash: BlobHash
  readonly kind: FrameKind
  readonly codec: FrameCodec
  /** Its place in the segment, from 0: what its encryption is bound to. */
  readonly ordinal: number
  /** Bytes that come out. */
  readonly bytes: number
  readonly offset: number
  /** Bytes in the segment. */
  readonly length: number
}

/** An index that was read and checked. */
export interface SegmentIndex {
  readonly ref: SegmentRef
  /** What it is sealed with, if it is: the wrapped key as it stands in the segment. */
  readonly seal: Buffer | undefined
  /** Keyed by hash. */
  readonly frames: ReadonlyMap<BlobHash, Frame>
}

/** What a segment belongs to; bound into its encryption, so that no segment passes for another's. */
export interface SegmentContext {
  readonly owner: string
  /** Path of the log whose versions it serves. */
  readonly log: string
  /** The interval of versions that it was written for. */
  readonly lo: number
  readonly hi: number
}
