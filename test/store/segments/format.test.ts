import { crc32, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import * as format from '../../../store/segments/format.ts'
import { readIndex } from '../../../store/segments/read-segment.ts'
import type { Frame, SegmentRef } from '../../../store/segments/segment.ts'
import { context, hashOf, itemOf, keyringOf, segmentOf } from './fixtures/segments.ts'

const mib = 1_048_576

/** What somebody might write who knows the format. */
interface Forged {
  readonly records: readonly Buffer[]
  readonly footer?: Partial<format.SegmentFooter>
  /** Bytes of the footer in other values, its sum made to fit. */
  readonly patch?: Readonly<Record<number, number>>
  /** The packed index, if it is not that of the records. */
  readonly packed?: Buffer
}

/** A plain segment's index section and footer with right sums, and a reference that fits them. */
function forge({ records, footer = {}, patch = {}, packed }: Forged): { ref: SegmentRef; bytes: Buffer } {
  const index = Buffer.concat(records)
  const section = packed ?? zstdCompressSync(index)
  const length = records.reduce((sum, record) => sum + record.readUInt32BE(38), 8)
  const whole = { tailOffset: length, indexOffset: length, indexLength: section.length, indexBytes: index.length }
  const said = { ...whole, indexHash: hashOf(section), sealed: false, ...footer }
  const end = format.encodeFooter(said)
  for (const [at, value] of Object.entries(patch)) end.writeUInt8(value, Number(at))
  end.writeUInt32BE(crc32(end.subarray(0, 52)), 52)
  const bytes = Buffer.concat([section, end])
  const { tailOffset, indexOffset, indexHash } = said
  const ref = { id: hashOf(bytes), bytes: indexOffset + bytes.length, tailOffset, indexOffset, indexHash, lo: 1, hi: 1 }
  return { ref, bytes }
}

function record(part: Partial<Frame> = {}): Buffer {
  const hash = part.hash ?? hashOf(Buffer.from(JSON.stringify(part)))
  return format.encodeIndex([
    { hash, kind: 'content', codec: 'raw', ordinal: 0, offset: 8, bytes: 5, length: (part.bytes ?? 5) + 4, ...part },
  ])
}

function patched(base: Buffer, at: number, value: number): Buffer {
  const bytes = Buffer.from(base)
  bytes.writeUInt8(value, at)
  return bytes
}

t.test('a footer and an index are read as they were written', async (t) => {
  const footer = {
    tailOffset: 8,
    indexOffset: 50,
    indexLength: 70,
    indexBytes: 84,
    indexHash: 'ab'.repeat(32),
    sealed: false,
  }
  t.same(format.readFooter(format.encodeFooter(footer)), footer)
  t.same(format.readFooter(format.encodeFooter({ ...footer, sealed: true, indexLength: 90 })).sealed, true)
  const { ref, bytes } = forge({ records: [record()] })
  t.equal(readIndex(ref, bytes, context).frames.size, 1, 'what is forged below is good but for what the table says')
})

t.test('the bytes are those of the documentation', async (t) => {
  const { ref, bytes, index } = await segmentOf(t.testdir(), [itemOf('abc'), itemOf('xy', 'node')])
  t.equal(bytes.toString('latin1', 0, 11), 'GROVESEGabc')
  t.equal(bytes.readUInt32BE(11), crc32('abc'))
  t.equal(bytes.toString('latin1', 15, 17), 'xy')
  t.equal(bytes.readUInt32BE(17), crc32('xy'))
  t.same([ref.tailOffset, ref.indexOffset], [15, 21])
  const footer = bytes.subarray(-64)
  t.same(
    [0, 4, 8, 12].map((at) => footer.readUInt32BE(at)),
    [15, 21, bytes.length - 64 - 21, 84],
  )
  t.equal(footer.toString('hex', 16, 48), hashOf(bytes.subarray(21, -64)))
  t.equal(footer.toString('hex', 48, 52), '00010000')
  t.equal(footer.toString('latin1', 56), 'GROVEEND')
  t.same(
    [...index.frames.values()].map(({ offset, length }) => [offset, length]),
    [
      [8, 7],
      [15, 6],
    ],
  )
})

t.test('what has right sums and makes no sense is refused', async (t) => {
  const twin = hashOf(Buffer.from('twin'))
  const packed = (part: Partial<Frame>) => record({ codec: 'zstd', bytes: 100, length: 50, ...part })
  const large = record({ bytes: 16 * mib })
  const table: [name: string, forged: Forged, message: RegExp][] = [
    ['no frames', { records: [] }, /an unpacked index of 0 bytes/],
    ['half a record', { records: [record()], footer: { indexBytes: 43 } }, /an unpacked index of 43 bytes/],
    ['too many frames', { records: [record()], footer: { indexBytes: 65_537 * 42 } }, /an unpacked index of 2752554/],
    ['fewer frames than said', { records: [record()], footer: { indexBytes: 84 } }, /does not unpack/],
    [
      'more frames than said',
      { records: [record(), record({ bytes: 1 })], footer: { indexBytes: 42 } },
      /does not unpack/,
    ],
    ['an index that is no zstd', { records: [record()], packed: record() }, /does not unpack/],
    [
      'an index cut off',
      { records: [record()], packed: zstdCompressSync(record()).subarray(0, -3) },
      /does not unpack/,
    ],
    ['an index of no bytes', { records: [record()], footer: { indexLength: 0 } }, /an index of 0 bytes/],
    ['a frame twice', { records: [record({ hash: twin }), record({ hash: twin })] }, /twice/],
    [
      'a content after a node',
      { records: [record({ kind: 'node' }), record({ bytes: 1 })], footer: { tailOffset: 8 } },
      /a content after a node/,
    ],
    ['an unknown kind', { records: [patched(record(), 32, 2)] }, /kind that is not known/],
    ['an unknown codec', { records: [patched(record(), 33, 2)] }, /kind that is not known/],
    ['a raw frame too short', { records: [record({ length: 8 })] }, /a raw frame of 8 bytes for 5/],
    ['a raw frame too long', { records: [record({ length: 10 })] }, /a raw frame of 10 bytes for 5/],
    ['a frame of no length', { records: [record({ bytes: 0, length: 0 })] }, /a raw frame of 0 bytes for 0/],
    ['a packed frame without a body', { records: [packed({ length: 4 })] }, /a zstd frame of 4 bytes/],
    ['a packed frame that gains nothing', { records: [packed({ length: 104 })] }, /a zstd frame of 104 bytes/],
    ['a content above all limits', { records: [packed({ bytes: 0xffff_ffff })] }, /contents of more than/],
    ['contents above the limit together', { records: [large, record({ bytes: 1 })] }, /contents of more than/],
    [
      'frames beyond the index',
      { records: [record()], footer: { indexOffset: 16, tailOffset: 16 } },
      /do not end where/,
    ],
    [
      'frames short of the index',
      { records: [record()], footer: { indexOffset: 18, tailOffset: 18 } },
      /do not end where/,
    ],
    ['a tail inside a content', { records: [record()], footer: { tailOffset: 9 } }, /do not begin where the tail/],
    ['nodes before the tail', { records: [record({ kind: 'node' })] }, /do not begin where the tail/],
    ['a tail before the beginning', { records: [record()], footer: { tailOffset: 7 } }, /a tail in a place/],
    ['a tail after the index', { records: [record()], footer: { tailOffset: 18 } }, /a tail in a place/],
    ['format 2', { records: [record()], patch: { 49: 2 } }, /format 2, expected 1/],
    ['format 256', { records: [record()], patch: { 48: 1, 49: 0 } }, /format 256, expected 1/],
    ['an unknown flag', { records: [record()], patch: { 50: 2 } }, /flags that are not known/],
    ['bytes that are to be 0', { records: [record()], patch: { 51: 1 } }, /flags that are not known/],
    ['another end', { records: [record()], patch: { 63: 0x45 } }, /an end that is not/],
    ['sealed, without room for a key', { records: [record()], patch: { 50: 1 } }, /an index of \d+ bytes/],
  ]
  for (const [name, forged, message] of table) {
    const { ref, bytes } = forge(forged)
    t.throws(() => readIndex(ref, bytes, context), { code: 'ERR_DATA_FORMAT', message }, name)
  }
})

t.test('a footer alone is refused when it is none', async (t) => {
  for (const length of [0, 8, 63, 65])
    t.throws(() => format.readFooter(Buffer.alloc(length)), { code: 'ERR_DATA_FORMAT' }, `${length} bytes`)
  t.throws(() => format.readFooter(Buffer.alloc(64)), { code: 'ERR_DATA_FORMAT' })
})

t.test('a reference to another place or another index is refused', async (t) => {
  const { ref, bytes } = forge({ records: [record()] })
  const table: [string, Partial<SegmentRef>][] = [
    ['tail', { tailOffset: 8 }],
    ['index', { indexOffset: ref.indexOffset + 1, bytes: ref.bytes + 1 }],
    ['length', { bytes: ref.bytes + 1 }],
    ['hash', { indexHash: ref.id }],
  ]
  for (const [name, other] of table)
    t.throws(() => readIndex({ ...ref, ...other }, bytes, context), { code: 'ERR_BLOB_CORRUPT' }, name)
})

t.test('a plain index does not pass for a sealed one, nor the other way round', async (t) => {
  const keyring = keyringOf(1)
  const sealed = await segmentOf(t.testdir(), [itemOf('abc')], { keyring })
  const section = sealed.bytes.subarray(sealed.ref.indexOffset, -64)
  const asPlain = forge({ records: [record()], packed: section })
  t.throws(() => readIndex(asPlain.ref, asPlain.bytes, context, keyring), { code: 'ERR_DATA_FORMAT' })
  const plain = zstdCompressSync(Buffer.concat(Array.from({ length: 20 }, (_, bytes) => record({ bytes }))))
  const asSealed = forge({ records: [record()], packed: plain, footer: { sealed: true } })
  t.throws(() => readIndex(asSealed.ref, asSealed.bytes, context, keyring), { code: 'ERR_KEY_MISSING' })
})

t.test('an index that unpacks to far more than it says costs no more than it says', async (t) => {
  const packed = Buffer.concat(Array(16).fill(zstdCompressSync(Buffer.alloc(32 * mib))))
  for (const frames of [1, limits.segment.entries]) {
    const { ref, bytes } = forge({ records: [record()], packed, footer: { indexBytes: frames * 42 } })
    const before = process.memoryUsage().rss
    t.throws(() => readIndex(ref, bytes, context), { code: 'ERR_DATA_FORMAT', message: /does not unpack/ })
    t.ok(process.memoryUsage().rss - before < 128 * mib)
  }
})

t.test('a window that is larger than any segment needs is refused', async (t) => {
  // By hand (RFC 8878 section 3.1.1): magic, no flags, a window of 2^log, and one last raw block.
  const windowed = (log: number) => {
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, (42 << 3) | 1, (42 << 3) >> 8, 0])
    return Buffer.concat([head, record()])
  }
  const fits = forge({ records: [record()], packed: windowed(limits.segment.windowLog) })
  t.equal(readIndex(fits.ref, fits.bytes, context).frames.size, 1)
  for (const log of [limits.segment.windowLog + 1, 27, 31, 41]) {
    const tooLarge = forge({ records: [record()], packed: windowed(log) })
    t.throws(() => readIndex(tooLarge.ref, tooLarge.bytes, context), {
      code: 'ERR_DATA_FORMAT',
      message: /does not unpack/,
    })
  }
})

t.test('an index of as many frames as there may be is read', async (t) => {
  const records = Array.from({ length: limits.segment.entries }, (_, index) =>
    record({ hash: hashOf(Buffer.from(String(index))), bytes: 0 }),
  )
  const { ref, bytes } = forge({ records })
  t.equal(readIndex(ref, bytes, context).frames.size, limits.segment.entries)
  t.ok(ref.bytes < limits.segment.storedBytes)
})
