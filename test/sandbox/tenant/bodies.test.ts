import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { deliveries, faults, pulled } from '../../../sandbox/bridge.ts'
import { IncomingBody } from '../../../sandbox/tenant/incoming-body.ts'
import { OutgoingBody } from '../../../sandbox/tenant/outgoing-body.ts'

function incoming(mostBytes = 1_000_000) {
  const told: (readonly unknown[])[] = []
  const credits: number[] = []
  let over = 0
  const body = new IncomingBody({
    mostBytes,
    bound: 'someBytes',
    credit: (bytes) => credits.push(bytes),
    deliver: (...args) => told.push(args),
    over: () => {
      over++
    },
  })
  return { body, told, credits, over: () => over }
}

const error = { name: 'AbortError', message: 'gone' }

t.test('pieces wait for the guest, in buffers of their own, and the end comes last', (t) => {
  const { body, told, over } = incoming()
  const pool = Buffer.from('abcdef')
  t.ok(body.arrive(pool.subarray(1, 3)))
  body.finish()
  const piece = body.pull() as Uint8Array
  t.equal(Buffer.from(piece).toString(), 'bc')
  t.equal(piece.buffer.byteLength, 2)
  t.equal(body.pull(), pulled.ended)
  t.same(told, [])
  t.equal(over(), 1)
  t.end()
})

t.test('a body that is here is taken as text in one call, and is over then', (t) => {
  const { body, over } = incoming()
  t.equal(body.pullText(100), pulled.later, 'nothing has come')
  body.arrive(Buffer.from('gr\xc3', 'latin1'))
  t.equal(body.pullText(100), pulled.later, 'it is not whole')
  body.arrive(Buffer.from([0xbc, 0xff]))
  body.finish()
  t.equal(body.pullText(4), pulled.later, 'it is larger than what may be taken')
  t.equal(body.pullText(5), 'gr\u00fc\ufffd')
  t.equal(over(), 1)
  t.equal(body.pullText(100), pulled.later, 'there is no more of it')
  t.equal(body.pull(), pulled.ended)

  const marked = incoming()
  marked.body.arrive(Buffer.from('\ufeffx'))
  marked.body.finish()
  t.equal(marked.body.pullText(100), '\ufeffx', 'the mark is for the guest to take off')

  const empty = incoming()
  empty.body.finish()
  t.equal(empty.body.pullText(100), pulled.later)

  const cancelled = incoming()
  cancelled.body.arrive(Buffer.from('x'))
  cancelled.body.finish()
  cancelled.body.cancel()
  t.equal(cancelled.body.pullText(100), faults.closed)
  t.end()
})

t.test('a guest that came first is told', (t) => {
  const { body, told, over } = incoming()
  t.equal(body.pull(), pulled.later)
  t.equal(body.pull(), faults.again)
  body.arrive(Buffer.from('a'))
  t.equal(body.pull(), pulled.later)
  body.finish()
  t.match(told, [[deliveries.chunk], [deliveries.ended]])
  t.equal(over(), 1)
  t.end()
})

t.test('who sends learns what was taken, in large pieces, and cannot send more than it has credit for', (t) => {
  const { body, credits } = incoming()
  const piece = Buffer.alloc(limits.sandboxLink.chunkBytes)
  for (let i = 0; i < 4; i++) t.ok(body.arrive(piece))
  t.notOk(body.arrive(Buffer.alloc(1)))
  body.pull()
  t.same(credits, [limits.sandboxLink.chunkBytes])
  t.end()
})

t.test('a body that breaks off tells the guest once, whether it asked or not', (t) => {
  const { body, told, over } = incoming()
  body.arrive(Buffer.from('a'))
  body.break(error)
  body.break(error)
  t.same(told, [[deliveries.broken, JSON.stringify(error)]])
  t.equal(body.pull(), faults.closed)
  t.equal(over(), 1)
  body.arrive(Buffer.from('b'))
  t.equal(body.takeAtOnce(100), undefined)
  t.end()
})

