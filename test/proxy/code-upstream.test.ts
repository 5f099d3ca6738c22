import { PassThrough, Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { frameHeadBytes, frameTypes } from '../../core/sandbox-frames.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import { encodeWhole, wholeBytes } from '../../core/sandbox-whole.ts'
import type { UpstreamRequest } from '../../core/upstream.ts'
import { CodePassed } from '../../proxy/code-failures.ts'
import { createCodeUpstream } from '../../proxy/code-upstream.ts'
import { RequestBody } from '../../proxy/request-body.ts'
import { SupervisorLink } from '../../proxy/supervisor-link.ts'
import { echoing, type OnFrame, startSupervisor, type TestSupervisor } from './fixtures/tenant.ts'

/** A body, whole or not, as a stream. */
function streamOf(body: Readable | Uint8Array | undefined): Readable {
  return body instanceof Readable ? body : Readable.from(body ? [body] : [])
}

const log = pino({ level: 'silent' })

function requestOf(more: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    id: 'r-1',
    method: 'GET',
    authority: 'blog.localhost',
    target: '/a?b=1',
    headers: ['accept', '*/*'],
    body: undefined,
    signal: new AbortController().signal,
    timeoutMs: 5_000,
    ...more,
  }
}

async function make(t: Test, onFrame: OnFrame = echoing()) {
  const supervisor = await startSupervisor(t)
  const links = new SupervisorLink({ socket: supervisor.socket, log })
  t.teardown(() => links[Symbol.dispose]())
  const process = await supervisor.start('p1', onFrame)
  return { supervisor, links, process, upstream: createCodeUpstream('blog', 3, links) }
}

/** A process that does one thing with every request. */
function onRequest(work: (link: FrameLink, stream: number) => void): OnFrame {
  return (link, type, stream) => {
    if (type === frameTypes.request) work(link, stream)
  }
}

const answer = (link: FrameLink, stream: number, hasBody: boolean, status = 200) =>
  link.write(frameTypes.answer, stream, JSON.stringify({ status, headers: [], hasBody }))

t.test('a request goes to the process that has the code, and its answer comes back', async (t) => {
  const { supervisor, upstream } = await make(t)
  const asked: string[] = []
  supervisor.need = (site, version) => {
    asked.push(`${site}@${version}`)
    return 'p1'
  }
  const first = await upstream.send(requestOf())
  t.match(first, { status: 200, headers: ['x-code', '1'] })
  const { head } = JSON.parse(await text(streamOf(first.body)))
  const url = 'https://blog.localhost/a?b=1'
  const headers = ['accept', '*/*']
  t.same(head, { id: 'r-1', version: 3, method: 'GET', url, headers, hasBody: false, isUpgrade: false })
  const all = await Promise.all(Array.from({ length: 50 }, (_, i) => upstream.send(requestOf({ id: `r-${i}` }))))
  const ids = await Promise.all(all.map(async ({ body }) => JSON.parse(await text(streamOf(body))).head.id))
  t.same(
    ids,
    Array.from({ length: 50 }, (_, i) => `r-${i}`),
  )
  t.same(asked, ['blog@3'], 'asked once')
  t.equal(upstream.name, 'sandbox:blog@3')
})

t.test('large bodies go both ways at the speed of who takes them', async (t) => {
  const bytes = 3_000_000
  const { upstream } = await make(t)
  const sent = await upstream.send(requestOf({ method: 'POST', body: Readable.from([Buffer.alloc(bytes)]) }))
  t.equal(JSON.parse(await text(streamOf(sent.body))).bytes, bytes)

  let open = 0
  let left = bytes
  const flush = (link: FrameLink, stream: number) => {
    while (open > 0 && left > 0) {
      const piece = Math.min(open, left, limits.sandboxLink.chunkBytes)
      link.write(frameTypes.body, stream, Buffer.alloc(piece, 7))
      open -= piece
      left -= piece
    }
    if (left === 0) link.write(frameTypes.end, stream)
  }
  const streaming = await make(t, (link, type, stream, payload) => {
    if (type === frameTypes.request) {
      open = limits.sandboxLink.windowBytes
      answer(link, stream, true)
    }
    if (type === frameTypes.credit) open += payload.readUInt32LE(0)
    flush(link, stream)
  })
  const { body } = await streaming.upstream.send(requestOf())
  await pause(50) // Nobody takes it: what is on the way is at most the window and a little.
  t.ok(bytes - left <= limits.sandboxLink.windowBytes * 2, `${bytes - left} bytes before anybody has read`)
  const whole = await buffer(streamOf(body))
  t.ok(whole.length === bytes && whole.every((byte) => byte === 7))
})

