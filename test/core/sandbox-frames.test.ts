import t from 'tap'
import { limits } from '../../core/limits.ts'
import {
  createFrameReader,
  encodeCredit,
  encodeFrame,
  frameHeadBytes,
  frameTypes,
  readCredit,
} from '../../core/sandbox-frames.ts'

/** A reader that writes down what it gives. */
function reading(maxBytes?: number) {
  const frames: string[] = []
  const faults: string[] = []
  const reader = createFrameReader({
    onFrame: (type, stream, payload) => frames.push(`${type} ${stream} ${payload.toString('utf8')}`),
    onFault: (reason) => faults.push(reason),
    ...(maxBytes !== undefined && { maxBytes }),
  })
  return { reader, frames, faults }
}

const some = [
  encodeFrame(frameTypes.request, 1, '{"ü":1}'),
  encodeFrame(frameTypes.end, 4_294_967_295),
  encodeFrame(frameTypes.body, 7, Buffer.alloc(70_000, 'x')),
  encodeFrame(frameTypes.beat, 0),
]
const told = ['1 1 {"ü":1}', '4 4294967295 ', `3 7 ${'x'.repeat(70_000)}`, '22 0 ']

t.test('frames come out as they went in, however they are cut', (t) => {
  const bytes = Buffer.concat(some)
  for (const step of [1, 2, 3, 8, 9, 10, 4_096, 65_536, bytes.length]) {
    const { reader, frames, faults } = reading()
    for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step))
    t.same(frames, told, `in pieces of ${step} bytes`)
    t.same(faults, [])
  }
  t.end()
})

t.test('a frame that is too long or too short is a fault, told once, and nothing follows', (t) => {
  const head = (rest: number) => {
    const bytes = Buffer.alloc(frameHeadBytes)
    bytes.writeUInt32LE(rest)
    return bytes
  }
  for (const [name, bytes] of [
    ['without a type', head(0)],
    ['without a stream', head(4)],
    ['one byte too long', head(limits.sandboxLink.payloadBytes + 6)],
    ['4 GiB', head(4_294_967_295)],
  ] as const) {
    for (const step of [1, 64]) {
      const { reader, frames, faults } = reading()
      const all = Buffer.concat([some[0] as Buffer, bytes, some[0] as Buffer])
      for (let at = 0; at < all.length; at += step) reader.push(all.subarray(at, at + step))
      t.same(frames, [told[0]], `${name}: what came before is given`)
      t.equal(faults.length, 1)
    }
  }
  t.end()
})

t.test('the largest payload is taken, the next larger is not', (t) => {
  const { reader, frames, faults } = reading(10)
  reader.push(encodeFrame(frameTypes.body, 1, '0123456789'))
  t.same(frames, ['3 1 0123456789'])
  reader.push(encodeFrame(frameTypes.body, 1, '0123456789x'))
  t.equal(faults.length, 1)
  t.throws(() => encodeFrame(frameTypes.body, 1, Buffer.alloc(limits.sandboxLink.payloadBytes + 1)), RangeError)
  t.end()
})

t.test('a stopped reader gives nothing more of the piece that it has', (t) => {
  const frames: number[] = []
  const reader = createFrameReader({
    onFrame: (type) => {
      frames.push(type)
      reader.stop()
    },
    onFault: () => t.fail('no fault'),
  })
  reader.push(Buffer.concat(some))
  reader.push(Buffer.concat(some))
  t.same(frames, [frameTypes.request])
  t.end()
})

t.test('credit is read strictly', (t) => {
  const { reader, frames } = reading()
  reader.push(encodeCredit(5, 1_000))
  t.equal(frames.length, 1)
  t.equal(readCredit(encodeCredit(5, 1_000).subarray(frameHeadBytes)), 1_000)
  for (const payload of ['', 'abc', 'abcde', '\0\0\0\0', '\xff\xff\xff\xff'])
    t.equal(readCredit(Buffer.from(payload, 'latin1')), undefined, JSON.stringify(payload))
  t.end()
})