t.test('a body that is too large breaks off, and says which bound it was', (t) => {
  const { body, told } = incoming(3)
  body.arrive(Buffer.from('abcd'))
  t.match(told, [[deliveries.broken, /more than 3 bytes \(someBytes\)/]])
  t.end()
})

t.test('a body that nobody wants takes no more and gives no credit', (t) => {
  const { body, told, credits, over } = incoming()
  t.ok(body.isWanted)
  body.cancel()
  body.cancel()
  t.notOk(body.isWanted)
  body.arrive(Buffer.alloc(65_536))
  body.break(error)
  body.finish()
  t.equal(body.pull(), faults.closed)
  t.same([told, credits, over()], [[], [], 1])
  t.end()
})

t.test('what is there goes along at once, if it is little', (t) => {
  const { body } = incoming()
  t.equal(body.takeAtOnce(10), undefined)
  body.arrive(Buffer.from('ab'))
  body.arrive(Buffer.from('cd'))
  t.equal(body.takeAtOnce(3), undefined)
  t.equal(Buffer.from(body.takeAtOnce(4) ?? []).toString(), 'abcd')
  body.arrive(Buffer.from('e'))
  t.equal(Buffer.from(body.takeAtOnce(4) ?? []).toString(), 'e')
  body.arrive(Buffer.alloc(0))
  body.finish()
  t.equal(body.pull(), pulled.ended, 'an empty piece is none')
  t.end()
})

function outgoing() {
  const written: number[] = []
  const told: number[] = []
  let finished = 0
  const body = new OutgoingBody({
    write: (piece) => written.push(piece.byteLength),
    finish: () => {
      finished++
    },
    writable: (bytes) => told.push(bytes),
  })
  return { body, written, told, finished: () => finished }
}

const { windowBytes, chunkBytes } = limits.sandboxLink

t.test('a body goes out in pieces that a frame takes, as far as there is credit', (t) => {
  const { body, written, told, finished } = outgoing()
  t.equal(body.room, windowBytes)
  t.equal(body.send('ä'), windowBytes - 2)
  t.equal(body.send(new Uint8Array(windowBytes)), 0)
  t.same(written, [2, chunkBytes, chunkBytes, chunkBytes, chunkBytes - 2])
  t.equal(body.send('x'), faults.tooMany, 'the guest was told to wait')
  t.ok(body.give(1))
  t.same(told, [], 'it is not enough for what is held')
  t.ok(body.give(10))
  t.same(told, [9])
  t.equal(body.end(), 0)
  t.equal(finished(), 1)
  t.equal(body.bytes, windowBytes + 2)
  t.end()
})

t.test('the end waits for what is held', (t) => {
  const { body, finished, told } = outgoing()
  body.send(new Uint8Array(windowBytes + 5))
  t.equal(body.end(), 0)
  t.equal(body.end(), faults.again)
  t.equal(finished(), 0)
  body.give(5)
  t.equal(finished(), 1)
  t.same(told, [], 'nobody has to be told of room')
  t.equal(body.send('x'), faults.closed)
  t.equal(body.end(), faults.again)
  t.end()
})

t.test('credit that cannot be is told, and a closed body takes nothing', (t) => {
  const { body, finished } = outgoing()
  t.notOk(body.give(1))
  const other = outgoing()
  other.body.close()
  t.equal(other.body.send('x'), faults.closed)
  t.equal(other.body.end(), faults.closed)
  t.ok(other.body.give(10))
  t.same([other.written, finished(), other.finished()], [[], 0, 0])
  t.end()
})

t.test('an empty piece is none, and an empty body ends', (t) => {
  const { body, written, finished } = outgoing()
  t.equal(body.send(''), windowBytes)
  body.end()
  t.same([written, finished()], [[], 1])
  t.end()
})
