import { openSync, truncateSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { disposeBody, planAnswer, type Sink, writeBody } from '../../proxy/body-writer.ts'
import { connectRaw, countOpenFiles, type Harness, startTransport, tlsFor } from './transport-harness.ts'

const get = 'GET / HTTP/1.1\r\nHost: blog.localhost\r\n\r\n'

/** A client that asks for / and then reads nothing until it is told to. */
async function openStalled(version: '1.1' | '2.0', harness: Harness) {
  if (version === '1.1') {
    const connection = await connectRaw(harness.ports.https, tlsFor(harness))
    connection.socket.pause()
    connection.send(get)
    return { destroy: () => connection.socket.destroy() }
  }
  const session = connectHttp2('https://blog.localhost', {
    createConnection: () =>
      connectTls({ port: harness.ports.https, host: '127.0.0.1', ALPNProtocols: ['h2'], ...tlsFor(harness) }),
  })
  session.on('error', () => {})
  const stream = session.request({ ':path': '/', ':authority': 'blog.localhost' })
  stream.on('error', () => {})
  stream.pause()
  return { destroy: () => session.destroy() }
}

/** A stream without an end that counts what was taken from it. */
function endless() {
  const made = { bytes: 0, destroyed: false }
  const piece = Buffer.alloc(65_536)
  const body = new Readable({
    read() {
      made.bytes += piece.length
      this.push(piece)
    },
    destroy(error, done) {
      made.destroyed = true
      done(error)
    },
  })
  return { made, body }
}

for (const version of ['1.1', '2.0'] as const) {
  t.test(`a client that does not read holds back an endless body, over HTTP/${version}`, async (t) => {
    const { made, body } = endless()
    const harness = await startTransport(t, { handle: (exchange) => exchange.respond(200, [], body) })
    const client = await openStalled(version, harness)
    let before = -1
    await harness.until(() => made.bytes > 0)
    // Buffers of the kernel are full once nothing was taken for a while.
    for (let quiet = 0; quiet < 20; ) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      quiet = made.bytes === before ? quiet + 1 : 0
      before = made.bytes
    }
    t.ok(made.bytes < 32 * 1024 * 1024, `${made.bytes} bytes were taken`)
    client.destroy()
    await harness.until(() => made.destroyed && harness.finished.length === 1)
    t.match(harness.finished[0]?.outcome, { status: 200, complete: false })
  })

  t.test(`a client that does not read is cut after the idle time, over HTTP/${version}`, async (t) => {
    const { made, body } = endless()
    const harness = await startTransport(t, {
      limits: { writeIdleMs: 100 },
      handle: (exchange) => exchange.respond(200, [], body),
    })
    await openStalled(version, harness)
    await harness.until(() => made.destroyed && harness.finished.length === 1)
    t.match(harness.finished[0]?.outcome, { status: 200, complete: false })
  })

  t.test(`big bytes are handed over in pieces, over HTTP/${version}`, async (t) => {
    const harness = await startTransport(t, {
      limits: { writeIdleMs: 200 },
      handle: (exchange) => exchange.respond(200, [], Buffer.alloc(64 * 1024 * 1024)),
    })
    await openStalled(version, harness)
    await harness.until(() => harness.finished.length === 1)
    t.ok((harness.finished[0]?.outcome.bodyBytes ?? 0) < 32 * 1024 * 1024)
  })

  t.test(`files are closed and signals aborted when clients leave midway, over HTTP/${version}`, async (t) => {
    const file = join(t.testdir(), 'big')
    writeFileSync(file, '')
    truncateSync(file, 200_000_000)
    const signals: AbortSignal[] = []
    const harness = await startTransport(t, {
      handle: (exchange) => {
        signals.push(exchange.signal)
        exchange.respond(200, [], { fd: openSync(file, 'r'), offset: 0, length: 200_000_000 })
      },
    })
    const before = await countOpenFiles()
    for (let index = 1; index <= 10; index += 1) {
      const client = await openStalled(version, harness)
      await harness.until(() => harness.exchanges.length === index)
      client.destroy()
      await harness.until(() => harness.finished.length === index)
    }
    t.ok(harness.finished.every(({ outcome }) => !outcome.complete && outcome.bodyBytes < 200_000_000))
    t.ok(signals.every(({ aborted }) => aborted))
    await harness.until(() => harness.transport.connections === 0)
    let open = await countOpenFiles()
    while (open > before) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      open = await countOpenFiles()
    }
    t.ok(open <= before, 'no file is left open')
  })

  t.test(`an answer that comes after its client has left frees its body, over HTTP/${version}`, async (t) => {
    const harness = await startTransport(t, { handle: () => {} })
    const client = await openStalled(version, harness)
    await harness.until(() => harness.exchanges.length === 1)
    client.destroy()
    await harness.until(() => harness.finished.length === 1)
    const { made, body } = endless()
    harness.exchanges[0]?.respond(200, [], body)
    t.equal(made.destroyed, true)
    t.equal(harness.exchanges[0]?.responded, false)
    t.equal(harness.exchanges[0]?.signal.aborted, true, 'a signal that is first asked for now, too')
    t.match(harness.finished[0]?.outcome, { status: 499, bodyBytes: 0, complete: false })
    t.equal(harness.finished.length, 1)
  })
}

