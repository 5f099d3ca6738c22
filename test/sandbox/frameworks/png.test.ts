import { Readable } from 'node:stream'
import { crc32, deflateSync } from 'node:zlib'
import t from 'tap'
import { getHeader } from '../../../core/headers.ts'
import { startFramework } from './fixtures/framework.ts'

/** A picture whose pixels are their own places, as RFC 2083 writes it. */
function pngOf(width: number, height: number): Buffer {
  const line = (y: number) => Buffer.from([0, ...Array.from({ length: width }, (_, x) => [x, y, 7, 255]).flat()])
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 6], 8)
  const pixels = deflateSync(Buffer.concat(Array.from({ length: height }, (_, y) => line(y))))
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10])
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const size = Buffer.alloc(4)
  size.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([size, body, sum])
}

t.test('a parser of PNG in WebAssembly runs unchanged from npm', async (t) => {
  const { ask } = await startFramework(t, 'png.ts')
  const send = (path: string, picture: Uint8Array) => ask('POST', path, { body: Readable.from([picture]) })

  t.match(await send('/size', pngOf(64, 48)), {
    status: 200,
    body: '{"width":64,"height":48,"bytes":12288,"first":[0,0,7,255]}',
  })
  const half = await send('/half', pngOf(200, 100))
  t.equal(half.status, 200)
  t.equal(getHeader(half.headers, 'content-type'), 'image/png')
  t.same(JSON.parse(getHeader(half.headers, 'x-size') ?? ''), {
    width: 100,
    height: 50,
    bytes: 20_000,
    first: [0, 0, 7, 255],
  })
  t.match(half.body, /PNG/)
  t.match((await send('/size', Buffer.from('no picture'))).body, /error/)
  t.match((await send('/size', pngOf(64, 48).subarray(0, 60))).body, /error/)
  t.match(await send('/size', pngOf(1, 1)), { body: /"width":1,"height":1,/ }, 'and goes on after errors')
})
