import t from 'tap'
import {
  errorStatus,
  fromPlainError,
  GroveError,
  isGroveError,
  plainErrorSchema,
  toGroveError,
  toPlainError,
} from '../../core/errors.ts'

t.test('an error keeps its code, details, hint and cause, and knows its status', (t) => {
  const cause = new Error('below')
  const error = new GroveError('ERR_SITE_UNKNOWN', 'no site "x"', { cause, details: { site: 'x' }, hint: 'list them' })
  t.equal(error.status, 404)
  t.equal(error.cause, cause)
  t.same(toPlainError(error), {
    code: 'ERR_SITE_UNKNOWN',
    message: 'no site "x"',
    details: { site: 'x' },
    hint: 'list them',
  })
  t.end()
})

t.test('an error crosses a channel and comes out equal, without its cause', (t) => {
  const sent = new GroveError('ERR_CONFLICT', 'lost the race', { details: { head: 3 }, cause: new Error('secret') })
  const got = fromPlainError(plainErrorSchema.parse(JSON.parse(JSON.stringify(toPlainError(sent)))))
  t.equal(got.code, 'ERR_CONFLICT')
  t.equal(got.message, 'lost the race')
  t.same(got.details, { head: 3 })
  t.equal(got.cause, undefined)
  t.end()
})

t.test('what is thrown by others becomes ERR_INTERNAL with the thrown value as cause', (t) => {
  for (const thrown of [new TypeError('boom'), 'boom']) {
    const error = toGroveError(thrown)
    t.equal(error.code, 'ERR_INTERNAL')
    t.equal(error.message, 'boom')
    t.equal(error.cause, thrown)
  }
  t.equal(fromPlainError({ code: 'ERR_FROM_THE_FUTURE', message: 'm' }).code, 'ERR_INTERNAL')
  t.end()
})

t.test('an error is asked for its code, whatever was thrown', (t) => {
  t.ok(isGroveError(new GroveError('ERR_CLOSED', 'm'), 'ERR_CLOSED'))
  const others = [new GroveError('ERR_DENIED', 'm'), Object.assign(new Error('m'), { code: 'ERR_CLOSED' }), undefined]
  for (const thrown of others) t.notOk(isGroveError(thrown, 'ERR_CLOSED'))
  t.end()
})

t.test('every code has a status that is an error', (t) => {
  for (const [code, status] of Object.entries(errorStatus)) t.ok(/^ERR_[A-Z_]+$/.test(code) && status >= 400, code)
  t.end()
})
