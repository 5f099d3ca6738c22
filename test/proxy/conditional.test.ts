import t from 'tap'
import { evaluatePreconditions, ifRangeHolds, type Precondition } from '../../proxy/conditional.ts'

const etag = '"abc-br"'

const rows: [name: string, ifMatch: string | undefined, ifNoneMatch: string | undefined, expected: Precondition][] = [
  ['nothing sent', undefined, undefined, 'proceed'],
  ['If-None-Match with our tag', undefined, '"abc-br"', 'not-modified'],
  ['If-None-Match with our tag made weak', undefined, 'W/"abc-br"', 'not-modified'],
  ['If-None-Match with another tag', undefined, '"xyz"', 'proceed'],
  ['If-None-Match with the tag of another coding', undefined, '"abc"', 'proceed'],
  ['If-None-Match with a longer tag', undefined, '"abc-br2"', 'proceed'],
  ['If-None-Match in a list', undefined, '"x", W/"y","abc-br"', 'not-modified'],
  ['If-None-Match in a list with empty elements', undefined, ', ,"x",,\t"abc-br" ,', 'not-modified'],
  ['If-None-Match in a list without ours', undefined, '"x", "y"', 'proceed'],
  ['If-None-Match *', undefined, '*', 'not-modified'],
  ['If-None-Match * with spaces', undefined, ' * ', 'not-modified'],
  ['If-None-Match with * in a list, which the grammar does not have', undefined, '*, "abc-br"', 'proceed'],
  ['If-None-Match without quotes', undefined, 'abc-br', 'proceed'],
  ['If-None-Match without the closing quote', undefined, '"abc-br', 'proceed'],
  ['If-None-Match with our text within another tag', undefined, '"x,"abc-br""', 'proceed'],
  ['If-None-Match with a comma within a tag', undefined, '"x,y", "abc-br"', 'not-modified'],
  ['If-None-Match with a small w', undefined, 'w/"abc-br"', 'proceed'],
  ['If-None-Match after rubbish', undefined, '"x" rubbish, "abc-br"', 'proceed'],
  ['If-None-Match empty', undefined, '', 'proceed'],
  ['If-Match with our tag', '"abc-br"', undefined, 'proceed'],
  ['If-Match with our tag made weak', 'W/"abc-br"', undefined, 'failed'],
  ['If-Match with another tag', '"xyz"', undefined, 'failed'],
  ['If-Match in a list', '"x", "abc-br"', undefined, 'proceed'],
  ['If-Match *', '*', undefined, 'proceed'],
  ['If-Match malformed', 'abc-br', undefined, 'failed'],
  ['If-Match empty', '', undefined, 'failed'],
  ['If-Match fails before If-None-Match is looked at', '"xyz"', '"abc-br"', 'failed'],
  ['If-Match holds and If-None-Match matches', '"abc-br"', '"abc-br"', 'not-modified'],
  ['If-Match holds and If-None-Match does not match', '*', '"xyz"', 'proceed'],
]

for (const [name, ifMatch, ifNoneMatch, expected] of rows) {
  t.test(`${name} leads to ${expected}`, (t) => {
    t.equal(evaluatePreconditions(ifMatch, ifNoneMatch, etag), expected)
    t.end()
  })
}

t.test('If-Range lets a range through only with exactly our strong tag', (t) => {
  const values: [string | undefined, boolean][] = [
    [undefined, true],
    ['"abc-br"', true],
    ['"abc"', false],
    ['W/"abc-br"', false],
    ['"abc-br", "x"', false],
    ['*', false],
    ['', false],
    ['Sat, 29 Oct 1994 19:43:31 GMT', false],
  ]
  for (const [value, expected] of values) t.equal(ifRangeHolds(value, etag), expected, value ?? 'not sent')
  t.end()
})

t.test('a list that fills the header limit takes one pass', (t) => {
  const list = `${'"x",'.repeat(4_000)}"abc-br"`
  t.equal(evaluatePreconditions(undefined, list, etag), 'not-modified')
  t.equal(evaluatePreconditions(undefined, ','.repeat(16_000), etag), 'proceed')
  t.equal(evaluatePreconditions(undefined, '"'.repeat(16_001), etag), 'proceed')
  t.end()
})
