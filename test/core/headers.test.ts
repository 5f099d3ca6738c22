import t from 'tap'
import { fromHeaders, getHeader, isValidHeader, joinHeader, toHeaders, withoutHeaders } from '../../core/headers.ts'

const list = ['a', '1', 'set-cookie', 'x=1', 'a', '2', 'set-cookie', 'y=2']

t.test('look-ups see the first value, or all of them joined', (t) => {
  t.equal(getHeader(list, 'a'), '1')
  t.equal(getHeader(list, 'b'), undefined)
  t.equal(joinHeader(list, 'a'), '1, 2')
  t.equal(joinHeader(list, 'b'), undefined)
  t.end()
})

t.test('removal keeps the order of the rest', (t) => {
  t.same(withoutHeaders(list, new Set(['a'])), ['set-cookie', 'x=1', 'set-cookie', 'y=2'])
  t.end()
})

t.test('cookies stay apart on the way to web headers and back', (t) => {
  t.same(fromHeaders(toHeaders(list)), ['a', '1, 2', 'set-cookie', 'x=1', 'set-cookie', 'y=2'])
  t.throws(() => toHeaders(['a b', 'x']), TypeError)
  t.end()
})

t.test('a header is valid when its name is a token and its value has no control characters', (t) => {
  const table: [string, string, boolean][] = [
    ['x-a', 'plain', true],
    ['x-a', 'tab\tis fine', true],
    ['x-a', 'latin \xe9', true],
    ['x-a', '', true],
    ['', 'x', false],
    ['x a', 'x', false],
    ['x:a', 'x', false],
    ['x-a', 'line\nbreak', false],
    ['x-a', 'line\rbreak', false],
    ['x-a', 'nul\0', false],
    ['x-a', 'wide \u0416', false],
    ['x-\u00e9', 'x', false],
  ]
  for (const [name, value, expected] of table)
    t.equal(isValidHeader(name, value), expected, JSON.stringify([name, value]))
  t.end()
})
