import { constants, deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import t from 'tap'
import { CompressionStream, DecompressionStream } from '../../../sandbox/guest/compression.ts'
import { Response } from '../../../sandbox/guest/response.ts'
import type { streamClasses } from '../../../sandbox/guest/streams.ts'
import { createRequestHost, turn } from './fixtures/request-host.ts'

type Pair = {
  readonly readable: InstanceType<typeof streamClasses.ReadableStream>
  readonly writable: InstanceType<typeof streamClasses.WritableStream>
}
const host = createRequestHost()
const compress = (format: unknown) => new CompressionStream(format) as unknown as Pair
const decompress = (format: unknown) => new DecompressionStream(format) as unknown as Pair
const all = async (stream: unknown) =>
  Buffer.from(await (new Response(stream) as unknown as { bytes(): Promise<Uint8Array> }).bytes())

/** Runs `work` inside a request, where operations can be started. */
async function inside<T>(work: () => Promise<T>): Promise<T> {
  const result = Promise.withResolvers<T>()
  host.load({
    fetch: async () => {
      await work().then(result.resolve, result.reject)
      return new Response('done')
    },
  })
  void host.visit()
  return await result.promise
}

const formats = [
  { format: 'gzip', pack: gzipSync, unpack: gunzipSync },
  { format: 'deflate', pack: deflateSync, unpack: inflateSync },
  { format: 'deflate-raw', pack: deflateRawSync, unpack: inflateRawSync },
]
const content = Buffer.from('the same words, the same words, and others '.repeat(2_000))

t.test('formats', (t) => {
  for (const format of ['br', 'zip', '', undefined, 'GZIP']) {
    t.throws(() => compress(format), TypeError)
    t.throws(() => decompress(format), TypeError)
  }
  t.throws(() => new (CompressionStream as unknown as new () => unknown)(), TypeError)
  t.equal(String(compress('gzip')), '[object CompressionStream]')
  t.end()
})

t.test('what is written comes out coded, and back again', async (t) => {
  for (const { format, pack, unpack } of formats) {
    const coded = await inside(async () => {
      const { readable, writable } = compress(format)
      const writer = writable.getWriter()
      void writer.write(content.subarray(0, 10))
      void writer.write(new DataView(content.buffer, content.byteOffset + 10, content.length - 10))
      void writer.close()
      return await all(readable)
    })
    t.same(unpack(coded), content, format)
    t.ok(coded.length < content.length / 10)
    const plain = await inside(async () => {
      const source = new Response(pack(content)) as unknown as { body: Pair['readable'] }
      return await all(source.body.pipeThrough(decompress(format)))
    })
    t.same(plain, content, format)
  }
})

t.test('the end settles before anybody reads', async (t) => {
  await inside(async () => {
    const { readable, writable } = compress('gzip')
    const writer = writable.getWriter()
    await writer.write(content)
    await writer.close()
    t.same(gunzipSync(await all(readable)), content)
  })
})

t.test('nothing written is an empty stream of the format', async (t) => {
  await inside(async () => {
    const { readable, writable } = compress('deflate')
    await writable.getWriter().close()
    t.same(inflateSync(await all(readable)).length, 0)
  })
})

t.test('damaged, cut off and followed by something else: TypeErrors on both sides', async (t) => {
  const packed = gzipSync(content)
  const damaged = Buffer.from(packed)
  damaged[20] = (damaged[20] as number) ^ 0xff
  const cases: [string, string, Buffer][] = [
    ['damaged', 'gzip', damaged],
    ['cut off', 'gzip', packed.subarray(0, -10)],
    ['followed by bytes', 'gzip', Buffer.concat([packed, Buffer.from('x')])],
    ['no gzip at all', 'gzip', Buffer.from('hello, this is text')],
    ['nothing at all', 'gzip', Buffer.alloc(0)],
    ['another format', 'deflate', packed],
    ['cut off', 'deflate-raw', deflateRawSync(content).subarray(0, 20)],
  ]
  for (const [name, format, bytes] of cases)
    await inside(async () => {
      const { readable, writable } = decompress(format)
      const writer = writable.getWriter()
      const writing = writer.write(bytes).then(() => writer.close())
      await t.rejects(all(readable), TypeError, `${name}: readable`)
      await t.rejects(writing, TypeError, `${name}: writable`)
      await t.rejects(writer.closed, TypeError)
    })
})

t.test('what is no BufferSource is a TypeError', async (t) => {
  for (const chunk of ['text', 1, null, undefined, {}, [1]])
    await inside(async () => {
      const { readable, writable } = compress('gzip')
      const reading = all(readable)
      await t.rejects(writable.getWriter().write(chunk), TypeError)
      await t.rejects(reading, TypeError)
    })
})

t.test('a side that gives up ends the other, and the operation', async (t) => {
  host.stopped.length = 0
  await inside(async () => {
    const { readable, writable } = compress('gzip')
    const writer = writable.getWriter()
    await writer.write(content)
    await readable.cancel(new RangeError('enough'))
    await t.rejects(writer.closed, { message: 'enough' })
  })
  await inside(async () => {
    const { readable, writable } = compress('gzip')
    const writer = writable.getWriter()
    await writer.write(content)
    await writer.abort(new RangeError('no more'))
    await t.rejects(all(readable), { message: 'no more' })
  })
  t.equal(host.stopped.length, 2)
})

t.test('a bomb is taken only as it is read', async (t) => {
  const bomb = gzipSync(Buffer.alloc(50_000_000), { level: constants.Z_BEST_COMPRESSION })
  await inside(async () => {
    const { readable, writable } = decompress('gzip')
    const writer = writable.getWriter()
    void writer.write(bomb).catch(() => {})
    const reader = readable.getReader()
    let bytes = ((await reader.read()).value as Uint8Array).byteLength
    const before = process.memoryUsage().arrayBuffers
    for (let index = 0; index < 200; index++) await turn()
    t.ok(process.memoryUsage().arrayBuffers - before < 8_000_000)
    for (let step = await reader.read(); !step.done && bytes < 1_000_000; step = await reader.read())
      bytes += (step.value as Uint8Array).byteLength
    await reader.cancel()
  })
})
