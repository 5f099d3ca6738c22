import t from 'tap'
import { checkRows, throws } from './rows.ts'

t.test('a URLPattern matches URLs', async (t) => {
  await checkRows(t, [
    [
      'a path with a name',
      `new URLPattern({ pathname: '/blog/:slug' }).exec('https://example.com/blog/a-b').pathname.groups`,
      { slug: 'a-b' },
    ],
    [
      'a path that does not match',
      `new URLPattern({ pathname: '/blog/:slug' }).test('https://example.com/blog/a/b')`,
      false,
    ],
    ['no match is null', `new URLPattern({ pathname: '/a' }).exec('https://example.com/b')`, null],
    [
      'a star',
      `new URLPattern({ pathname: '/files/*' }).exec('https://example.com/files/a/b').pathname.groups`,
      { 0: 'a/b' },
    ],
    ['a regular expression', `new URLPattern({ pathname: '/n/:id(\\\\d+)' }).test('https://example.com/n/12')`, true],
    ['which does not match', `new URLPattern({ pathname: '/n/:id(\\\\d+)' }).test('https://example.com/n/x')`, false],
    [
      'an optional part',
      `[1, 2].map((n) => new URLPattern({ pathname: '/a{/b}?' }).test('https://example.com/a' + (n === 1 ? '' : '/b')))`,
      [true, true],
    ],
    [
      'repeated',
      `new URLPattern({ pathname: '/:rest+' }).exec('https://example.com/a/b/c').pathname.groups`,
      { rest: 'a/b/c' },
    ],
    [
      'a host',
      `new URLPattern({ hostname: ':sub.example.com' }).exec('https://www.example.com/').hostname.groups`,
      { sub: 'www' },
    ],
    [
      'a text',
      `new URLPattern('https://example.com/:a\\\\?x=:b').exec('https://example.com/1?x=2').search.groups`,
      { b: '2' },
    ],
    ['a text and a base', `new URLPattern('/:a', 'https://example.com').test('https://example.com/x')`, true],
    ['without the base', `new URLPattern('/:a')`, throws('TypeError')],
    ['input as parts', `new URLPattern({ pathname: '/a' }).test({ pathname: '/a' })`, true],
    [
      'parts as they were given',
      `const p = new URLPattern({ pathname: '/:a', protocol: 'https' }); return [p.pathname, p.protocol, p.hostname]`,
      ['/:a', 'https', '*'],
    ],
    [
      'without regard to case',
      `new URLPattern({ pathname: '/ABC' }, { ignoreCase: true }).test('https://example.com/abc')`,
      true,
    ],
    [
      'regular expressions are told',
      `[new URLPattern({ pathname: '/:a' }).hasRegExpGroups, new URLPattern({ pathname: '/(a|b)' }).hasRegExpGroups]`,
      [false, true],
    ],
    ['other letters are coded', `new URLPattern({ pathname: '/é' }).pathname`, '/%C3%A9'],
    ['a host in other letters', `new URLPattern({ hostname: 'bücher.example' }).hostname`, 'xn--bcher-kva.example'],
    ['a pattern that is none', `new URLPattern({ pathname: '/:a(' })`, throws('TypeError')],
    ['its tag', `Object.prototype.toString.call(new URLPattern())`, '[object URLPattern]'],
  ])
})
