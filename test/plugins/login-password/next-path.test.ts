import fc from 'fast-check'
import t from 'tap'
import { safeNextPath } from '../../../plugins/login-password/next-path.ts'

t.test('a path of the site is kept, as a browser would send it', (t) => {
  for (const [next, path] of [
    ['/', '/'],
    ['/entries', '/entries'],
    ['/a/b/?x=1&y=%2Fz', '/a/b/?x=1&y=%2Fz'],
    ['/a#top', '/a'],
    ['/a b', '/a%20b'],
    ['/a%20b', '/a%20b'],
    ['/straße', '/stra%C3%9Fe'],
    ['/a/../b', '/b'],
    ['/a?u=https://example.org//x', '/a?u=https://example.org//x'],
    ['/a//b', '/a//b'],
    ['/@evil.example', '/@evil.example'],
    ['/:80', '/:80'],
  ] as const)
    t.equal(safeNextPath(next), path, next)
  t.end()
})

t.test('what may lead elsewhere leads to the front page', (t) => {
  for (const next of [
    null,
    undefined,
    '',
    'entries',
    '//evil.example',
    '//evil.example/%2f..',
    '///evil.example',
    '////evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '\\/evil.example',
    '/\\/evil.example',
    '/a\\..\\b',
    'https://evil.example',
    'https:evil.example',
    'https:/evil.example',
    'HTTPS://evil.example/',
    'javascript:alert(1)',
    'data:text/html,x',
    'blob:x',
    '//user@evil.example',
    '@evil.example',
    '.evil.example',
    '?x=//evil.example',
    '#x',
    ' //evil.example',
    '\t//evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\r/evil.example',
    '/\u0000/evil.example',
    '/a\r\nset-cookie: x=1',
    '/a\u007f',
    '%2f%2fevil.example',
    '/%2fevil.example',
    '/%2Fevil.example',
    '/%5cevil.example',
    '/%5Cevil.example',
    '/%09/evil.example',
    '/a%0d%0aset-cookie:x',
    '/%00',
    '/.//evil.example',
    '/a/..//evil.example',
    '/./\\evil.example',
    '/%2e//evil.example',
    '/%',
    '/%ff',
    `/${'a'.repeat(2_048)}`,
  ])
    t.equal(safeNextPath(next), '/', JSON.stringify(next)?.slice(0, 60))
  t.end()
})

t.test('whatever it is given, the answer is a path of the same site and can stand in a header', (t) => {
  const piece = fc.constantFrom(
    '/',
    '\\',
    '.',
    '..',
    '%2f',
    '%5c',
    '@',
    ':',
    '?',
    '#',
    ' ',
    '\t',
    '\n',
    'a',
    'ä',
    '%',
    '\ud800',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join('')),
      ),
      (next) => {
        const path = safeNextPath(next)
        return (
          /^\/(?![/\\])[\x21-\x7e]*$/.test(path) && new URL(path, 'https://a.example').origin === 'https://a.example'
        )
      },
    ),
    { numRuns: 5_000 },
  )
  t.end()
})