const payloadOf = (head: string, body: string | Uint8Array) =>
  Buffer.concat(encodeWhole(frameTypes.wholeAnswer, 1, head, body)).subarray(frameHeadBytes)

const wholeHead = (status: number) => JSON.stringify({ status, headers: ['x-code', '1'], hasBody: true })

const hostileWholes: readonly (readonly [string, Buffer])[] = [
  ['without anything', Buffer.alloc(0)],
  ['whose head is longer than all of it', Buffer.from([255, 0, 0, 0, 123, 125])],
  ['whose head is as long as can be', Buffer.from([255, 255, 255, 255, 123, 125])],
  ['whose head is no JSON', payloadOf('{', 'x')],
  ['with a status that cannot be', payloadOf(wholeHead(99), 'x')],
  ['that is an upgrade', payloadOf(wholeHead(101), 'x')],
  ['that is too large', payloadOf(wholeHead(200), Buffer.alloc(wholeBytes + 1))],
]

t.test('an answer that comes in one frame is whole when it is told', async (t) => {
  const rows: [string, Partial<UpstreamRequest>, number, string | Buffer, string | undefined][] = [
    ['a text', {}, 200, 'grüße', 'grüße'],
    ['bytes', {}, 404, Buffer.from('bytes'), 'bytes'],
    ['the largest', {}, 200, 'x'.repeat(wholeBytes), 'x'.repeat(wholeBytes)],
    ['one without a body', {}, 200, '', ''],
    ['one to HEAD', { method: 'HEAD' }, 200, 'not sent', undefined],
    ['one whose status has no body', {}, 304, 'not sent', undefined],
  ]
  for (const [what, asked, status, body, expected] of rows) {
    const { upstream } = await make(
      t,
      onRequest((link, stream) => link.write(frameTypes.wholeAnswer, stream, payloadOf(wholeHead(status), body))),
    )
    const answered = await upstream.send(requestOf(asked))
    t.equal(answered.status, status, what)
    t.same(answered.headers, ['x-code', '1'])
    t.equal(answered.body instanceof Uint8Array ? `${answered.body}` : answered.body, expected)
  }
})

t.test('an answer that comes twice ends the link', async (t) => {
  const { upstream, process } = await make(
    t,
    onRequest((link, stream) => {
      answer(link, stream, true)
      link.write(frameTypes.wholeAnswer, stream, payloadOf(wholeHead(200), 'x'))
    }),
  )
  const { body } = await upstream.send(requestOf())
  await t.rejects(text(streamOf(body)), { code: 'ERR_CODE_FAILED' })
  t.notOk(process.isOpen)
})

t.test('a small body that announces its length goes along whole, others as they come', async (t) => {
  const types: number[] = []
  const echo = echoing()
  const { upstream } = await make(t, (link, type, stream, payload) => {
    types.push(type)
    echo(link, type, stream, payload)
  })
  const { request, wholeRequest, body: piece, end } = frameTypes
  const rows: [string, string[], number, number[]][] = [
    ['a small one', ['content-length', '5'], 5, [wholeRequest]],
    ['an empty one', ['content-length', '0'], 0, [wholeRequest]],
    ['the largest', ['content-length', `${wholeBytes}`], wholeBytes, [wholeRequest]],
    ['one without a length', ['accept', '*/*'], 5, [request, piece, end]],
    ['a larger one', ['content-length', `${wholeBytes + 1}`], wholeBytes + 1, [request, piece, piece, end]],
  ]
  for (const [what, headers, bytes, expected] of rows) {
    types.length = 0
    const body = new RequestBody(Readable.from(bytes === 0 ? [] : [Buffer.alloc(bytes)]), () => false, undefined)
    const answered = await upstream.send(requestOf({ method: 'POST', headers, body }))
    const told = JSON.parse(await text(streamOf(answered.body)))
    t.equal(told.bytes, bytes, what)
    t.same(told.head.headers, headers)
    t.same([...new Set(types)], [...new Set(expected)], what)
  }
})

