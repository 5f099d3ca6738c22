/**
 * Which process holds a TCP port, read from /proc: what an operator wants to know first when a port is taken.
 *
 * Best effort by nature: other users' processes hide their descriptors from an unprivileged reader, and systems
 * without /proc say nothing. Then there is simply no answer.
 */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** A process that listens on a port. */
export interface PortHolder {
  readonly pid: number
  /** Its command line, at most 200 characters; its short name if it hides the line. */
  readonly command: string
}

const listenState = '0A'

/**
 * The process whose listening socket keeps us from `address`:`port`, or undefined when it cannot be told. A wildcard
 * on either side counts: `[::]` takes IPv4 too unless it was told not to.
 */
export function findPortHolder(address: string, port: number, proc = '/proc'): PortHolder | undefined {
  const inodes = new Set([
    ...listeningInodes(proc, 'tcp', address, port),
    ...listeningInodes(proc, 'tcp6', address, port),
  ])
  if (inodes.size === 0) return undefined
  for (const name of list(proc)) {
    if (/^\d+$/.test(name) && holdsSocket(join(proc, name, 'fd'), inodes))
      return { pid: Number(name), command: commandOf(join(proc, name)) }
  }
  return undefined
}

function listeningInodes(proc: string, table: 'tcp' | 'tcp6', address: string, port: number): string[] {
  const rows = read(join(proc, 'net', table))
    .split('\n')
    .slice(1)
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/)
    const [hexAddress = '', hexPort = ''] = local.split(':')
    if (state !== listenState || Number.parseInt(hexPort, 16) !== port) return []
    return overlaps(decodeAddress(hexAddress), address) ? [inode] : []
  })
}

/** The kernel prints each 32-bit word of an address in its own byte order, which is little-endian where Grove runs. */
function decodeAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? []
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)))
  if (bytes.length === 4) return bytes.join('.')
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  if (mapped) return bytes.slice(12).join('.')
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  )
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function overlaps(held: string, asked: string): boolean {
  if (held === '::' || asked === '::' || held === asked) return true
  const bothV4 = !held.includes(':') && !asked.includes(':')
  return bothV4 && (held === '0.0.0.0' || asked === '0.0.0.0')
}

function holdsSocket(folder: string, inodes: ReadonlySet<string>): boolean {
  return list(folder).some((fd) => {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(join(folder, fd)))?.[1]
      return inode !== undefined && inodes.has(inode)
    } catch {
      return false // Closed while we looked.
    }
  })
}

function commandOf(folder: string): string {
  // Arguments end in NUL, and can have in them what a terminal would obey.
  const line = read(join(folder, 'cmdline'))
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
  return (line || read(join(folder, 'comm')).trim()).slice(0, 200)
}

/** Processes come and go, and some are not ours to read: what cannot be read holds nothing that we can name. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
