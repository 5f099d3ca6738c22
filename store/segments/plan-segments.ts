/** Which contents and nodes go into which segment, and in which order. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { FrameKind } from './segment.ts'

/** What is to be packed. */
export interface PlanItem {
  readonly hash: BlobHash
  readonly kind: FrameKind
  readonly bytes: number
  /** A content's path, one of them if it has several. Only the order follows from it. */
  readonly path?: string
}

/** Whether a content is too large for a segment and becomes an object by itself. */
export function isBare(bytes: number): boolean {
  return bytes > limits.segment.bareBytes
}

/**
 * Groups of items, each for one segment. What a cold machine needs first comes first: HTML, then nodes, then the other
 * contents by type and path, so that what is alike lies together. There are as few groups as possible, of about
 * the same size: each has `limits.segment.targetBytes` or more, where there is that much and no single large content
 * forces less; none has more than `mostBytes`. A hash that is
 * there twice is packed once, as a node if it is one. No items: no groups. Throws `ERR_TOO_LARGE` for a content that
 * has to be bare.
 */
export function planSegments<T extends PlanItem>(items: readonly T[]): T[][] {
  const once = new Map<BlobHash, T>()
  for (const item of items) {
    if (isBare(item.bytes))
      throw new GroveError('ERR_TOO_LARGE', `content ${item.hash} of ${item.bytes} bytes is too large for a segment`)
    if (!once.has(item.hash) || item.kind === 'node') once.set(item.hash, item)
  }
  return grouped([...once.values()].map(placed).sort(byPlace))
}

interface Placed<T> {
  readonly item: T
  readonly rank: number
  readonly type: string
  readonly path: string
}

function placed<T extends PlanItem>(item: T): Placed<T> {
  const path = item.path ?? ''
  const type = /\.([^./]*)$/.exec(path)?.[1]?.toLowerCase() ?? ''
  const isHtml = type === 'html' || type === 'htm'
  return { item, rank: item.kind === 'node' ? 1 : isHtml ? 0 : 2, type, path }
}

/** By code unit, so the same everywhere. */
function byPlace<T extends PlanItem>(a: Placed<T>, b: Placed<T>): number {
  return a.rank - b.rank || compare(a.type, b.type) || compare(a.path, b.path) || compare(a.item.hash, b.item.hash)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function grouped<T extends PlanItem>(line: readonly Placed<T>[]): T[][] {
  const { targetBytes, mostBytes, entries } = limits.segment
  const groups: T[][] = []
  let group: T[] = []
  let bytes = 0
  let left = line.reduce((sum, { item }) => sum + item.bytes, 0)
  let aim = evenShare(left)
  for (const { item } of line) {
    // Closer to the share without the item than with it; and what is left and fits in one goes along.
    const isEnough = bytes >= targetBytes && bytes + item.bytes / 2 > aim && bytes + left > mostBytes
    if (group.length > 0 && (isEnough || bytes + item.bytes > mostBytes || group.length >= entries)) {
      groups.push(group)
      group = []
      bytes = 0
      aim = evenShare(left)
    }
    group.push(item)
    bytes += item.bytes
    left -= item.bytes
  }
  if (group.length > 0) groups.push(group)
  return groups
}

/** What each of as few segments as possible has of so many bytes: between half of the most and the most, if it is more. */
function evenShare(bytes: number): number {
  return bytes / Math.max(1, Math.ceil(bytes / limits.segment.mostBytes))
}
