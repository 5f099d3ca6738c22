/**
 * Entries of a bag's log: a line of JSON, a line feed, and the bytes of the values that it tells of, one after another.
 * `put` and `delete` change one key; `all` stands for everything before it.
 */

import { z } from 'zod'
import { GroveError } from '../../core/errors.ts'

const key = z.string()
const item = z.strictObject({
  key,
  bytes: z.int().nonnegative(),
  metadata: z.string().optional(),
  expiresAtMs: z.number().optional(),
})

const headSchema = z.discriminatedUnion('kind', [
  item.extend({ kind: z.literal('put') }),
  z.strictObject({ kind: z.literal('delete'), key }),
  z.strictObject({ kind: z.literal('all'), items: z.array(item.extend({ tag: z.string() })) }),
])

/** A value of a bag with what is said of it. */
export interface BagItem {
  /** Changes with each put. */
  readonly tag: string
  readonly value: Uint8Array
  /** The writer's own words about it. */
  readonly metadata: string | undefined
  /** From then on it counts as gone. Milliseconds since the epoch. */
  readonly expiresAtMs: number | undefined
}

/** What one entry says. The item of a `put` has no tag yet: that is the entry's timestamp. */
export type BagEntry =
  | { readonly kind: 'put'; readonly key: string; readonly item: Omit<BagItem, 'tag'> }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'all'; readonly items: readonly (readonly [key: string, item: BagItem])[] }

const lineFeed = 10

/** An entry's bytes. */
export function encodeBagEntry(entry: BagEntry): Buffer {
  switch (entry.kind) {
    case 'put':
      return join({ kind: 'put', key: entry.key, ...told(entry.item) }, [entry.item.value])
    case 'delete':
      return join(entry, [])
    case 'all': {
      const items = entry.items.map(([key, item]) => ({ key, tag: item.tag, ...told(item) }))
      return join(
        { kind: 'all', items },
        entry.items.map(([, { value }]) => value),
      )
    }
  }
}

function told({ value, metadata, expiresAtMs }: Omit<BagItem, 'tag'>) {
  return { bytes: value.length, metadata, expiresAtMs }
}

function join(head: z.input<typeof headSchema>, values: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...values])
}

/** Reads an entry. Throws `ERR_DATA_FORMAT`, which names the log, for what is none. */
export function decodeBagEntry(data: Uint8Array, path: string): BagEntry {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const end = bytes.indexOf(lineFeed)
  try {
    const head = headSchema.parse(JSON.parse(bytes.toString('utf8', 0, Math.max(end, 0))))
    const values = new Values(bytes, end + 1)
    const entry = entryOf(head, values)
    if (!values.isAtEnd) throw new Error('bytes are left over')
    return entry
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `${path} has an entry that does not belong there`, { cause: error })
  }
}

function entryOf(head: z.output<typeof headSchema>, values: Values): BagEntry {
  switch (head.kind) {
    case 'put':
      return { kind: 'put', key: head.key, item: values.take(head) }
    case 'delete':
      return head
    case 'all':
      return { kind: 'all', items: head.items.map((told) => [told.key, { tag: told.tag, ...values.take(told) }]) }
  }
}

/** The values behind a head, one after another. Each is a copy, so that none keeps the whole entry in memory. */
class Values {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  take({ bytes, metadata, expiresAtMs }: z.output<typeof item>): Omit<BagItem, 'tag'> {
    const end = this.#at + bytes
    if (end > this.#bytes.length) throw new Error('a value ends before its length')
    const value = new Uint8Array(this.#bytes.subarray(this.#at, end))
    this.#at = end
    return { value, metadata, expiresAtMs }
  }
}