t.test('while a small body is on its way the code is not asked', async (t) => {
  const types: number[] = []
  const { upstream } = await make(t, (_link, type) => types.push(type))
  const source = new PassThrough()
  const body = new RequestBody(source, () => false, undefined)
  const sent = upstream.send(requestOf({ method: 'POST', headers: ['content-length', '10'], body }))
  source.write('half')
  await pause(20)
  t.same(types, [])
  source.destroy()
  await t.rejects(sent, { code: 'ERR_CLOSED' })
  t.same(types, [])
})

/** A process that does not have the version, and one that has it; `refused`: what the first was asked. */
async function makeMoved(t: Test, asked: number) {
  const refused: number[] = []
  const made = await make(t, (link, type, stream) => {
    if (type !== asked) return
    refused.push(stream)
    link.write(frameTypes.failed, stream, JSON.stringify({ status: 503, code: 'not-loaded', reason: 'version 3' }))
  })
  const moved = { ...made, refused, asks: 0 }
  made.supervisor.need = () => {
    moved.asks += 1
    return `p${moved.asks}`
  }
  await made.supervisor.start('p2', echoing())
  return moved
}

t.test('a request with a small body is asked again of a process that has the version', async (t) => {
  const moved = await makeMoved(t, frameTypes.wholeRequest)
  const body = new RequestBody(Readable.from([Buffer.from('hello')]), () => false, undefined)
  const answered = await moved.upstream.send(requestOf({ method: 'POST', headers: ['content-length', '5'], body }))
  t.equal(JSON.parse(await text(streamOf(answered.body))).bytes, 5)
  t.same([moved.asks, moved.refused.length], [2, 1])
})

t.test('what the code or its process fails with becomes a status', async (t) => {
  const failed = (code: string, status: number, more = {}) =>
    JSON.stringify({ status, code, reason: 'the reason', ...more })
  const rows: [string, (link: FrameLink, stream: number) => void, object][] = [
    [
      'an exception',
      (link, stream) => link.write(frameTypes.failed, stream, failed('exception', 500)),
      {
        code: 'ERR_CODE_FAILED',
        details: { status: 500, code: 'exception' },
        message: 'exception: what it was is in the log of the site',
      },
    ],
    [
      'a limit',
      (link, stream) => link.write(frameTypes.failed, stream, failed('cpu', 503, { retryAfterSeconds: 7 })),
      { code: 'ERR_CODE_FAILED', details: { status: 503, code: 'cpu', retryAfterSeconds: 7 } },
    ],
    [
      'a process that ends',
      (link) => link.close(),
      { code: 'ERR_CODE_FAILED', details: { status: 503, code: 'killed' } },
    ],
    [
      'a frame that is none',
      (link, stream) => link.write(frameTypes.loaded, stream, '{}'),
      { details: { status: 503 } },
    ],
    [
      'a head that cannot be sent',
      (link, stream) => link.write(frameTypes.answer, stream, '{"status":99}'),
      { details: { status: 503 } },
    ],
    ...hostileWholes.map(([what, payload]): [string, (link: FrameLink, stream: number) => void, object] => [
      `a whole answer ${what}`,
      (link, stream) => link.write(frameTypes.wholeAnswer, stream, payload),
      { details: { status: 503 } },
    ]),
    ['a body without a head', (link, stream) => link.write(frameTypes.body, stream, 'x'), { details: { status: 503 } }],
    ['credit that cannot be', (link, stream) => link.credit(stream, 1), { details: { status: 503 } }],
  ]
  for (const [what, work, expected] of rows) {
    const { upstream } = await make(t, onRequest(work))
    await t.rejects(upstream.send(requestOf()), expected as { code: string }, what)
  }
})

t.test('why a process ended is said by the supervisor, before or after its link closes', async (t) => {
  for (const isBefore of [true, false]) {
    const arrived = Promise.withResolvers<void>()
    const { supervisor, upstream, process } = await make(t, () => arrived.resolve())
    const sent = upstream.send(requestOf())
    const caught = t.rejects(sent, {
      code: 'ERR_CODE_FAILED',
      message: 'memory: 300 of 256 MiB',
      details: { status: 503, code: 'memory' },
    })
    await arrived.promise
    const tell = () => supervisor.tell({ kind: 'ended', process: 'p1', code: 'memory', reason: '300 of 256 MiB' })
    if (isBefore) await tell()
    process.close()
    if (!isBefore) await tell()
    await caught
  }
})

