/** What an export of a site consists of; docs/export-format.md tells it to people. */

import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { limits } from '../../core/limits.ts'
import { type BlobHash, blobHashSchema, isBlobHash, type VersionNumber } from '../../core/names.ts'
import type { TreeFile } from '../trees/tree-file.ts'
import { refused } from './tar-read.ts'

/** The first file of an export. */
export const aboutName = 'grove-export.json'
/** The second: one JSON text a line, one for each version, oldest first. */
export const versionsName = 'versions.ndjson'

/** The list of a version's files. */
export function listName(version: VersionNumber): string {
  return `trees/${version}.txt`
}

/** A content. */
export function contentName(hash: BlobHash): string {
  return `contents/${hash}`
}

/** The hash of the content that a name of a file stands for. */
export function contentOf(name: string): BlobHash | undefined {
  const hash = name.startsWith('contents/') ? name.slice('contents/'.length) : ''
  return isBlobHash(hash) ? hash : undefined
}

const count = z.int().nonnegative()
/** Far beyond what a site can reach, and far below where numbers end: a stranger's number must not use them up. */
const number = z.int().positive().max(1_000_000_000)

/** What the first file tells. */
export const aboutSchema = z.strictObject({
  format: z.literal('grove-export-1'),
  site: z.string(),
  /** The store that it came from. */
  store: z.string(),
  /** When it was made, in milliseconds since the epoch. */
  atMs: z.number(),
  /** The newest version that ever was, the live one, and how many are in the export. */
  lastVersion: number,
  live: number.nullable(),
  versions: z.int().positive().max(limits.store.versionsKept),
  /** Tags, and other pins that have no end. */
  pins: z.array(z.strictObject({ name: z.string(), version: number })).max(limits.store.pins),
  contents: count,
  /** Of all contents. */
  bytes: count,
})

/** What the first file tells. */
export type ExportAbout = z.output<typeof aboutSchema>

/** A version's line. */
export const versionSchema = z.strictObject({
  version: number,
  /** The version that was live before it. */
  parent: number.nullable(),
  message: z.string().max(limits.tree.messageChars),
  atMs: z.number(),
  files: count,
  bytes: count,
  added: count,
  changed: count,
  removed: count,
  /** The SHA-256 of its list. */
  list: blobHashSchema,
})

/** A version's line. */
export type ExportVersion = z.output<typeof versionSchema>

/** A file's line in a list. */
export function listLine({ hash, bytes, path }: TreeFile): string {
  return `${hash} ${bytes} ${path}\n`
}

const linePattern = /^([0-9a-f]{64}) (0|[1-9]\d{0,15}) ([^\n]+)$/

/** The files of a list. Throws `ERR_BAD_REQUEST`; whether they can be published is another question. */
export function parseList(name: string, text: Buffer): TreeFile[] {
  if (!isUtf8(text)) throw refused(`${name} is not UTF-8`)
  const lines = text.toString('utf8').split('\n')
  if (lines.pop() !== '') throw refused(`${name} ends in the middle of a line`)
  if (lines.length > limits.tree.files) throw refused(`${name} has ${lines.length} lines`)
  return lines.map((line, index) => {
    const [, hash, digits, path] = linePattern.exec(line) ?? []
    if (hash === undefined || path === undefined) throw refused(`line ${index + 1} of ${name} is not a file`)
    return { path, hash, bytes: Number(digits) }
  })
}

/** A JSON text of one form. Throws `ERR_BAD_REQUEST`. */
export function parseJson<T>(schema: z.ZodType<T>, name: string, text: string): T {
  try {
    const { data, error } = schema.safeParse(JSON.parse(text))
    if (data !== undefined) return data
    const [issue] = error?.issues ?? []
    throw refused(`${name}: ${issue?.path.join('.') || 'it'}: ${issue?.message}`)
  } catch (error) {
    if (error instanceof SyntaxError) throw refused(`${name} is not JSON`)
    throw error
  }
}
