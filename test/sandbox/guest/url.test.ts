import t from 'tap'
import { checkRows, type Row, throws } from './rows.ts'

/** A URL, a base, and its parts; null if it is none. */
const parsed: readonly (readonly [url: string, base: string | undefined, parts: Record<string, string> | null])[] = [
  [
    'https://example.com/a/b?c=d#e',
    undefined,
    {
      href: 'https://example.com/a/b?c=d#e',
      origin: 'https://example.com',
      protocol: 'https:',
      host: 'example.com',
      hostname: 'example.com',
      port: '',
      pathname: '/a/b',
      search: '?c=d',
      hash: '#e',
      username: '',
      password: '',
    },
  ],
  ['https://example.com', undefined, { href: 'https://example.com/', pathname: '/' }],
  ['https://example.com:443/', undefined, { href: 'https://example.com/', port: '' }],
  [
    'http://example.com:443/',
    undefined,
    { href: 'http://example.com:443/', port: '443', host: 'example.com:443', origin: 'http://example.com:443' },
  ],
  ['http://example.com:80/', undefined, { href: 'http://example.com/' }],
  ['http://example.com:65535/', undefined, { port: '65535' }],
  ['http://example.com:65536/', undefined, null],
  ['http://example.com:0080/', undefined, { port: '' }],
  ['http://example.com:/', undefined, { href: 'http://example.com/' }],
  ['HTTPS://EXAMPLE.com/A', undefined, { href: 'https://example.com/A' }],
  ['  https://example.com/ ', undefined, { href: 'https://example.com/' }],
  ['https://exa\tmple.com/\n', undefined, { href: 'https://example.com/' }],
  ['https://example.com/a/../b/./c', undefined, { pathname: '/b/c' }],
  ['https://example.com/a/%2e%2E/b', undefined, { pathname: '/b' }],
  ['https://example.com/.well-known/x', undefined, { pathname: '/.well-known/x' }],
  ['https://example.com/a..b/c.', undefined, { pathname: '/a..b/c.' }],
  ['https://example.com/..', undefined, { pathname: '/' }],
  ['https://example.com/é ?é#é', undefined, { pathname: '/%C3%A9%20', search: '?%C3%A9', hash: '#%C3%A9' }],
  ["https://example.com/'?'#'", undefined, { pathname: "/'", search: '?%27', hash: "#'" }],
  ['https://example.com/a\\b', undefined, { pathname: '/a/b' }],
  ['https://example.com/?#', undefined, { href: 'https://example.com/?#', search: '', hash: '' }],
  ['https://example.com/a|b^c', undefined, { pathname: '/a|b%5Ec' }],
  ['https://example.com/?a|b^c`d', undefined, { search: '?a|b^c`d' }],
  ['https://user:pa%20ss@example.com/', undefined, { username: 'user', password: 'pa%20ss', host: 'example.com' }],
  ['https://us@er@example.com/', undefined, { username: 'us%40er' }],
  ['https://example.com/a@b', undefined, { pathname: '/a@b', host: 'example.com' }],
  ['https://bücher.example/', undefined, { hostname: 'xn--bcher-kva.example' }],
  ['https://xn--bcher-kva.example/', undefined, { hostname: 'xn--bcher-kva.example' }],
  ['https://ab--cd.example/', undefined, { hostname: 'ab--cd.example' }],
  ['https://a_b.example/', undefined, { hostname: 'a_b.example' }],
  ['https://-a-.example/', undefined, { hostname: '-a-.example' }],
  ['https://example.com./', undefined, { hostname: 'example.com.' }],
  ['https://0x7f.1/', undefined, { hostname: '127.0.0.1' }],
  ['https://1.2.3/', undefined, { hostname: '1.2.0.3' }],
  ['https://foo.0x4/', undefined, null],
  ['https://foo.09/', undefined, null],
  ['https://1.2.3.4.5/', undefined, null],
  ['https://256.256.256.256/', undefined, null],
  ['https://4294967295/', undefined, { hostname: '255.255.255.255' }],
  ['https://[::1]:8080/', undefined, { host: '[::1]:8080', hostname: '[::1]' }],
  ['https://[1:0::0:1]/', undefined, { hostname: '[1::1]' }],
  ['https://[::ffff:1.2.3.4]/', undefined, { hostname: '[::ffff:102:304]' }],
  ['https://[::1/', undefined, null],
  ['https://ex ample.com/', undefined, null],
  ['https://ex%20ample.com/', undefined, null],
  ['https://ex<ample/', undefined, null],
  ['https:///example.com/', undefined, { host: 'example.com' }],
  ['https:example.com', undefined, { href: 'https://example.com/' }],
  ['//example.com', undefined, null],
  ['/a', undefined, null],
  ['', undefined, null],
  ['https://', undefined, null],
  ['a', 'https://example.com/b/c', { href: 'https://example.com/b/a' }],
  ['/a', 'https://example.com/b/c', { href: 'https://example.com/a' }],
  ['?a', 'https://example.com/b/c?d#e', { href: 'https://example.com/b/c?a' }],
  ['#a', 'https://example.com/b/c?d#e', { href: 'https://example.com/b/c?d#a' }],
  ['', 'https://example.com/b/c?d#e', { href: 'https://example.com/b/c?d' }],
  ['//other.example/x', 'https://example.com/', { href: 'https://other.example/x' }],
  ['../../../x', 'https://example.com/a/b', { href: 'https://example.com/x' }],
  ['https://other.example/', 'https://example.com/', { href: 'https://other.example/' }],
  ['https://other.example/', 'no base', null],
  ['x', 'mailto:a@b', null],
  ['#x', 'mailto:a@b', { href: 'mailto:a@b#x' }],
  ['mailto:a@b', undefined, { protocol: 'mailto:', pathname: 'a@b', origin: 'null', host: '' }],
  ['data:text/plain,a b', undefined, { pathname: 'text/plain,a b' }],
  ['file:///c:/a/../b', undefined, { pathname: '/c:/b', host: '' }],
  ['file://host/a', undefined, { host: 'host' }],
  ['blob:https://example.com/x', undefined, { origin: 'https://example.com' }],
  ['foo://A/b', undefined, { host: 'A' }],
  ['javascript:alert(1)', undefined, { protocol: 'javascript:' }],
  ['https://example.com/\ud800', undefined, { pathname: '/%EF%BF%BD' }],
  ['ws://example.com:80/', undefined, { port: '', origin: 'ws://example.com' }],
  ['https://example.com/a?b?c', undefined, { search: '?b?c' }],
  ['https://example.com/a#b#c', undefined, { hash: '#b#c' }],
  ['https://example.com/%', undefined, { pathname: '/%' }],
  ['https://localhost/', undefined, { host: 'localhost' }],
  ['https://a.b-c.d1.example9/', undefined, { host: 'a.b-c.d1.example9' }],
  ['https://example.123x/', undefined, { host: 'example.123x' }],
]

