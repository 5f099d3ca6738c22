import t from 'tap'
import { extractMimeType, getParameter, parseMimeType, serializeMimeType } from '../../../sandbox/guest/mime-type.ts'

t.test('MIME types, parsed and written again', (t) => {
  const cases: [input: string, expected: string | undefined][] = [
    ['text/html', 'text/html'],
    [' TEXT/HTML ; Charset=UTF-8 ', 'text/html;charset=UTF-8'],
    ['text/html;charset="shift_jis"', 'text/html;charset=shift_jis'],
    ['text/html;charset="a b"', 'text/html;charset="a b"'],
    ['text/html;x="a\\"b\\\\"', 'text/html;x="a\\"b\\\\"'],
    ['text/html;x="unclosed', 'text/html;x=unclosed'],
    ['text/html;x="', 'text/html;x=""'],
    ['text/html;x=""', 'text/html;x=""'],
    ['text/html;x="a"b;y=c', 'text/html;x=a;y=c'],
    ['text/html;;;;x=y', 'text/html;x=y'],
    ['text/html;x;y=z', 'text/html;y=z'],
    ['text/html;=y', 'text/html'],
    ['text/html;x=', 'text/html'],
    ['text/html;x=1;X=2', 'text/html;x=1'],
    ['text/html;a b=c', 'text/html'],
    ['text/html;x=\u0100', 'text/html'],
    ['text/html;x=\u0001', 'text/html'],
    ['text', undefined],
    ['/html', undefined],
    ['text/', undefined],
    ['te xt/html', undefined],
    ['text/ht ml', undefined],
    ['', undefined],
  ]
  for (const [input, expected] of cases) {
    const type = parseMimeType(input)
    t.equal(type && serializeMimeType(type), expected, JSON.stringify(input))
  }
  t.end()
})

t.test('of several values the last one counts, with the charset of an equal one', (t) => {
  const cases: [values: string[], expected: string | undefined][] = [
    [[], undefined],
    [['text/plain'], 'text/plain'],
    [['text/plain, text/html'], 'text/html'],
    [['text/html;charset=a', 'text/html'], 'text/html;charset=a'],
    [['text/html;charset=a', 'text/html;x=y'], 'text/html;x=y;charset=a'],
    [['text/html;charset=a', 'text/plain', 'text/html'], 'text/html'],
    [['text/html', '*/*'], 'text/html'],
    [['text/html', 'nonsense'], 'text/html'],
    [['text/html;x=","', 'text/plain;y="a,b"'], 'text/plain;y="a,b"'],
  ]
  for (const [values, expected] of cases) {
    const type = extractMimeType(['x', 'y', ...values.flatMap((value) => ['content-type', value])])
    t.equal(type && serializeMimeType(type), expected, values.join(' | '))
  }
  t.equal(getParameter({ essence: 'a/b', parameters: ['x', 'y'] }, 'z'), undefined)
  t.end()
})
