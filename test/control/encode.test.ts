import { randomBytes } from 'node:crypto'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import t from 'tap'
import { decode, encode } from '../../control/encode.ts'
import { type Coding, codings } from '../../core/compiled.ts'

const html = 'text/html; charset=utf-8'
const never = new AbortController().signal
const text = Buffer.from('A web host that a person can own. '.repeat(5_000))
const decoders = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync }

for (const coding of codings) {
  t.test(`${coding} gives back what went in, smaller, and the same bytes each time`, async (t) => {
    for (const content of [text, Buffer.from('short'), randomBytes(200_000), Buffer.alloc(0)]) {
      const encoded = await encode(content, coding, html, never)
      t.ok(decoders[coding](encoded).equals(content), `${content.length} bytes, by the library`)
      t.ok((await decode(encoded, coding, content.length)).equals(content), 'by ours')
      t.ok((await encode(content, coding, html, never)).equals(encoded), 'the same again')
    }
    t.ok((await encode(text, coding, html, never)).length < text.length / 20)
    t.ok((await encode(text, coding, 'application/wasm', never)).length < text.length / 20, 'of what is not text')
  })

  t.test(`${coding}: damaged bytes and more than was expected are refused`, async (t) => {
    const encoded = await encode(text, coding, html, never)
    await t.rejects(decode(encoded.subarray(0, encoded.length - 9), coding, text.length), 'cut')
    await t.rejects(decode(encoded, coding, text.length - 1), 'too long')
    await t.rejects(decode(Buffer.from('nothing like it'), coding, text.length))
  })

  t.test(`${coding} stops when it is told to`, async (t) => {
    const before = AbortSignal.abort()
    await t.rejects(encode(text, coding, html, before), { name: 'AbortError' })
    const ending = new AbortController()
    const long = encode(randomBytes(8_000_000), coding, html, ending.signal)
    setImmediate(() => ending.abort())
    await t.rejects(long, { name: 'AbortError' })
  })
}

t.test('gzip carries no time and no name', async (t) => {
  const encoded = await encode(text, 'gzip', html, never)
  t.same([...encoded.subarray(0, 8)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0])
})

t.test('a zstd frame names the size of its content and asks for no window over 8 MB', async (t) => {
  for (const bytes of [300, 70_000, 9_000_000, 16_777_216]) {
    const frame = await encode(Buffer.alloc(bytes, 'ab'), 'zstd', html, never)
    t.same(frameOf(frame).contentBytes, bytes)
    t.ok(frameOf(frame).windowBytes <= 8 * 1_048_576, `${bytes} bytes: a window of ${frameOf(frame).windowBytes}`)
  }
})

t.test('every coding has its own bytes', async (t) => {
  const all = await Promise.all(codings.map((coding: Coding) => encode(text, coding, html, never)))
  t.equal(new Set(all.map((encoded) => encoded.toString('hex'))).size, codings.length)
})

/** What a zstd frame says of itself (RFC 8878 section 3.1.1.1). */
function frameOf(frame: Buffer): { contentBytes: number; windowBytes: number } {
  const descriptor = frame.readUInt8(4)
  const isSingle = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const sizeAt = isSingle ? 5 : 6
  const contentBytes =
    sizeFlag === 0
      ? frame.readUInt8(sizeAt)
      : sizeFlag === 1
        ? frame.readUInt16LE(sizeAt) + 256
        : sizeFlag === 2
          ? frame.readUInt32LE(sizeAt)
          : Number(frame.readBigUInt64LE(sizeAt))
  if (isSingle) return { contentBytes, windowBytes: contentBytes }
  const window = frame.readUInt8(5)
  const base = 2 ** (10 + (window >> 3))
  return { contentBytes, windowBytes: base + (base / 8) * (window & 7) }
}