t.test('URLs are parsed', async (t) => {
  await checkRows(
    t,
    parsed.map(([url, base, parts]): Row => {
      const args = base === undefined ? JSON.stringify(url) : `${JSON.stringify(url)}, ${JSON.stringify(base)}`
      const title = base === undefined ? url : `${url} on ${base}`
      if (parts === null) return [title, `[URL.canParse(${args}), URL.parse(${args})]`, [false, null]]
      const given = `const u = new URL(${args}); return [URL.canParse(${args}), URL.parse(${args}).href === u.href, { ${Object.keys(parts).map((key) => `${key}: u.${key}`)} }]`
      return [title, given, [true, true, parts]]
    }),
  )
})

/** A URL, a part, what it is set to, and the href that comes of it. */
const set: readonly (readonly [url: string, part: string, value: string, href: string])[] = [
  ['https://example.com/', 'protocol', 'http', 'http://example.com/'],
  ['https://example.com/', 'protocol', 'HTTP:rest', 'http://example.com/'],
  ['https://example.com/', 'protocol', 'mailto', 'https://example.com/'],
  ['https://example.com:80/', 'protocol', 'http', 'http://example.com/'],
  ['https://example.com/', 'username', 'a@b', 'https://a%40b@example.com/'],
  ['https://example.com/', 'password', 'x', 'https://:x@example.com/'],
  ['mailto:a', 'username', 'x', 'mailto:a'],
  ['https://example.com/', 'host', 'other.example:8080', 'https://other.example:8080/'],
  ['https://example.com:1/', 'host', 'other.example', 'https://other.example:1/'],
  ['https://example.com/', 'host', '', 'https://example.com/'],
  ['https://example.com/', 'host', 'a b', 'https://example.com/'],
  ['https://example.com:1/', 'hostname', 'other.example:2', 'https://example.com:1/'],
  ['https://example.com/', 'hostname', 'BÜCHER.example', 'https://xn--bcher-kva.example/'],
  ['https://example.com/', 'port', '8080', 'https://example.com:8080/'],
  ['https://example.com:8080/', 'port', '443', 'https://example.com/'],
  ['https://example.com:8080/', 'port', '', 'https://example.com/'],
  ['https://example.com/', 'port', '12x', 'https://example.com:12/'],
  ['https://example.com:8080/', 'port', '99999', 'https://example.com:8080/'],
  ['https://example.com/', 'pathname', 'a b?c', 'https://example.com/a%20b%3Fc'],
  ['https://example.com/x', 'pathname', '', 'https://example.com/'],
  ['https://example.com/x', 'pathname', '/a/../b', 'https://example.com/b'],
  ['mailto:a', 'pathname', 'b', 'mailto:a'],
  ['https://example.com/#h', 'search', 'a=b', 'https://example.com/?a=b#h'],
  ['https://example.com/', 'search', '?a=b c#', 'https://example.com/?a=b%20c%23'],
  ['https://example.com/?a', 'search', '', 'https://example.com/'],
  ['https://example.com/', 'hash', 'x y', 'https://example.com/#x%20y'],
  ['https://example.com/#a', 'hash', '', 'https://example.com/'],
  ['https://example.com/#a', 'hash', '#', 'https://example.com/#'],
  ['https://example.com/', 'href', 'http://other.example/', 'http://other.example/'],
]

