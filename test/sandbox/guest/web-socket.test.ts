import t from 'tap'
import { deliveries, failures } from '../../../sandbox/bridge.ts'
import { Blob } from '../../../sandbox/guest/blob.ts'
import { CloseEvent } from '../../../sandbox/guest/close-event.ts'
import type { MessageEvent } from '../../../sandbox/guest/message-event.ts'
import { Response } from '../../../sandbox/guest/response.ts'
import { WebSocket, WebSocketPair } from '../../../sandbox/guest/web-socket.ts'
import { createRequestHost, turn, until } from './fixtures/request-host.ts'

const host = createRequestHost()
const upgrade = { isUpgrade: true, headers: ['upgrade', 'websocket'] }
const dataOf = (event: unknown) => (event as MessageEvent).data

/** Serves a WebSocket; `work` gets the handler's end. */
function serve(work: (socket: WebSocket) => void) {
  host.load({
    fetch: () => {
      const pair = new WebSocketPair()
      work(pair[1])
      return new Response(null, { status: 101, webSocket: pair[0] })
    },
  })
}

/** Collects what happens at a socket, as text. */
function record(socket: WebSocket, events: string[]) {
  socket.addEventListener('message', (event: unknown) => {
    const data = dataOf(event)
    events.push(typeof data === 'string' ? data : `bytes ${[...new Uint8Array(data as ArrayBuffer)]}`)
  })
  socket.addEventListener('close', (event: CloseEvent) =>
    events.push(`close ${event.code} ${event.reason} ${event.wasClean}`),
  )
}

t.test('messages go both ways until one side closes', async (t) => {
  const events: string[] = []
  serve((socket) => {
    socket.accept()
    record(socket, events)
    socket.addEventListener('message', (event: unknown) => socket.send(`echo ${dataOf(event)}`))
    socket.send('welcome')
  })
  const visit = host.visit(upgrade)
  t.same(visit.head, { status: 101, headers: [], hasBody: false })
  t.same(visit.messages, ['welcome'])
  await visit.deliver(deliveries.message, 'one')
  await visit.deliver(deliveries.message, new Uint8Array([1, 2]))
  t.same(visit.messages, ['welcome', 'echo one', 'echo [object ArrayBuffer]'])
  t.equal(visit.isDone, false)
  await visit.deliver(deliveries.socketClosed, JSON.stringify({ code: 1000, reason: 'bye', wasClean: true }))
  await visit.over
  t.same(events, ['one', 'bytes 1,2', 'close 1000 bye true'])
})

t.test('the handler can close, and hears how it went', async (t) => {
  const events: string[] = []
  let socket: WebSocket | undefined
  serve((given) => {
    socket = given
    given.accept()
    record(given, events)
    given.send('last')
    given.close(4000, 'enough')
    t.equal(given.readyState, 2)
    given.send('never')
    given.close(1000)
  })
  const visit = host.visit(upgrade)
  t.same([visit.messages, visit.closed], [['last'], { code: 4000, reason: 'enough' }])
  await visit.deliver(deliveries.socketClosed, JSON.stringify({ code: 4000, reason: 'enough', wasClean: true }))
  await visit.over
  t.same(events, ['close 4000 enough true'])
  t.equal(socket?.readyState, 3)
})

t.test('a visitor who is cut off closes the socket', async (t) => {
  const events: string[] = []
  serve((socket) => {
    socket.accept()
    record(socket, events)
  })
  const visit = host.visit(upgrade)
  await visit.deliver(deliveries.cancelled)
  await visit.over
  t.same(events, ['close 1006  false'])
})

t.test('messages that come before accept wait, and those after the listeners too', async (t) => {
  const events: string[] = []
  let socket: WebSocket | undefined
  serve((given) => {
    socket = given
  })
  const visit = host.visit(upgrade)
  await visit.deliver(deliveries.message, 'early')
  t.throws(() => socket?.send('x'), { name: 'InvalidStateError' })
  socket?.accept()
  record(socket as WebSocket, events)
  await turn()
  t.same(events, ['early'])
  await visit.deliver(deliveries.cancelled)
})

t.test('a visitor who takes nothing holds messages back, so many and no more', async (t) => {
  let socket: WebSocket | undefined
  serve((given) => {
    socket = given
    given.accept()
  })
  const visit = host.visit({ ...upgrade, window: 5 })
  socket?.send('12345')
  socket?.send('67890')
  t.same([visit.messages, socket?.bufferedAmount], [['12345'], 5])
  await visit.take(100)
  t.same([visit.messages, socket?.bufferedAmount], [['12345', '67890'], 0])
  socket?.send('x'.repeat(200))
  const large = new Uint8Array(1_048_576)
  for (let index = 0; index < 4; index++) socket?.send(large)
  t.throws(() => socket?.send(large), { name: 'QuotaExceededError' })
  socket?.close()
  t.equal(visit.closed, undefined, 'what waits goes first')
  await visit.take(10_000_000)
  t.equal(visit.messages.length, 7)
  t.same(visit.closed, { code: 0, reason: '' })
  await visit.deliver(deliveries.cancelled)
})

