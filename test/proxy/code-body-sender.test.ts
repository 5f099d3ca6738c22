import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { limits } from '../../core/limits.ts'
import { frameTypes } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import { CodeBodySender } from '../../proxy/code-body-sender.ts'

const { windowBytes, chunkBytes } = limits.sandboxLink

/** A link that keeps what is written to it, and takes as much as it is told. */
function makeLink() {
  const pieces: Buffer[] = []
  const ends: number[] = []
  let drained = Promise.withResolvers<void>()
  const state = { takesMore: true }
  const link = {
    write(type: number, stream: number, payload?: Uint8Array) {
      if (type === frameTypes.body) pieces.push(Buffer.from(payload ?? []))
      if (type === frameTypes.end) ends.push(stream)
      return state.takesMore
    },
    whenDrained: () => drained.promise,
  } as unknown as FrameLink
  return {
    link,
    state,
    pieces,
    ends,
    sent: () => Buffer.concat(pieces).length,
    drain() {
      state.takesMore = true
      drained.resolve()
      drained = Promise.withResolvers<void>()
    },
  }
}

function begin(body: Readable) {
  const wire = makeLink()
  const faults: unknown[] = []
  const sender = new CodeBodySender({ link: wire.link, stream: 5, body, failed: (error) => faults.push(error) })
  sender.begin()
  return { ...wire, sender, faults }
}

/** Until nothing moves any more: streams move in turns of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

t.test('a body goes out whole, and its end after it', async (t) => {
  const { pieces, ends, sender, faults } = begin(Readable.from([Buffer.from('ab'), Buffer.from('cd')]))
  await settle()
  t.equal(Buffer.concat(pieces).toString(), 'abcd')
  t.same([ends, sender.sentBytes, faults], [[5], 4, []])
})

t.test('no more than there is credit for, in pieces that a frame carries', async (t) => {
  const bytes = windowBytes + 10
  const { pieces, ends, sender, sent } = begin(Readable.from([Buffer.alloc(bytes, 1)]))
  await settle()
  t.equal(sent(), windowBytes)
  t.ok(pieces.every((piece) => piece.length <= chunkBytes))
  t.same(ends, [], 'a stream may end while something of it waits')
  t.ok(sender.give(windowBytes))
  await settle()
  t.equal(sent(), bytes)
  t.same(ends, [5])
  t.notOk(sender.give(windowBytes), 'more than was taken')
})

t.test('a link that takes no more is waited for', async (t) => {
  const body = new PassThrough()
  const { ends, sent, state, drain } = begin(body)
  state.takesMore = false
  body.write(Buffer.alloc(10))
  await settle()
  body.end(Buffer.alloc(20))
  await settle()
  t.equal(sent(), 10)
  drain()
  await settle()
  t.equal(sent(), 30)
  t.same(ends, [5])
})

t.test('what nobody wants is read to its end and goes nowhere', async (t) => {
  const body = new PassThrough()
  const { sender, ends, sent, faults } = begin(body)
  body.write(Buffer.alloc(windowBytes + 100))
  await settle()
  sender.stop()
  sender.stop()
  body.end(Buffer.alloc(1_000_000))
  await settle()
  t.ok(body.readableEnded)
  t.same([sent(), ends, faults], [windowBytes, [], []])
})

t.test('a body that fails is told once', async (t) => {
  const broken = new PassThrough()
  const failing = begin(broken)
  broken.destroy(new Error('broken'))
  await settle()
  t.match(failing.faults, [{ message: 'broken' }])
  t.equal(failing.faults.length, 1)

  const cut = new PassThrough()
  const cutting = begin(cut)
  cut.write('x')
  cut.destroy()
  await settle()
  t.match(cutting.faults, [{ code: 'ERR_CLOSED' }])
  t.same(cutting.ends, [])
})

t.test('a body that was over before anybody looked at it', async (t) => {
  const refused = new PassThrough()
  refused.on('error', () => {})
  refused.destroy(new Error('not HTTP'))
  await settle()
  const failing = begin(refused)
  t.match(failing.faults, [{ message: 'not HTTP' }])

  const gone = new PassThrough()
  gone.destroy()
  await settle()
  t.match(begin(gone).faults, [{ code: 'ERR_CLOSED' }])

  const read = Readable.from([Buffer.from('x')])
  for await (const _ of read);
  const ended = begin(read)
  t.same([ended.faults, ended.ends], [[], [5]])
})