t.test('parts of a URL are set', async (t) => {
  await checkRows(
    t,
    set.map(([url, part, value, href]) => [
      `${url} ${part} = ${value}`,
      `const u = new URL(${JSON.stringify(url)}); u.${part} = ${JSON.stringify(value)}; return u.href`,
      href,
    ]),
  )
})

t.test('URL is an interface', async (t) => {
  await checkRows(t, [
    ['no argument', `new URL()`, throws('TypeError')],
    ['no URL', `new URL('x')`, throws('TypeError')],
    ['canParse wants an argument', `URL.canParse()`, throws('TypeError')],
    ['undefined is no base', `new URL('https://example.com/', undefined).href`, 'https://example.com/'],
    ['a base that is a URL', `new URL('a', new URL('https://example.com/b/')).href`, 'https://example.com/b/a'],
    [
      'an object that is made a text',
      `new URL({ toString: () => 'https://example.com/' }).href`,
      'https://example.com/',
    ],
    ['setting a bad href', `const u = new URL('https://example.com/'); u.href = 'x'`, throws('TypeError')],
    [
      'which changes nothing',
      `const u = new URL('https://example.com/'); try { u.href = 'x' } catch {} return u.href`,
      'https://example.com/',
    ],
    ['origin cannot be set', `'use strict'; new URL('https://example.com/').origin = 'x'`, throws('TypeError')],
    [
      'searchParams cannot be set',
      `'use strict'; new URL('https://example.com/').searchParams = 'x'`,
      throws('TypeError'),
    ],
    [
      'as a text',
      `const u = new URL('https://example.com/a'); return [String(u), u.toString(), u.toJSON(), JSON.stringify({ u })]`,
      ['https://example.com/a', 'https://example.com/a', 'https://example.com/a', '{"u":"https://example.com/a"}'],
    ],
    [
      'its tag, name and length',
      `[Object.prototype.toString.call(new URL('a:b')), URL.name, URL.length]`,
      ['[object URL]', 'URL', 1],
    ],
    [
      'a getter wants a URL',
      `Object.getOwnPropertyDescriptor(URL.prototype, 'href').get.call({})`,
      throws('TypeError'),
    ],
    ['a URL above the limit', `URL.canParse('https://example.com/' + ' '.repeat(20000))`, false],
    [
      'searchParams is the same object',
      `const u = new URL('https://example.com/?a=1'); return u.searchParams === u.searchParams`,
      true,
    ],
    [
      'a change of searchParams shows in the URL',
      `const u = new URL('https://example.com/?a=1#h'); u.searchParams.append('b', 'c d'); return u.href`,
      'https://example.com/?a=1&b=c+d#h',
    ],
    [
      'all of them deleted',
      `const u = new URL('https://example.com/?a=1#h'); u.searchParams.delete('a'); return [u.href, u.search]`,
      ['https://example.com/#h', ''],
    ],
    [
      'setting search shows in searchParams',
      `const u = new URL('https://example.com/?a=1'); const p = u.searchParams; u.search = '?b=2'; return [...p]`,
      [['b', '2']],
    ],
    [
      'setting href too',
      `const u = new URL('https://example.com/?a=1'); const p = u.searchParams; u.href = 'https://example.com/?c=3'; return [...p]`,
      [['c', '3']],
    ],
    [
      'reading searchParams changes nothing',
      `const u = new URL('https://example.com/?a=b ~'); u.searchParams.get('a'); return u.href`,
      'https://example.com/?a=b%20~',
    ],
    [
      'a change writes all of it anew',
      `const u = new URL('https://example.com/?a=b ~'); u.searchParams.append('c', ''); return u.search`,
      '?a=b+%7E&c=',
    ],
    [
      'a patched RegExp.prototype.exec changes nothing',
      `const { exec } = RegExp.prototype; RegExp.prototype.exec = () => null; try { return new URL('https://example.com/a').pathname } finally { RegExp.prototype.exec = exec }`,
      '/a',
    ],
  ])
})
