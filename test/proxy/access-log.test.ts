import { pino } from 'pino'
import t from 'tap'
import type { Exchange } from '../../core/exchange.ts'
import { beginNote, logAccess, logRejection } from '../../proxy/access-log.ts'

function capture() {
  const lines: Record<string, unknown>[] = []
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  return { log, lines }
}

const exchange = {
  id: 'r-1',
  method: 'GET',
  authority: 'blog.localhost',
  target: '/a%20b?token=secret',
  query: '?token=secret',
  headers: ['cookie', 'secret', 'authorization', 'secret'],
  clientAddress: '127.0.0.1',
  httpVersion: '2.0',
  note: { ...beginNote(), site: 'blog', version: 3, how: 'static', userId: 'ada' },
} as unknown as Exchange

t.test('one line tells all of a request but its secrets', (t) => {
  const { log, lines } = capture()
  logAccess(log, exchange, { status: 200, bodyBytes: 9, receivedBytes: 0, complete: true })
  t.match(lines[0], {
    level: 30,
    msg: 'request',
    request: 'r-1',
    site: 'blog',
    version: 3,
    method: 'GET',
    authority: 'blog.localhost',
    path: '/a%20b',
    status: 200,
    bytes: 9,
    client: '127.0.0.1',
    protocol: '2.0',
    how: 'static',
    user: 'ada',
  })
  t.type(lines[0]?.['durationMs'], 'number')
  t.notMatch(JSON.stringify(lines), /secret/)
  t.end()
})

t.test('a server error is an error, and a cut answer says so', (t) => {
  const { log, lines } = capture()
  logAccess(log, exchange, { status: 502, bodyBytes: 0, receivedBytes: 0, complete: false })
  t.match(lines[0], { level: 50, complete: false })
  t.end()
})

t.test('a refusal has the names of an access line, and its request id if anybody was shown one', (t) => {
  const { log, lines } = capture()
  logRejection(log, { requestId: 'r-2', status: 400, reason: 'two Host headers', clientAddress: '127.0.0.1' })
  logRejection(log, { requestId: undefined, status: 429, reason: 'flood', clientAddress: '127.0.0.1' })
  t.match(lines, [
    {
      msg: 'request refused',
      request: 'r-2',
      status: 400,
      client: '127.0.0.1',
      how: 'error',
      error: 'two Host headers',
    },
    { msg: 'request refused', status: 429 },
  ])
  t.notOk('request' in (lines[1] ?? {}))
  t.end()
})
