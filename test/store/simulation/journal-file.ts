/**
 * The file behind journal records: frames one after the other, each `length | checksum | payload`, where a checksum
 * takes the one before it in, so that what an earlier try left behind is never taken for the next frame.
 */

import { crc32 } from 'node:zlib'
import type { Disk } from './disk.ts'
import type { Inode } from './inode.ts'
import type { Change } from './journal-state.ts'

const headBytes = 8

/** A journal in a file, open at the end of what is known of it. */
export interface JournalFile {
  /**
   * Frames that others have added since, in order, made durable again: they may come from a page cache whose sync failed
   * in a process that is gone. Throws EIO.
   */
  catchUp(): Change[][]
  /** Adds a frame, durable when this returns. Throws EIO, ENOSPC; `uncertain` tells whether it may be there. */
  append(changes: readonly Change[]): void
  /** Set when a sync has failed: whether the last frame is there only a new {@link JournalFile} can tell. */
  readonly uncertain: boolean
}

/** How a journal and its commits reach the disk; a fault replaces one of the steps. */
export interface CommitSteps {
  write(inode: Inode, offset: number, bytes: Uint8Array): void
  sync(inode: Inode): void
  syncFolder(path: string): void
}

/** The journal in a file. */
export function openJournalFile(disk: Disk, inode: Inode, steps: CommitSteps = disk): JournalFile {
  let end = 0
  let checksum = 0
  let seenWrites = -1
  let uncertain = false
  return {
    catchUp() {
      if (inode.writes === seenWrites) return []
      const content = disk.read(inode)
      const frames: Change[][] = []
      let found = { end, checksum }
      for (let frame = frameAt(content, found); frame; frame = frameAt(content, found)) {
        frames.push(frame.changes)
        found = frame
      }
      if (frames.length > 0) {
        disk.write(inode, end, content.subarray(end, found.end))
        disk.sync(inode)
      }
      ;({ end, checksum } = found)
      seenWrites = inode.writes
      return frames
    },
    append(changes) {
      const payload = Buffer.from(JSON.stringify(changes))
      const head = Buffer.alloc(headBytes)
      const next = crc32(payload, checksum)
      head.writeUInt32LE(payload.length, 0)
      head.writeUInt32LE(next, 4)
      try {
        steps.write(inode, end, Buffer.concat([head, payload]))
        uncertain = true
        steps.sync(inode)
        uncertain = false
      } finally {
        // What a failed write has left behind, even all of it, is not taken for a frame: the next one is written over it.
        seenWrites = inode.writes
      }
      end += headBytes + payload.length
      checksum = next
    },
    get uncertain() {
      return uncertain
    },
  }
}

function frameAt(content: Buffer, { end: offset, checksum: before }: { end: number; checksum: number }) {
  if (offset + headBytes > content.length) return undefined
  const start = offset + headBytes
  const end = start + content.readUInt32LE(offset)
  const checksum = content.readUInt32LE(offset + 4)
  if (end === start || end > content.length) return undefined
  const payload = content.subarray(start, end)
  if (crc32(payload, before) !== checksum) return undefined
  return { changes: JSON.parse(payload.toString()) as Change[], end, checksum }
}
