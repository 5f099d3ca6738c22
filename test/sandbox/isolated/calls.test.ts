import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { type BridgeValue, bridgeLimits, faults, type HostCall, ops, rests } from '../../../sandbox/bridge.ts'
import { createHostCall } from '../../../sandbox/isolated/calls.ts'
import { createDecoders } from '../../../sandbox/isolated/text-calls.ts'
import { createRecordingHost } from '../fixtures/recording-host.ts'

function makeCall() {
  const host = createRecordingHost()
  const timers: unknown[] = []
  const outcome: unknown[] = []
  const call: HostCall = createHostCall({
    limits: defaultSandboxLimits,
    host,
    decoders: createDecoders(),
    isOwner: (id) => id === 1,
    setTimer: (owner, due) => timers.push([owner, due]),
    loaded: (handlers) => outcome.push(handlers),
    loadFailed: (error) => outcome.push(error),
  })
  return { host, call, timers, outcome }
}

const head = JSON.stringify({ status: 200, headers: [], hasBody: true })
const error = JSON.stringify({ name: 'E', message: 'm', stack: 's' })

t.test('an answer after which nothing is left ends its request, unless it is refused', (t) => {
  for (const [answer, done] of [
    [0, [[1]]],
    [9, [[1]]],
    [faults.closed, []],
  ] as const) {
    const { host, call } = makeCall()
    host.answers['respond'] = answer
    t.equal(call(ops.respond, 1, head, 'x', rests.nothing), answer)
    t.same(host.of('done'), done)
  }
  const { host, call } = makeCall()
  call(ops.respond, 1, 'no head', 'x', rests.nothing)
  call(ops.respond, 1, head, 'x', rests.work)
  t.same(host.of('done'), [])
  t.end()
})

t.test('calls reach the host with what they were given', (t) => {
  const { host, call, timers, outcome } = makeCall()
  host.answers['start'] = 9
  t.equal(call(ops.respond, 1, head, 'body', rests.body), 0)
  t.equal(call(ops.send, 1, new Uint8Array(3)), 0)
  t.equal(call(ops.end, 1), 0)
  t.equal(call(ops.abort, 1, error), 0)
  t.equal(call(ops.pull, 1), 0)
  t.equal(call(ops.cancelBody, 1), 0)
  t.equal(call(ops.fail, 1, 2, error, true), 0)
  t.equal(call(ops.done, 1), 0)
  t.equal(call(ops.start, 1, 3, '{}', 'x'), 9)
  t.equal(call(ops.stop, 1), 0)
  t.equal(call(ops.log, 1, 2, 'x'.repeat(20_000)), 0)
  t.equal(call(ops.report, 1, error), 0)
  t.equal(call(ops.message, 1, 'x'), 0)
  t.equal(call(ops.closeSocket, 1, 1000, 'x'), 0)
  t.equal(call(ops.timer, 1, 5), 0)
  t.equal(call(ops.loaded, 'fetch'), 0)
  t.equal(call(ops.fail, 0, 4, error), 0)
  t.ok((call(ops.openDecoder, 1, 'utf-8', 0) as number) > 0)
  t.same(timers, [[1, 5]])
  t.same(outcome, ['fetch', error])
  t.match(host.of('respond'), [[1, { status: 200 }, head, 'body', true]])
  t.match(host.of('fail'), [[1, 2, { name: 'E' }, true]])
  t.match(host.of('log'), [[1, 2, 'x'.repeat(bridgeLimits.logChars)]], 'a long line is cut')
  t.equal(String(host.of('log')[0]?.[2]).length, bridgeLimits.logChars)
  t.end()
})

t.test('random bytes and digests are answered at once, in buffers of their own', (t) => {
  const { call } = makeCall()
  const bytes = call(ops.random, 100) as Uint8Array
  t.equal(bytes.byteLength, 100)
  t.notSame(bytes, call(ops.random, 100))
  const digest = call(ops.digest, 'SHA-256', new Uint8Array([97, 98, 99])) as Uint8Array
  t.equal(digest.buffer.byteLength, 32)
  t.equal(Buffer.from(digest).toString('hex').slice(0, 16), 'ba7816bf8f01cfea')
  for (const name of ['SHA-1', 'SHA-384', 'SHA-512', 'MD5'])
    t.type(call(ops.digest, name, new Uint8Array(1)), Uint8Array)
  t.equal(call(ops.digest, 'constructor', new Uint8Array(1)), faults.invalid)
  t.end()
})

