/**
 * Messages of the DNS (RFC 1035 section 4), as far as updates need them: names are written without compression, and read
 * with it.
 *
 * Own code: `dns-packet`, the package that others use, has neither the class NONE, without which no single record can be
 * removed (RFC 2136 section 2.5.4), nor TSIG, which has to know the bytes that it signs.
 */

/** Numbers of types and classes that are needed here. */
export const types = { soa: 6, txt: 16, tsig: 250 } as const
/** Classes; `none` and `any` mean something of their own in updates. */
export const classes = { in: 1, none: 254, any: 255 } as const

/** A record as it is written. */
export interface NewRecord {
  readonly name: string
  readonly type: number
  readonly class: number
  readonly ttlSeconds: number
  readonly data: Buffer
}

/** A record of a message that came. */
export interface ReadRecord {
  /** Lower case, without the last dot. */
  readonly name: string
  readonly type: number
  readonly class: number
  /** Where it begins, and where its data begins and ends. */
  readonly offset: number
  readonly dataOffset: number
  readonly endOffset: number
}

/** A message that came. */
export interface ReadMessage {
  readonly id: number
  readonly isAnswer: boolean
  readonly opcode: number
  /** The code of the answer, 0 for success. */
  readonly code: number
  /** Answers, then authorities, then additional records. */
  readonly records: readonly ReadRecord[]
}

/** Most records of a message that are read. */
const mostRecords = 1_000

/** A name as it is written: labels with their lengths. Names are checked before; labels have at most 63 characters. */
export function writeName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.')
  return Buffer.concat([
    ...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1')),
    Buffer.of(0),
  ])
}

/** A text as the data of a TXT record: one piece of at most 255 bytes. */
export function writeText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

/** A record as it is written. */
export function writeRecord(record: NewRecord): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(record.type, 0)
  fixed.writeUInt16BE(record.class, 2)
  fixed.writeUInt32BE(record.ttlSeconds, 4)
  fixed.writeUInt16BE(record.data.length, 8)
  return Buffer.concat([writeName(record.name), fixed, record.data])
}

/** The one question of a query, or the zone of an update. */
export function writeQuestion(name: string, type: number): Buffer {
  const fixed = Buffer.alloc(4)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(classes.in, 2)
  return Buffer.concat([writeName(name), fixed])
}

/** The head of a message with one question and `authorities` records for an update. */
export function writeHead(id: number, opcode: number, authorities: number): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt16BE(id, 0)
  head.writeUInt16BE(opcode << 11, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(authorities, 8)
  return head
}

/** Reads a message. Throws a `RangeError` for one that is damaged, whatever is wrong with it. */
export function readMessage(bytes: Buffer): ReadMessage {
  const flags = bytes.readUInt16BE(2)
  let offset = 12
  for (let left = bytes.readUInt16BE(4); left > 0; left -= 1) offset = readName(bytes, offset).endOffset + 4
  const count = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10)
  if (count > mostRecords) throw new RangeError(`it has ${count} records`)
  const records: ReadRecord[] = []
  while (records.length < count) {
    const { name, endOffset } = readName(bytes, offset)
    const dataOffset = endOffset + 10
    const end = dataOffset + bytes.readUInt16BE(endOffset + 8)
    if (end > bytes.length) throw new RangeError('a record goes beyond its end')
    const type = bytes.readUInt16BE(endOffset)
    records.push({ name, type, class: bytes.readUInt16BE(endOffset + 2), offset, dataOffset, endOffset: end })
    offset = end
  }
  return {
    id: bytes.readUInt16BE(0),
    isAnswer: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    code: flags & 15,
    records,
  }
}

/** Reads a name. Pointers lead only backwards, so that none leads in a circle. */
export function readName(bytes: Buffer, at: number): { name: string; endOffset: number } {
  const labels: string[] = []
  let endOffset: number | undefined
  let length = 0
  for (let offset = at, least = at; ; ) {
    const size = bytes.readUInt8(offset)
    if (size === 0) return { name: labels.join('.').toLowerCase(), endOffset: endOffset ?? offset + 1 }
    if (size >= 0xc0) {
      const target = bytes.readUInt16BE(offset) & 0x3fff
      if (target >= least) throw new RangeError('a name leads forward')
      endOffset ??= offset + 2
      offset = target
      least = target
      continue
    }
    length += size + 1
    if (size > 63 || length > 254 || offset + 1 + size > bytes.length) throw new RangeError('a name is too long')
    labels.push(bytes.toString('latin1', offset + 1, offset + 1 + size))
    offset += size + 1
  }
}
