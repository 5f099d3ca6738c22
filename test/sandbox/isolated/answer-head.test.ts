import t from 'tap'
import { defaultSandboxLimits } from '../../../core/sandbox-limits.ts'
import { readAnswerHead } from '../../../sandbox/isolated/answer-head.ts'

const limits = { ...defaultSandboxLimits, responseHeaders: 4, responseHeaderBytes: 100 }
const head = (value: unknown) => JSON.stringify(value)

t.test('heads that can be sent are read', (t) => {
  for (const status of [101, 200, 204, 304, 404, 599])
    t.match(readAnswerHead(head({ status, headers: ['a', 'b'], hasBody: true }), limits), { status })
  t.end()
})

const hostile: readonly { readonly name: string; readonly text: string; readonly expected: RegExp }[] = [
  { name: 'no JSON', text: 'x', expected: /cannot be read/ },
  { name: 'null', text: 'null', expected: /cannot be read/ },
  { name: 'a number', text: '7', expected: /cannot be read/ },
  ...[0, 99, 100, 103, 199, 600, 1e9, 200.5, -1].map((status) => ({
    name: `status ${status}`,
    text: head({ status, headers: [], hasBody: false }),
    expected: /status of the answer is/,
  })),
  { name: 'no status', text: head({ headers: [], hasBody: false }), expected: /no number/ },
  { name: 'a text as status', text: head({ status: '200', headers: [], hasBody: false }), expected: /no number/ },
  {
    name: 'headers that are none',
    text: head({ status: 200, headers: {}, hasBody: false }),
    expected: /cannot be read/,
  },
  { name: 'an odd list', text: head({ status: 200, headers: ['a'], hasBody: false }), expected: /cannot be read/ },
  { name: 'hasBody missing', text: head({ status: 200, headers: [] }), expected: /cannot be read/ },
  {
    name: 'a number as value',
    text: head({ status: 200, headers: ['a', 1], hasBody: false }),
    expected: /cannot be read/,
  },
  ...['a\r\nb: c', 'a b', '', 'A', 'a:', 'ä'].map((name) => ({
    name: `name ${JSON.stringify(name)}`,
    text: head({ status: 200, headers: [name, 'x'], hasBody: false }),
    expected: /a header that cannot be sent/,
  })),
  ...['x\r\nset-cookie: y', 'x\ny', 'x\u0000', 'x\u007f', 'x\u0100'].map((value) => ({
    name: `value ${JSON.stringify(value)}`,
    text: head({ status: 200, headers: ['a', value], hasBody: false }),
    expected: /a header that cannot be sent/,
  })),
  {
    name: 'text that no frame takes',
    text: JSON.stringify({ status: 200, headers: [], hasBody: false, more: '€'.repeat(100_000) }),
    expected: /too large/,
  },
  {
    name: 'too many headers',
    text: head({ status: 200, headers: Array(10).fill('a'), hasBody: false }),
    expected: /has 5 headers, at most 4/,
  },
  {
    name: 'headers too large',
    text: head({ status: 200, headers: ['a', 'x'.repeat(100)], hasBody: false }),
    expected: /more than 100 bytes/,
  },
]

for (const { name, text, expected } of hostile)
  t.test(`a head with ${name} is not read`, (t) => {
    const read = readAnswerHead(text, limits)
    t.type(read, 'string')
    t.match(read, expected)
    t.end()
  })