t.test('an answer that breaks off is not taken for whole', async (t) => {
  const { upstream, process } = await make(t, (link, type, stream) => {
    if (type !== frameTypes.request) return
    answer(link, stream, true)
    link.write(frameTypes.body, stream, 'half')
  })
  const { body } = await upstream.send(requestOf())
  process.close()
  await t.rejects(text(streamOf(body)), { code: 'ERR_CODE_FAILED' })
})

t.test('a request that the code passes on is told apart', async (t) => {
  const { upstream } = await make(
    t,
    onRequest((link, stream) => link.write(frameTypes.pass, stream)),
  )
  t.ok((await upstream.send(requestOf()).catch((error: unknown) => error)) instanceof CodePassed)
})

t.test('a visitor who goes, and code that is slow, end the request', async (t) => {
  const cancelled: number[] = []
  const gone = new AbortController()
  const { upstream } = await make(t, (_link, type, stream) => {
    if (type === frameTypes.request) gone.abort(new Error('gone'))
    if (type === frameTypes.cancel) cancelled.push(stream)
  })
  await t.rejects(upstream.send(requestOf({ signal: gone.signal })), { message: 'gone' })
  await t.rejects(upstream.send(requestOf({ signal: gone.signal })), { message: 'gone' }, 'who is gone already')
  await t.rejects(upstream.send(requestOf({ timeoutMs: 10 })), { code: 'ERR_UPSTREAM_SLOW' })
  while (cancelled.length < 2) await pause(5)
  t.same(cancelled, [2, 4])
})

t.test('a version that is not in the process any more is asked for anew', async (t) => {
  const moved = await makeMoved(t, frameTypes.request)
  const { supervisor, upstream } = moved
  t.match(await upstream.send(requestOf()), { status: 200 })
  t.same([moved.asks, moved.refused.length], [2, 1])

  t.same(await supervisor.tell({ kind: 'gone', process: 'p2', version: 3 }), { underWay: 0 })
  await supervisor.start('p3', echoing())
  t.match(await upstream.send(requestOf()), { status: 200 })
  t.equal(moved.asks, 3, 'and after the supervisor has said so')
})

t.test('a site that cannot have a process now gets 503 and when to come again', async (t) => {
  const { supervisor, upstream } = await make(t)
  supervisor.need = () => new GroveError('ERR_TOO_MANY', 'the site rests', { details: { retryAfterMs: 4_200 } })
  await t.rejects(upstream.send(requestOf()), {
    code: 'ERR_CODE_FAILED',
    details: { status: 503, code: 'busy', retryAfterSeconds: 5 },
  })
  supervisor.need = () => new GroveError('ERR_SITE_CODE', 'top level throws')
  await t.rejects(upstream.send(requestOf()), {
    code: 'ERR_CODE_FAILED',
    message: 'exception: the code does not load',
    details: { status: 500 },
  })
  supervisor.need = () => 'p1'
  t.match(await upstream.send(requestOf()), { status: 200 }, 'the next is asked anew')
})

t.test('the supervisor is told what was used', async (t) => {
  const { supervisor, upstream } = await make(t)
  const { body } = await upstream.send(requestOf({ method: 'POST', body: Readable.from([Buffer.alloc(1_000)]) }))
  const answered = await buffer(streamOf(body))
  const used = () => supervisor.said.flatMap((message) => (message.kind === 'used' ? message.processes : []))
  while (used().length === 0) await pause(20)
  t.match(used()[0], { process: 'p1', underWay: 0, requests: 1, receivedBytes: 1_000, sentBytes: answered.length })
})

t.test('without a supervisor a request waits for one, but not for ever', async (t) => {
  const supervisor: TestSupervisor = await startSupervisor(t)
  const links = new SupervisorLink({ socket: `${supervisor.socket}.none`, log })
  t.teardown(() => links[Symbol.dispose]())
  await t.rejects(createCodeUpstream('blog', 1, links).send(requestOf()), {
    code: 'ERR_CODE_FAILED',
    details: { status: 503, code: 'busy' },
  })
})
