import t from 'tap'
import type { z } from 'zod'
import {
  answerHeadSchema,
  dataCallSchema,
  logSchema,
  opSchema,
  readJson,
  requestFailedSchema,
} from '../../core/sandbox-messages.ts'

const read = (schema: z.ZodType, value: unknown) => readJson(schema, Buffer.from(JSON.stringify(value) ?? ''))

t.test('what a tenant says is read, and nothing else of it', (t) => {
  const answer = { status: 200, headers: ['a', 'b'], hasBody: true }
  t.same(read(answerHeadSchema, { ...answer, more: 1 }), answer)
  t.same(read(answerHeadSchema, { ...answer, status: 101 }), { ...answer, status: 101 })
  t.same(
    Object.keys(
      read(answerHeadSchema, JSON.parse('{"status":200,"headers":[],"hasBody":false,"__proto__":{"x":1}}')) as object,
    ),
    ['status', 'headers', 'hasBody'],
  )
  t.end()
})

t.test('what does not fit is nothing, and never throws', (t) => {
  const answer = { status: 200, headers: ['a', 'b'], hasBody: true }
  for (const [name, schema, value] of [
    ['nothing', answerHeadSchema, undefined],
    ['null', answerHeadSchema, null],
    ['a list', answerHeadSchema, []],
    ['a status of 99', answerHeadSchema, { ...answer, status: 99 }],
    ['a status of 100', answerHeadSchema, { ...answer, status: 100 }],
    ['a status of 600', answerHeadSchema, { ...answer, status: 600 }],
    ['a status with a fraction', answerHeadSchema, { ...answer, status: 200.5 }],
    ['a status in words', answerHeadSchema, { ...answer, status: '200' }],
    ['a header without a value', answerHeadSchema, { ...answer, headers: ['a'] }],
    ['a header that is no text', answerHeadSchema, { ...answer, headers: ['a', 1] }],
    ['a million headers', answerHeadSchema, { ...answer, headers: Array.from({ length: 20_000 }, () => 'a') }],
    ['headers of much text', answerHeadSchema, { ...answer, headers: ['a', 'x'.repeat(140_000)] }],
    [
      'headers of much text in all',
      answerHeadSchema,
      { ...answer, headers: ['a', 'x'.repeat(70_000), 'b', 'x'.repeat(70_000)] },
    ],
    ['a body that is maybe there', answerHeadSchema, { ...answer, hasBody: 1 }],
    ['a failure with status 200', requestFailedSchema, { status: 200, code: 'cpu', reason: '' }],
    ['a failure of an unknown kind', requestFailedSchema, { status: 500, code: 'x', reason: '' }],
    ['a failure that tells a novel', requestFailedSchema, { status: 500, code: 'cpu', reason: 'x'.repeat(2_000) }],
    ['a wait without end', requestFailedSchema, { status: 503, code: 'cpu', reason: '', retryAfterSeconds: 1e9 }],
    ['a log level that is none', logSchema, { version: 1, level: 'fatal', text: '' }],
    ['a long line', logSchema, { version: 1, level: 'info', text: 'x'.repeat(20_000) }],
    ['a version of zero', logSchema, { version: 0, level: 'info', text: '' }],
    ['an operation without a kind', opSchema, { request: 'r', version: 1 }],
    ['a key of nothing', dataCallSchema, { method: 'get', key: '' }],
    ['a long key', dataCallSchema, { method: 'get', key: 'x'.repeat(1_000) }],
    ['a list of everything', dataCallSchema, { method: 'list', prefix: '', limit: 1e9 }],
    ['a call that is none', dataCallSchema, { method: 'drop' }],
  ] as const)
    t.equal(read(schema, value), undefined, name)
  for (const bytes of ['', '{', '"', '\0', '[[[', `${'['.repeat(100_000)}`, '\xff\xfe'])
    t.equal(readJson(answerHeadSchema, Buffer.from(bytes, 'latin1')), undefined)
  t.equal(readJson(answerHeadSchema, Buffer.from(JSON.stringify(answer)), 10), undefined, 'longer than it may be')
  t.end()
})
