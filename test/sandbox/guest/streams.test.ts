import t from 'tap'
import { AbortController } from '../../../sandbox/guest/abort.ts'
import { isReadableStream, isUnusable, streamClasses } from '../../../sandbox/guest/streams.ts'
import { createRequestHost, turn } from './fixtures/request-host.ts'

createRequestHost()
const {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamDefaultReader,
  TransformStream,
  WritableStream,
  WritableStreamDefaultWriter,
} = streamClasses
type Stream = InstanceType<typeof ReadableStream>

const streamOf = (...pieces: unknown[]) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
async function listOf(stream: Stream): Promise<unknown[]> {
  const pieces: unknown[] = []
  for await (const piece of stream) pieces.push(piece)
  return pieces
}

t.test('sources are asked only for as much as is wanted', async (t) => {
  for (const [highWaterMark, expected] of [
    [0, 0],
    [1, 1],
    [3, 3],
  ] as const) {
    let pulled = 0
    const stream = new ReadableStream({ pull: (controller) => controller.enqueue(++pulled) }, { highWaterMark })
    for (let index = 0; index < 10; index++) await turn()
    t.equal(pulled, expected, `${highWaterMark}`)
    await stream.getReader().read()
    await turn()
    t.equal(pulled, expected + 1)
  }
  for (const highWaterMark of [-1, Number.NaN, 'x'])
    t.throws(() => new ReadableStream({}, { highWaterMark } as never), RangeError)
})

t.test('reading, closing, failing', async (t) => {
  const reader = streamOf('a', 'b').getReader()
  t.same(await reader.read(), { done: false, value: 'a' })
  t.same(await reader.read(), { done: false, value: 'b' })
  t.same(await reader.read(), { done: true, value: undefined })
  await reader.closed
  const failing = new ReadableStream({ start: (controller) => controller.error(new RangeError('mine')) })
  await t.rejects(failing.getReader().read(), { message: 'mine' })
  const thrower = new ReadableStream({
    pull: () => {
      throw new RangeError('pull')
    },
  })
  await t.rejects(thrower.getReader().read(), { message: 'pull' })
  t.throws(
    () =>
      new ReadableStream({
        start: () => {
          throw new RangeError('start')
        },
      }),
    { message: 'start' },
  )
  let closed: { close(): void; enqueue(piece: unknown): void } | undefined
  new ReadableStream({
    start(controller) {
      closed = controller as never
      controller.close()
    },
  })
  t.throws(() => closed?.enqueue(1), TypeError)
  t.throws(() => closed?.close(), TypeError)
})

t.test('a stream has one reader, until it is released', async (t) => {
  const stream = streamOf('a', 'b')
  const reader = stream.getReader()
  t.equal(stream.locked, true)
  t.throws(() => stream.getReader(), TypeError)
  t.throws(() => stream.tee(), TypeError)
  await t.rejects(stream.cancel(), TypeError)
  await t.rejects(stream.pipeTo(new WritableStream()), TypeError)
  reader.releaseLock()
  t.equal(stream.locked, false)
  await t.rejects(reader.read(), TypeError)
  await t.rejects(reader.closed, TypeError)
  t.same(await listOf(stream), ['a', 'b'])
})

t.test('cancelling tells the source, once', async (t) => {
  const reasons: unknown[] = []
  const stream = new ReadableStream({ cancel: (reason) => void reasons.push(reason) })
  await stream.cancel('why')
  await stream.cancel('again')
  t.same(reasons, ['why'])
  t.same(await listOf(stream), [])
})

t.test('a walk ends with the stream, and cancels it when it ends before', async (t) => {
  let cancelled = 0
  const make = () => new ReadableStream({ pull: (controller) => controller.enqueue(1), cancel: () => void cancelled++ })
  for await (const _ of make()) break
  t.equal(cancelled, 1)
  const kept = make()
  for await (const _ of kept.values({ preventCancel: true })) break
  t.equal(cancelled, 1)
  t.equal(kept.locked, false)
})

t.test('streams of what can be walked', async (t) => {
  async function* later() {
    yield 'x'
    yield 'y'
  }
  const from = (ReadableStream as unknown as { from(source: unknown): Stream }).from
  t.same(await listOf(from([1, 2])), [1, 2])
  t.same(await listOf(from(new Set(['a']))), ['a'])
  t.same(await listOf(from(later())), ['x', 'y'])
  t.same(await listOf(from(streamOf(3))), [3])
  for (const source of [null, 1, {}]) t.throws(() => from(source), TypeError)
})

t.test('both branches of a tee get everything, and a source is cancelled when both are', async (t) => {
  const [first, second] = streamOf('a', 'b').tee()
  t.same(
    [await listOf(first), await listOf(second)],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  )
  let reason: unknown
  const [left, right] = new ReadableStream({
    cancel: (given) => {
      reason = given
    },
  }).tee()
  const leaving = left.cancel('one')
  await turn()
  t.equal(reason, undefined)
  await Promise.all([leaving, right.cancel('two')])
  t.same(reason, ['one', 'two'])
})

t.test('a reader that brings its own buffer', async (t) => {
  const stream = new ReadableStream({
    type: 'bytes',
    start(controller) {
      controller.enqueue(new Uint8Array([1, 2, 3]))
      controller.close()
    },
  })
  const reader = stream.getReader({ mode: 'byob' })
  const buffer = new ArrayBuffer(2)
  const step = await reader.read(new Uint8Array(buffer))
  t.same([step.done, [...(step.value as Uint8Array)]], [false, [1, 2]])
  t.equal(buffer.byteLength, 0, 'the buffer was taken')
  t.same([...((await reader.read(new Uint8Array(5))).value as Uint8Array)], [3])
  const last = await reader.read(new Uint8Array(5))
  t.same([last.done, last.value?.byteLength], [true, 0])
  await t.rejects(reader.read(new Uint8Array(0)), TypeError)
  t.throws(() => streamOf(1).getReader({ mode: 'byob' }), TypeError)
  t.throws(() => streamOf(1).getReader({ mode: 'other' } as never), TypeError)
})

