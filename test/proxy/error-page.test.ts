import t from 'tap'
import { GroveError } from '../../core/errors.ts'
import { getHeader } from '../../core/headers.ts'
import { answerError, describeFailure, statusOfFailure } from '../../proxy/error-page.ts'
import { testExchange } from './fixtures/exchange.ts'

t.test('a visitor gets the status in words and the id, and nothing of the cause', async (t) => {
  const exchange = testExchange()
  answerError(exchange, 502, {
    error: 'ERR_UPSTREAM_DOWN: http://10.0.0.1:3000 refused',
    headers: ['retry-after', '1'],
  })
  const { status, headers, body } = await exchange.answered
  const text = body.toString()
  t.equal(status, 502)
  t.equal(getHeader(headers, 'content-type'), 'text/html; charset=utf-8')
  t.equal(getHeader(headers, 'cache-control'), 'no-store')
  t.equal(getHeader(headers, 'retry-after'), '1')
  t.match(text, '502 Bad Gateway')
  t.match(text, exchange.id)
  t.match(text, 'name="viewport"')
  t.match(text, 'color-scheme: light dark')
  t.notMatch(text, /10\.0\.0\.1|ERR_/)
  t.match(exchange.note, { how: 'error', error: 'ERR_UPSTREAM_DOWN: http://10.0.0.1:3000 refused' })
})

t.test('programs get JSON, browsers a page', async (t) => {
  const rows: [string | undefined, boolean][] = [
    [undefined, false],
    ['*/*', false],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', false],
    ['application/json', true],
    ['Application/JSON; charset=utf-8', true],
    ['application/problem+json', true],
    ['application/json, text/plain, */*', true],
    ['text/html, application/json', false],
    ['text/html;q=0.5, application/json', true],
    ['text/html, application/json;q=0.5', false],
    ['application/json;q=0', false],
    ['application/json;q=junk', false],
    ['', false],
  ]
  for (const [accept, json] of rows) {
    const exchange = testExchange({ headers: accept === undefined ? [] : ['accept', accept] })
    answerError(exchange, 503)
    const { headers, body } = await exchange.answered
    t.equal(getHeader(headers, 'content-type')?.startsWith('application/json'), json, String(accept))
    if (json)
      t.same(JSON.parse(body.toString()), {
        error: { status: 503, message: 'Service Unavailable', request: exchange.id },
      })
  }
})

t.test('an exchange that has its answer is left alone, but noted', async (t) => {
  const exchange = testExchange()
  exchange.respond(200, [], Buffer.from('ok'))
  answerError(exchange, 500, { error: 'too late' })
  t.equal((await exchange.answered).status, 200)
  t.equal(exchange.note.error, 'too late')
})

t.test('an unknown status still has words', async (t) => {
  const exchange = testExchange()
  answerError(exchange, 599)
  t.match((await exchange.answered).body.toString(), '599 Error')
})

t.test('which status a failure has', (t) => {
  t.equal(statusOfFailure(new GroveError('ERR_UPSTREAM_DOWN', 'x')), 502)
  t.equal(statusOfFailure(new GroveError('ERR_UPSTREAM_SLOW', 'x')), 504)
  t.equal(statusOfFailure(new GroveError('ERR_TOO_LARGE', 'x')), 413)
  t.equal(statusOfFailure(new GroveError('ERR_TOO_MANY', 'x')), 503)
  t.equal(statusOfFailure(new GroveError('ERR_BAD_REQUEST', 'x')), 400)
  t.equal(statusOfFailure(new GroveError('ERR_PLUGIN', 'x')), 500)
  t.equal(statusOfFailure(new Error('x')), 500)
  t.equal(describeFailure(new Error('x'.repeat(9_999))).length, 500, 'a line for the log stays a line')
  t.equal(describeFailure('thrown text'), 'ERR_INTERNAL: thrown text')
  t.end()
})