const big = new Uint8Array(bridgeLimits.operationBytes + 1)
const hostile: readonly { readonly name: string; readonly args: readonly unknown[]; readonly expected: number }[] = [
  { name: 'no number at all', args: ['x'], expected: faults.argument },
  { name: 'an operation that is none', args: [999, 1], expected: faults.argument },
  { name: 'an operation that is none, without a number', args: [999], expected: faults.argument },
  { name: 'a text as number', args: [ops.done, '1'], expected: faults.argument },
  { name: 'a fraction as number', args: [ops.done, 1.5], expected: faults.argument },
  { name: 'NaN as number', args: [ops.done, Number.NaN], expected: faults.argument },
  { name: 'an object as head', args: [ops.respond, 1, {}], expected: faults.argument },
  { name: 'no word of what is left', args: [ops.respond, 1, head, 'x'], expected: faults.argument },
  { name: 'a head that is no JSON', args: [ops.respond, 1, 'x', '', rests.work], expected: faults.invalid },
  {
    name: 'a head that is too large',
    args: [ops.respond, 1, ' '.repeat(200_000), '', rests.work],
    expected: faults.invalid,
  },
  { name: 'an object as body', args: [ops.respond, 1, head, {}, rests.work], expected: faults.argument },
  {
    name: 'a shared buffer as body',
    args: [ops.respond, 1, head, new SharedArrayBuffer(8), rests.work],
    expected: faults.argument,
  },
  {
    name: 'another array as body',
    args: [ops.respond, 1, head, new Uint16Array(8), rests.work],
    expected: faults.argument,
  },
  { name: 'a body that is too large', args: [ops.respond, 1, head, big, rests.work], expected: faults.tooLarge },
  {
    name: 'a map as piece',
    args: [ops.send, 1, new Map()],
    expected: faults.argument,
  },
  { name: 'a piece that is too large', args: [ops.send, 1, new Uint8Array(70_000)], expected: faults.tooLarge },
  { name: 'a text that is too large', args: [ops.send, 1, 'x'.repeat(30_000)], expected: faults.tooLarge },
  { name: 'no piece', args: [ops.send, 1], expected: faults.argument },
  { name: 'a failure without a kind', args: [ops.fail, 1, 'x', error], expected: faults.argument },
  { name: 'handlers that are none', args: [ops.loaded, 7], expected: faults.argument },
  { name: 'an operation while loading', args: [ops.start, 0, 1, '{}'], expected: faults.denied },
  { name: 'a timer while loading', args: [ops.timer, 0, 1], expected: faults.denied },
  { name: 'an operation for another request', args: [ops.start, 2, 1, '{}'], expected: faults.closed },
  { name: 'a timer for another request', args: [ops.timer, 2, 1], expected: faults.closed },
  { name: 'a decoder for another request', args: [ops.openDecoder, 2, 'utf-8', 0], expected: faults.closed },
  { name: 'an operation without a kind', args: [ops.start, 1, '1', '{}'], expected: faults.argument },
  { name: 'an operation without arguments', args: [ops.start, 1, 1], expected: faults.argument },
  { name: 'arguments that are too large', args: [ops.start, 1, 1, ' '.repeat(300_000)], expected: faults.tooLarge },
  { name: 'bytes that are too large', args: [ops.start, 1, 1, '{}', big], expected: faults.tooLarge },
  { name: 'an object as bytes', args: [ops.start, 1, 1, '{}', {}], expected: faults.argument },
  { name: 'a timer at NaN', args: [ops.timer, 1, Number.NaN], expected: faults.argument },
  { name: 'a timer at a text', args: [ops.timer, 1, 'x'], expected: faults.argument },
  { name: 'a line without a level', args: [ops.log, 1, 'x', 'x'], expected: faults.argument },
  { name: 'a message that is none', args: [ops.message, 1, {}], expected: faults.argument },
  { name: 'a message that is too large', args: [ops.message, 1, new Uint8Array(1_048_577)], expected: faults.tooLarge },
  { name: 'a reason that is too long', args: [ops.closeSocket, 1, 1000, 'x'.repeat(124)], expected: faults.argument },
  { name: 'a fraction as code', args: [ops.closeSocket, 1, 1000.5, 'x'], expected: faults.argument },
  { name: 'a code that is none', args: [ops.closeSocket, 1, 5000, 'x'], expected: faults.argument },
  { name: 'no random bytes', args: [ops.random, 0], expected: faults.argument },
  { name: 'random bytes without end', args: [ops.random, 65_537], expected: faults.tooLarge },
  { name: 'random bytes in fractions', args: [ops.random, 1.5], expected: faults.argument },
  { name: 'a digest of a text', args: [ops.digest, 'SHA-256', 'x'], expected: faults.argument },
  {
    name: 'a digest that is too large',
    args: [ops.digest, 'SHA-256', new Uint8Array(65_537)],
    expected: faults.tooLarge,
  },
]

for (const { name, args, expected } of hostile)
  t.test(`a call with ${name} answers a fault`, (t) => {
    const { call } = makeCall()
    t.equal(call(...(args as [number, BridgeValue])), expected)
    t.end()
  })

t.test('what the host throws does not come out', (t) => {
  const { host, call } = makeCall()
  host.during = () => {
    throw new Error('/secret/path')
  }
  t.equal(call(ops.done, 1), faults.argument)
  t.end()
})
