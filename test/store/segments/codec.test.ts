import t from 'tap'
import { pack, packIndex, unpack, unpackNow } from '../../../store/segments/codec.ts'
import { noise } from './fixtures/segments.ts'

t.test('what shrinks by 5 % is packed, anything else left as it is', async (t) => {
  const table: [name: string, bytes: Buffer, codec: string][] = [
    ['empty', Buffer.alloc(0), 'raw'],
    ['one byte', Buffer.from('a'), 'raw'],
    ['text', Buffer.from('grove '.repeat(50)), 'zstd'],
    ['noise', noise(10_000), 'raw'],
    ['large noise', noise(200_000), 'raw'],
    ['large text', Buffer.from('grove '.repeat(50_000)), 'zstd'],
    ['noise with 4 % of zeros', Buffer.concat([noise(9_600), Buffer.alloc(400)]), 'raw'],
    ['noise with 10 % of zeros', Buffer.concat([noise(9_000), Buffer.alloc(1_000)]), 'zstd'],
  ]
  for (const [name, bytes, codec] of table) {
    const packed = await pack(bytes)
    t.equal(packed.codec, codec, name)
    if (codec === 'raw') t.equal(packed.bytes, bytes, 'not copied')
    else t.same(await unpack(packed.bytes, bytes.length), bytes)
  }
})

t.test('what does not unpack to exactly so many bytes is nothing', async (t) => {
  for (const bytes of [Buffer.from('grove '.repeat(50)), Buffer.from('grove '.repeat(100_000))]) {
    const packed = packIndex(bytes)
    t.same(await unpack(packed, bytes.length), bytes)
    for (const length of [0, 1, bytes.length - 1, bytes.length + 1, bytes.length * 2])
      t.equal(await unpack(packed, length), undefined, `${length} of ${bytes.length}`)
    t.equal(await unpack(packed.subarray(0, -1), bytes.length), undefined, 'cut off')
    t.equal(await unpack(Buffer.concat([packed, packed]), bytes.length), undefined, 'twice')
    t.equal(await unpack(noise(100), bytes.length), undefined, 'noise')
    t.equal(await unpack(Buffer.alloc(0), bytes.length), undefined, 'nothing')
  }
})

t.test('small contents come out in memory of about their size', async (t) => {
  const bytes = Buffer.alloc(100_000, 'x')
  t.ok((unpackNow(packIndex(bytes), bytes.length)?.buffer.byteLength ?? 0) < 2 * bytes.length)
})
