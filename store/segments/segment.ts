/**
 * Segments: immutable objects that pack many contents and tree nodes of one site. The bytes are in format.ts.
 *
 * `magic | content frames | node frames | index | footer`. Every frame can be read by itself with one ranged request.
 * The nodes and the index lie at the end, so one range, the tail, tells all but contents.
 */

import type { BlobHash } from '../../core/names.ts'

/** What objects of a site are bound to, so that none passes for another site's. */
export interface SiteContext {
  readonly owner: string
  /** Path of the log whose versions they serve. */
  readonly log: string
}

/** What a segment is bound to; goes into its encryption, so that none passes for an older or a newer one either. */
export interface SegmentContext extends SiteContext {
  /** The interval of versions that it was written for, both ends in it. */
  readonly lo: number
  readonly hi: number
}

/** A segment as logs and roots name it. */
export interface SegmentRef {
  /** SHA-256 of the whole object. */
  readonly id: BlobHash
  readonly bytes: number
  /** Where the first node's frame begins, or the index when there is none; the tail goes from here to the end. */
  readonly tailOffset: number
  /** Where the index begins. */
  readonly indexOffset: number
  /** SHA-256 of the index as it lies there, without the footer: who has read no more than it knows that it is whole. */
  readonly indexHash: BlobHash
  /** The interval of versions that it was written for; see {@link SegmentContext}. */
  readonly lo: number
  readonly hi: number
}

/**
 * What a frame holds: a file's content, or a node of a tree. It tells where the frame lies and not what its bytes may
 * be used for: a file whose content equals a node's has one frame with it.
 */
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

/** What is needed beside a frame to open it: so much of an index. A catalog of frames can keep this and no index. */
export interface SegmentHead {
  readonly ref: SegmentRef
  /** What the segment is sealed with, if it is: the wrapped key as it stands in the segment, 68 bytes. */
  readonly seal: Buffer | undefined
}

/** An index that was read and checked. */
export interface SegmentIndex extends SegmentHead {
  /** In the order in which they lie; keyed by hash. */
  readonly frames: ReadonlyMap<BlobHash, Frame>
}

/** Something to be packed. */
export interface SegmentItem {
  readonly hash: BlobHash
  readonly kind: FrameKind
  /** Length of what {@link SegmentItem.read} gives. */
  readonly bytes: number
  /** Gives the bytes; asked once, when their turn comes. They are checked against the hash. */
  read(): Promise<Uint8Array>
}

/** A content too large for a segment: an object by itself. */
export interface BareRef {
  /** SHA-256 of the object: its name. The hash of the content itself when it is not sealed. */
  readonly id: BlobHash
  /** SHA-256 of the content. */
  readonly hash: BlobHash
  readonly bytes: number
  /** Length of the object. */
  readonly storedBytes: number
  /** The wrapped key in base64, 92 characters; not there when the object is the plain content. */
  readonly seal?: string
}
