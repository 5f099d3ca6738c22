import { PassThrough, Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { createFrameWriter } from '../../core/sandbox-frame-writer.ts'
import { createFrameReader, frameTypes } from '../../core/sandbox-frames.ts'
import { splitWhole } from '../../core/sandbox-whole.ts'

/** A reader that writes down what it gives. */
function reading() {
  const frames: string[] = []
  const reader = createFrameReader({
    onFrame: (type, stream, payload) => frames.push(`${type} ${stream} ${payload.toString('utf8')}`),
    onFault: (reason) => frames.push(reason),
  })
  return { reader, frames }
}

const told = ['1 1 {"ü":1}', '4 4294967295 ', `3 7 ${'x'.repeat(70_000)}`, '22 0 ']

t.test('what one turn writes leaves together, in order, large payloads too', async (t) => {
  const writes: number[] = []
  const out = new PassThrough({ highWaterMark: 10_000_000 })
  const { reader, frames } = reading()
  out.on('data', (piece: Buffer) => {
    writes.push(piece.length)
    reader.push(piece)
  })
  const writer = createFrameWriter(out, () => t.fail('no overflow'))
  writer.write(frameTypes.request, 1, '{"ü":1}')
  writer.write(frameTypes.end, 4_294_967_295)
  writer.credit(3, 9)
  await nextTurn()
  t.equal(writes.length, 1, 'small ones in one write')
  writer.write(frameTypes.body, 7, Buffer.alloc(70_000, 'x'))
  writer.write(frameTypes.beat, 0)
  writer.flush()
  await nextTurn()
  t.same(
    frames.filter((frame) => !frame.startsWith('5 ')),
    told,
  )
})

t.test('a writer whose socket takes nothing says so, and ends with one overflow', async (t) => {
  let overflows = 0
  const stuck = new Writable({ highWaterMark: 16, write: () => {} })
  const writer = createFrameWriter(stuck, () => {
    overflows += 1
  })
  const piece = Buffer.alloc(limits.sandboxLink.payloadBytes)
  t.notOk(writer.write(frameTypes.body, 1, piece))
  for (let n = 0; n < 80; n++) writer.write(frameTypes.body, 1, piece)
  await nextTurn()
  t.equal(overflows, 1)
  t.ok(writer.queuedBytes < limits.sandboxLink.queuedBytes * 1.1, 'nothing is queued after that')
})

t.test('nothing is written to a socket that is closed', async (t) => {
  const out = new PassThrough()
  out.destroy()
  const writer = createFrameWriter(out, () => t.fail('no overflow'))
  writer.write(frameTypes.beat, 0)
  await nextTurn()
  t.equal(writer.queuedBytes, 0)
})

t.test('a head and its body go in one frame, in one write where they are small', async (t) => {
  const writes: number[] = []
  const wholes: (readonly [number, number, string, number])[] = []
  const out = new PassThrough({ highWaterMark: 10_000_000 })
  const reader = createFrameReader({
    onFrame(type, stream, payload) {
      const parts = splitWhole(payload)
      wholes.push([type, stream, `${parts?.head}`, parts?.body.length ?? -1])
    },
    onFault: (reason) => t.fail(reason),
  })
  out.on('data', (piece: Buffer) => {
    writes.push(piece.length)
    reader.push(piece)
  })
  const writer = createFrameWriter(out, () => t.fail('no overflow'))
  t.ok(writer.writeWhole(frameTypes.wholeRequest, 1, '{"a":1}', Buffer.alloc(10_000)))
  t.ok(writer.writeWhole(frameTypes.wholeAnswer, 2, '{"ü":1}', 'grüße'))
  t.ok(writer.writeWhole(frameTypes.wholeAnswer, 3, '{}', ''))
  await nextTurn()
  t.equal(writes.length, 1)
  t.ok(writer.writeWhole(frameTypes.wholeAnswer, 4, '{}', Buffer.alloc(65_536)))
  await nextTurn()
  t.same(wholes, [
    [frameTypes.wholeRequest, 1, '{"a":1}', 10_000],
    [frameTypes.wholeAnswer, 2, '{"ü":1}', 7],
    [frameTypes.wholeAnswer, 3, '{}', 0],
    [frameTypes.wholeAnswer, 4, '{}', 65_536],
  ])
  out.destroy()
})

t.test('nothing is written after an overflow', async (t) => {
  const stuck = new Writable({ highWaterMark: 16, write: () => {} })
  const writer = createFrameWriter(stuck, () => {})
  const piece = Buffer.alloc(limits.sandboxLink.payloadBytes)
  for (let n = 0; n < 80; n++) writer.write(frameTypes.body, 1, piece)
  await nextTurn()
  const { queuedBytes } = writer
  t.notOk(writer.writeWhole(frameTypes.wholeAnswer, 1, '{}', 'x'))
  await nextTurn()
  t.equal(writer.queuedBytes, queuedBytes)
})