t.test('a second answer is an error, and its body is freed', async (t) => {
  const { made, body } = endless()
  const thrown: unknown[] = []
  const harness = await startTransport(t, {
    handle: (exchange) => {
      exchange.respond(200, [], Buffer.from('first'))
      try {
        exchange.respond(200, [], body)
      } catch (error) {
        thrown.push(error)
      }
    },
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(get)
  await connection.has('first')
  connection.socket.destroy()
  t.match(thrown, [{ code: 'ERR_INTERNAL' }])
  t.equal(made.destroyed, true)
})

t.test('a throw after the answer has begun cuts it', async (t) => {
  const harness = await startTransport(t, {
    handle: (exchange) => {
      exchange.respond(200, [], new Readable({ read() {} }))
      throw new Error('a bug')
    },
  })
  const connection = await connectRaw(harness.ports.plain)
  connection.send(get)
  await connection.whole()
  await harness.until(() => harness.finished.length === 1)
  t.match(harness.finished[0]?.outcome, { status: 200, complete: false })
})

t.test('a body whose own length is not the declared one is not sent', (t) => {
  let cut = 0
  const sink: Sink = {
    stream: new Readable() as never,
    end: () => t.fail('ended'),
    cut: () => {
      cut += 1
    },
  }
  writeBody(sink, Buffer.from('abc'), 4)
  t.equal(cut, 1)
  t.end()
})

t.test('a stream that is over before it is given is seen as such', async (t) => {
  const rows: { name: string; body: Readable; declared: number | undefined; whole: boolean }[] = []
  const ended = Readable.from([])
  ended.resume()
  await new Promise((resolve) => ended.on('end', resolve))
  rows.push({ name: 'ended, no length', body: ended, declared: undefined, whole: true })
  rows.push({ name: 'ended, length 0', body: ended, declared: 0, whole: true })
  rows.push({ name: 'ended, length 1', body: ended, declared: 1, whole: false })
  const destroyed = new Readable({ read() {} })
  destroyed.destroy()
  rows.push({ name: 'destroyed', body: destroyed, declared: undefined, whole: false })
  for (const { name, body, declared, whole } of rows) {
    const told: string[] = []
    const sink: Sink = {
      stream: new (await import('node:stream')).PassThrough(),
      end: () => void told.push('end'),
      cut: () => void told.push('cut'),
    }
    writeBody(sink, body, declared)
    t.same(told, [whole ? 'end' : 'cut'], name)
  }
})

t.test('an answer that cannot be sent is refused before anything is', (t) => {
  const rows: [string, () => unknown][] = [
    ['status 99', () => planAnswer('GET', 99, [], undefined)],
    ['status 600', () => planAnswer('GET', 600, [], undefined)],
    ['status 200.5', () => planAnswer('GET', 200.5, [], undefined)],
    ['a line end in a value', () => planAnswer('GET', 200, ['x', 'a\r\nb'], undefined)],
    ['a space in a name', () => planAnswer('GET', 200, ['x y', 'a'], undefined)],
    ['two lengths', () => planAnswer('GET', 200, ['content-length', '1', 'content-length', '1'], Buffer.from('a'))],
    ['a length that is no number', () => planAnswer('GET', 200, ['content-length', '1x'], Buffer.from('a'))],
    ['a length without a body', () => planAnswer('GET', 200, ['content-length', '1'], undefined)],
  ]
  for (const [name, plan] of rows) t.throws(plan, TypeError, name)
  t.doesNotThrow(() => planAnswer('HEAD', 200, ['content-length', '1'], undefined))
  t.doesNotThrow(() => planAnswer('GET', 304, ['content-length', '1'], undefined))
  t.end()
})

t.test('freeing nothing is no error', (t) => {
  disposeBody(undefined)
  disposeBody(Buffer.from('a'))
  t.end()
})