t.test('what can be sent', async (t) => {
  serve((socket) => {
    socket.accept()
    socket.send('text \ud800')
    socket.send(new Uint8Array([0, 1, 2]).subarray(1))
    socket.send(new Uint8Array([3]).buffer)
    socket.send(new Blob(['b']))
    socket.send(5)
    t.throws(() => socket.send(new Uint8Array(1_048_577)), { name: 'QuotaExceededError' })
    t.throws(() => socket.send('x'.repeat(400_000)), { name: 'QuotaExceededError' })
    t.throws(() => (socket.send as () => void)(), TypeError)
  })
  const visit = host.visit(upgrade)
  const sent = visit.messages.map((message) => (typeof message === 'string' ? message : [...message]))
  t.same(sent, ['text \ufffd', [1, 2], [3], [98], '5'])
  await visit.deliver(deliveries.cancelled)
})

t.test('codes and reasons of a close', (t) => {
  const { 1: socket } = new WebSocketPair()
  for (const code of [0, 999, 1001, 1005, 1006, 2999, 5000, -1, 'x'])
    t.throws(() => socket.close(code), { name: 'InvalidAccessError' }, String(code))
  t.throws(() => socket.close(1000, 'x'.repeat(124)), { name: 'SyntaxError' })
  t.throws(() => socket.close(1000, '\u20ac'.repeat(42)), { name: 'SyntaxError' })
  t.doesNotThrow(() => socket.close(3000, 'x'.repeat(123)))
  t.doesNotThrow(() => socket.close(4999))
  t.end()
})

t.test('the two ends speak with each other inside the code', async (t) => {
  const pair = new WebSocketPair()
  const events: string[] = []
  pair[0].accept()
  pair[1].accept()
  record(pair[0], events)
  pair[1].onmessage = (event: unknown) => pair[1].send(`echo ${dataOf(event)}`)
  pair[0].send('one')
  await until(() => events.length === 1)
  pair[1].close(1000, 'done')
  await until(() => events.length === 2)
  t.same(events, ['echo one', 'close 1000 done true'])
  t.same([pair[0].readyState, pair[1].readyState], [3, 3])
  t.same(Object.keys(pair), ['0', '1'])
})

t.test('answers with a WebSocket that cannot be', async (t) => {
  const pair = new WebSocketPair()
  const accepted = new WebSocketPair()
  accepted[0].accept()
  const cases: [string, () => unknown, boolean][] = [
    ['nobody asked for one', () => new Response(null, { status: 101, webSocket: new WebSocketPair()[0] }), false],
    ['it is in use', () => new Response(null, { status: 101, webSocket: accepted[0] }), true],
    ['another status', () => new Response(null, { status: 200, webSocket: pair[0] }), true],
    ['a body', () => new Response('x', { status: 101, webSocket: pair[0] }), true],
    ['no socket', () => new Response(null, { status: 101 }), true],
  ]
  for (const [name, fetch, isUpgrade] of cases) {
    host.load({ fetch })
    const visit = await host.answer({ isUpgrade })
    t.ok(visit.failed, name)
    t.equal(visit.head, undefined)
  }
  host.load({ fetch: () => new Response(null, { status: 101, webSocket: pair[0] }) })
  const first = host.visit(upgrade)
  t.equal(first.head?.status, 101)
  t.equal((await host.answer(upgrade)).failed?.kind, failures.invalid, 'an end is given away once')
  t.throws(() => pair[0].accept(), TypeError)
  t.throws(() => pair[0].send('x'), TypeError)
  t.throws(() => pair[0].close(), TypeError)
  await first.deliver(deliveries.cancelled)
  t.throws(() => new Response(null, { status: 101, webSocket: new WebSocketPair()[0] }).clone(), TypeError)
})

t.test('interfaces', (t) => {
  t.throws(() => new WebSocket('wss://a.example/'), { name: 'NotSupportedError' })
  const { 0: socket } = new WebSocketPair()
  t.match(socket, {
    url: '',
    protocol: '',
    extensions: '',
    readyState: 0,
    bufferedAmount: 0,
    binaryType: 'arraybuffer',
  })
  t.throws(
    () => {
      socket.binaryType = 'blob'
    },
    { name: 'NotSupportedError' },
  )
  for (const name of ['onopen', 'onmessage', 'onclose', 'onerror'] as const) {
    const handler = () => {}
    t.equal(socket[name], null)
    socket[name] = handler
    t.equal(socket[name], handler)
  }
  t.same(
    [WebSocket, WebSocket.prototype].map((owner) => (owner as unknown as { OPEN: number }).OPEN),
    [1, 1],
  )
  const event = new CloseEvent('close', { code: 1000, reason: 'r', wasClean: true })
  t.match(event, { type: 'close', code: 1000, reason: 'r', wasClean: true })
  t.match(new CloseEvent('close'), { code: 0, reason: '', wasClean: false })
  t.throws(() => new (CloseEvent as unknown as new () => unknown)(), TypeError)
  t.end()
})