t.test('sinks get what is written, in order, and hold the writer back', async (t) => {
  const seen: unknown[] = []
  const gates: (() => void)[] = []
  const stream = new WritableStream(
    {
      write: (piece) => {
        seen.push(piece)
        return new Promise<void>((resolve) => gates.push(resolve))
      },
      close: () => void seen.push('closed'),
    },
    new CountQueuingStrategy({ highWaterMark: 2 }),
  )
  const writer = stream.getWriter()
  t.equal(writer.desiredSize, 2)
  void writer.write('a')
  void writer.write('b')
  t.equal(writer.desiredSize, 0)
  let isReady = false
  void writer.ready.then(() => {
    isReady = true
  })
  await turn()
  t.same([seen, isReady], [['a'], false])
  gates.shift()?.()
  await writer.ready
  const closing = writer.close()
  await turn()
  gates.shift()?.()
  await closing
  t.same(seen, ['a', 'b', 'closed'])
  await t.rejects(writer.write('c'), TypeError)
})

t.test('a sink that fails fails its writer', async (t) => {
  const stream = new WritableStream({ write: () => Promise.reject(new RangeError('mine')) })
  const writer = stream.getWriter()
  await t.rejects(writer.write(1), { message: 'mine' })
  await t.rejects(writer.closed, { message: 'mine' })
  await t.rejects(writer.close(), TypeError)
  let reason: unknown
  const aborted = new WritableStream({
    abort: (given) => {
      reason = given
    },
  })
  await aborted.abort('why')
  t.equal(reason, 'why')
  t.throws(() => new WritableStream({ type: 'bytes' } as never), RangeError)
})

t.test('transforms change, add, drop and end', async (t) => {
  const transform = new TransformStream({
    transform(piece: number, controller) {
      if (piece === 2) return
      controller.enqueue(piece)
      controller.enqueue(piece * 10)
      if (piece === 3) controller.terminate()
    },
    flush: (controller) => controller.enqueue('end'),
  })
  t.same(await listOf(streamOf(1, 2, 3).pipeThrough(transform)), [1, 10, 3, 30])
  const flushed = new TransformStream({ flush: (controller) => controller.enqueue('end') })
  t.same(await listOf(streamOf(1).pipeThrough(flushed)), [1, 'end'])
  const failing = new TransformStream({
    transform: () => {
      throw new RangeError('mine')
    },
  })
  await t.rejects(listOf(streamOf(1).pipeThrough(failing)), { message: 'mine' })
})

t.test('pipes end, fail and abort both sides, unless told otherwise', async (t) => {
  const seen: unknown[] = []
  const sink = () =>
    new WritableStream({
      write: (piece) => void seen.push(piece),
      close: () => void seen.push('closed'),
      abort: (reason) => void seen.push(`aborted ${(reason as Error).message ?? reason}`),
    })
  await streamOf(1).pipeTo(sink())
  await streamOf(2).pipeTo(sink(), { preventClose: true })
  const failing = () => new ReadableStream({ start: (controller) => controller.error(new Error('broken')) })
  await t.rejects(failing().pipeTo(sink()), { message: 'broken' })
  await t.rejects(failing().pipeTo(sink(), { preventAbort: true }), { message: 'broken' })
  const controller = new AbortController()
  let cancelled: unknown
  const endless = new ReadableStream({
    cancel: (reason) => {
      cancelled = reason
    },
  })
  const piping = endless.pipeTo(sink(), { signal: controller.signal } as never)
  controller.abort(new Error('enough'))
  await t.rejects(piping, { message: 'enough' })
  t.match(cancelled, { message: 'enough' })
  t.same(seen, [1, 'closed', 2, 'aborted broken', 'aborted enough'])
  await t.rejects(streamOf(1).pipeTo({} as never), TypeError)
})

t.test('strategies', (t) => {
  t.same(
    [
      new CountQueuingStrategy({ highWaterMark: 3 }).highWaterMark,
      (new CountQueuingStrategy({ highWaterMark: 3 }).size as () => number)(),
    ],
    [3, 1],
  )
  t.equal(new ByteLengthQueuingStrategy({ highWaterMark: 3 }).size(new Uint8Array(7)), 7)
  t.throws(() => new (CountQueuingStrategy as unknown as new () => unknown)(), TypeError)
  t.throws(() => new ReadableStream({ type: 'bytes' }, { size: () => 1 } as never), RangeError)
  t.end()
})

t.test('brands', (t) => {
  t.equal(isReadableStream(streamOf()), true)
  for (const value of [null, undefined, 1, {}, Object.create(ReadableStream.prototype), new WritableStream()])
    t.equal(isReadableStream(value), false)
  t.equal(isUnusable(streamOf()), false)
  for (const [name, subject] of Object.entries(streamClasses)) {
    t.equal(subject.name, name)
    t.equal(Object.getOwnPropertyDescriptor(subject.prototype, Symbol.toStringTag)?.value, name)
  }
  t.throws(() => Reflect.get(ReadableStream.prototype, 'locked', {}), TypeError)
  t.throws(() => new ReadableStreamDefaultReader({} as never), TypeError)
  t.throws(() => new ReadableStreamBYOBReader(streamOf()), TypeError)
  t.throws(() => new WritableStreamDefaultWriter({} as never), TypeError)
  t.end()
})
