import { createHash } from 'node:crypto'
import { openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import type { Exchange } from '../../core/exchange.ts'
import { getHeader } from '../../core/headers.ts'
import { type Client, openClient, readBody, type Sent, startTransport } from './transport-harness.ts'

const big = Buffer.alloc(300_000, 'grove ')

interface Row {
  readonly name: string
  readonly sent: Sent
  readonly answer: (exchange: Exchange, folder: string) => void
  readonly status: number
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly body?: string
  readonly cut?: boolean
  readonly outcome?: { readonly bodyBytes?: number; readonly complete?: boolean }
}

const answerText = (text: string) => (exchange: Exchange) =>
  exchange.respond(200, ['content-type', 'text/plain'], Buffer.from(text))

function sliceOf(folder: string, content: string | Buffer, offset: number, length: number) {
  const file = join(folder, createHash('sha256').update(content).digest('hex'))
  writeFileSync(file, content)
  return { fd: openSync(file, 'r'), offset, length }
}

const rows: readonly Row[] = [
  {
    name: 'bytes come with their length',
    sent: {},
    answer: answerText('hello'),
    status: 200,
    headers: { 'content-length': '5', 'content-type': 'text/plain' },
    body: 'hello',
    outcome: { bodyBytes: 5, complete: true },
  },
  {
    name: 'no body is a length of 0',
    sent: {},
    answer: (x) => x.respond(200, []),
    status: 200,
    body: '',
    headers: { 'content-length': '0' },
  },
  {
    name: 'empty bytes are a length of 0',
    sent: {},
    answer: (x) => x.respond(200, [], Buffer.alloc(0)),
    status: 200,
    body: '',
    headers: { 'content-length': '0' },
  },
  {
    name: 'HEAD has the length and no body',
    sent: { method: 'HEAD' },
    answer: answerText('hello'),
    status: 200,
    headers: { 'content-length': '5' },
    body: '',
    outcome: { bodyBytes: 0, complete: true },
  },
  {
    name: 'HEAD of a stream has neither',
    sent: { method: 'HEAD' },
    answer: (x) => x.respond(200, [], Readable.from([Buffer.from('a')])),
    status: 200,
    headers: { 'content-length': undefined },
    body: '',
  },
  {
    name: '204 has no length and no body',
    sent: {},
    answer: (x) => x.respond(204, ['content-length', '3'], Buffer.from('abc')),
    status: 204,
    headers: { 'content-length': undefined },
    body: '',
  },
  {
    name: '304 keeps its headers and has no body',
    sent: {},
    answer: (x) => x.respond(304, ['etag', '"a"'], Readable.from(['abc'])),
    status: 304,
    headers: { etag: '"a"' },
    body: '',
  },
  {
    name: 'a header may come twice',
    sent: {},
    answer: (x) => x.respond(200, ['set-cookie', 'a=1', 'set-cookie', 'b=2']),
    status: 200,
  },
  {
    name: 'headers of one hop are not sent on',
    sent: {},
    answer: (x) =>
      x.respond(200, [
        'keep-alive',
        'x',
        'upgrade',
        'h2c',
        'transfer-encoding',
        'gzip',
        'te',
        'x',
        'proxy-connection',
        'x',
        'x-kept',
        '1',
      ]),
    status: 200,
    headers: { upgrade: undefined, 'transfer-encoding': undefined, te: undefined, 'x-kept': '1' },
  },
  {
    name: 'big bytes arrive whole',
    sent: {},
    answer: (x) => x.respond(200, [], big),
    status: 200,
    headers: { 'content-length': '300000' },
    body: big.toString(),
    outcome: { bodyBytes: 300_000, complete: true },
  },
  {
    name: 'a part of a file arrives whole',
    sent: {},
    answer: (x, folder) => x.respond(206, [], sliceOf(folder, big, 100_000, 150_000)),
    status: 206,
    headers: { 'content-length': '150000' },
    body: big.subarray(100_000, 250_000).toString(),
    outcome: { bodyBytes: 150_000, complete: true },
  },
  {
    name: 'an empty part of a file is an empty body',
    sent: {},
    answer: (x, folder) => x.respond(200, [], sliceOf(folder, 'abc', 1, 0)),
    status: 200,
    headers: { 'content-length': '0' },
    body: '',
  },
  {
    name: 'a file that is shorter than promised cuts the answer',
    sent: {},
    answer: (x, folder) => x.respond(200, [], sliceOf(folder, 'abc', 0, 10)),
    status: 200,
    cut: true,
    outcome: { complete: false },
  },
  {
    name: 'a stream without a length arrives whole',
    sent: {},
    answer: (x) => x.respond(200, [], Readable.from([Buffer.from('one '), Buffer.from('two')])),
    status: 200,
    headers: { 'content-length': undefined },
    body: 'one two',
    outcome: { bodyBytes: 7, complete: true },
  },
  {
    name: 'a stream of text arrives whole',
    sent: {},
    answer: (x) => x.respond(200, ['content-length', '7'], Readable.from(['one ', 'two'])),
    status: 200,
    body: 'one two',
  },
  {
    name: 'a stream that ends before its length cuts the answer',
    sent: {},
    answer: (x) => x.respond(200, ['content-length', '10'], Readable.from([Buffer.from('one')])),
    status: 200,
    cut: true,
    outcome: { complete: false },
  },
  {
    name: 'a stream that goes on beyond its length cuts the answer',
    sent: {},
    answer: (x) => x.respond(200, ['content-length', '4'], Readable.from([Buffer.from('one'), Buffer.from('two')])),
    status: 200,
    cut: true,
    outcome: { complete: false },
  },
  {
    name: 'a stream that fails midway cuts the answer',
    sent: {},
    answer: (x) =>
      x.respond(
        200,
        [],
        Readable.from(
          (async function* () {
            yield Buffer.from('one')
            throw new Error('gone')
          })(),
        ),
      ),
    status: 200,
    cut: true,
    outcome: { complete: false },
  },
  {
    name: 'a stream that is destroyed without an error cuts the answer',
    sent: {},
    answer: (x) => {
      const body = new Readable({ read() {} })
      body.push('one')
      x.respond(200, [], body)
      setImmediate(() => body.destroy())
    },
    status: 200,
    cut: true,
    outcome: { complete: false },
  },
  {
    name: 'a length that no body keeps is a 500',
    sent: {},
    answer: (x) => x.respond(200, ['content-length', '5']),
    status: 500,
  },
  {
    name: 'a throw of the handler is a 500',
    sent: {},
    answer: () => {
      throw new Error('a bug')
    },
    status: 500,
  },
  {
    name: 'a header that cannot be sent is a 500',
    sent: {},
    answer: (x) => x.respond(200, ['x', 'a\nb'], Buffer.from('a')),
    status: 500,
  },
  { name: 'a status that cannot be sent is a 500', sent: {}, answer: (x) => x.respond(101, []), status: 500 },
  {
    name: 'a request body is read',
    sent: { method: 'POST', body: 'ping' },
    answer: (x) => void readBody(x).then((text) => x.respond(200, [], Buffer.from(`${text} pong`))),
    status: 200,
    body: 'ping pong',
  },
  {
    name: 'a request body streams back as it comes',
    sent: { method: 'PUT', body: big },
    answer: (x) => x.respond(200, [], x.body),
    status: 200,
    body: big.toString(),
  },
  {
    name: 'a body of no bytes is no body',
    sent: { method: 'POST', headers: { 'content-length': '0' }, body: '' },
    answer: (x) => x.respond(200, [], Buffer.from(String(x.body === undefined || x.httpVersion === '2.0'))),
    status: 200,
    body: 'true',
  },
  {
    name: 'a small body that nobody reads does no harm',
    sent: { method: 'POST', body: 'ping' },
    answer: (x) => x.respond(405, ['allow', 'GET']),
    status: 405,
  },
  {
    name: 'a big body that nobody reads does no harm',
    sent: { method: 'POST', body: big },
    answer: (x) => x.respond(413, []),
    status: 413,
  },
  {
    name: 'a body that its reader destroys still gets its answer',
    sent: { method: 'POST', body: big },
    answer: (x) => {
      x.body?.once('data', () => {
        x.body?.destroy(new Error('no more'))
        x.respond(502, [])
      })
    },
    status: 502,
  },
  {
    name: 'the target, path and query are told apart',
    sent: { path: '/a%20b/%C3%A4?x=%2f&y' },
    answer: (x) => x.respond(200, [], Buffer.from(JSON.stringify([x.target, x.path, x.query]))),
    status: 200,
    body: Buffer.from(JSON.stringify(['/a%20b/%C3%A4?x=%2f&y', '/a b/ä', '?x=%2f&y'])).toString('latin1'),
  },
  {
    name: 'cookies are one header',
    sent: { headers: { cookie: ['a=1', 'b=2'] } },
    answer: (x) => x.respond(200, [], Buffer.from(getHeader(x.headers, 'cookie') ?? '')),
    status: 200,
    body: 'a=1; b=2',
  },
  {
    name: 'aliases of guarded headers are dropped, other names stay',
    sent: { headers: { grove_user: 'eve', 'x.forwarded.for': '1.1.1.1', proxy: 'http://evil', x_other: '1' } },
    answer: (x) => {
      const kept = x.headers.filter(
        (_, index) => index % 2 === 0 && !['host', 'connection'].includes(x.headers[index] ?? ''),
      )
      x.respond(200, [], Buffer.from(kept.join(' ')))
    },
    status: 200,
    body: 'x_other',
  },
  {
    name: 'an answer follows 100 Continue when the body is wanted',
    sent: { method: 'POST', headers: { expect: '100-continue' }, body: 'ping' },
    answer: (x) => void readBody(x).then((text) => x.respond(200, [], Buffer.from(text))),
    status: 200,
    body: 'ping',
  },
]

for (const version of ['1.1', '2.0'] as const) {
  t.test(`every exchange of the table is answered over HTTP/${version}`, async (t) => {
    const folder = t.testdir()
    let row: Row | undefined
    const harness = await startTransport(t, {
      handle: (exchange) => {
        row?.answer(exchange, folder)
      },
    })
    const client: Client = openClient(version, harness)
    t.teardown(() => client.close())
    for (row of rows) {
      const { name, sent, status, headers = {}, body, cut = false, outcome } = row
      const before = harness.finished.length
      const received = await client.send(sent)
      if (!cut || received.status !== 0) t.equal(received.status, status, `${name}: status`)
      t.equal(received.cut, cut, `${name}: whole or cut`)
      if (body !== undefined) t.ok(received.body === body, `${name}: body`)
      for (const [header, value] of Object.entries(headers))
        t.equal(received.headers[header], value, `${name}: ${header}`)
      await harness.until(() => harness.finished.length > before)
      t.equal(harness.finished.length, before + 1, `${name}: finished is told once`)
      const told = harness.finished[before]
      t.equal(told?.outcome.status, status, `${name}: outcome's status`)
      t.match(told?.outcome, outcome ?? { complete: !cut }, `${name}: outcome`)
      t.equal(told?.exchange.httpVersion, version)
      t.equal(told?.exchange.scheme, 'https')
      t.equal(told?.exchange.authority, 'blog.localhost')
      t.equal(told?.exchange.clientAddress, '127.0.0.1')
    }
    t.equal(harness.rejected.length, 0)
    t.equal(harness.exchanges.length, rows.length)
  })
}
